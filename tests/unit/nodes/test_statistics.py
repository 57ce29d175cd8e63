import random

from nodes.statistics import DropMonitor, LatencyMonitor, StreamMonitor
from perception.core.health import Level

MS = 1_000_000
S = 1_000_000_000


def ten_hertz(num=30):
    monitor = StreamMonitor("/points", 0)
    for index in range(num):
        monitor.note(index * 100 * MS)
    return monitor, (num - 1) * 100 * MS


def test_a_stream_in_its_rhythm_is_ok_and_has_its_rate():
    monitor, last = ten_hertz()
    assert monitor.health(last + 100 * MS, S).level is Level.OK
    assert monitor.period_ns() == 100 * MS
    assert abs(monitor.rate(last + 1) - 10.0) < 0.5


def test_a_stream_that_pauses_is_degraded_within_half_a_second_of_its_deadline_and_then_failed():
    monitor, last = ten_hertz()
    deadline = last + 100 * MS
    assert monitor.health(deadline + 500 * MS, S).level is Level.DEGRADED
    assert monitor.health(last + 1001 * MS, S).level is Level.FAILED
    assert "/points" in monitor.health(last + 1001 * MS, S).reason


def test_a_stream_that_comes_back_is_ok_at_once():
    monitor, last = ten_hertz()
    monitor.note(last + 5 * S)
    assert monitor.health(last + 5 * S + 1, S).level is Level.OK


def test_a_slow_stream_is_not_called_silent_between_its_messages():
    monitor = StreamMonitor("/points", 0)
    for index in range(10):
        monitor.note(index * S)
    assert monitor.health(9 * S + 1500 * MS, S).level is Level.OK


def test_a_stream_that_never_came_is_degraded_with_the_topic_as_remedy():
    monitor = StreamMonitor("/points", 0)
    assert monitor.health(500 * MS, S).level is Level.OK
    assert "check the driver and the topic's name" in monitor.health(2 * S, S).reason


def test_a_refused_message_shows_its_reason_until_a_good_one_comes():
    monitor, last = ten_hertz()
    monitor.refuse(ValueError("field x: missing"))
    assert "field x: missing" in monitor.health(last, S).reason
    monitor.accept(S)
    assert monitor.health(last, S).level is Level.OK
    assert monitor.num_refused == 1


def test_latency_quantiles_and_late_outputs_are_counted():
    monitor = LatencyMonitor(deadline_ms=100)
    for value in range(1, 101):
        monitor.note(value * 2 * MS)
    quantiles = monitor.quantiles()
    assert (quantiles.p50, quantiles.p95, quantiles.p99) == (102.0, 192.0, 200.0)
    assert monitor.num_late == 50
    assert monitor.health().level is Level.DEGRADED


def test_one_late_output_is_no_overload():
    monitor = LatencyMonitor(deadline_ms=100)
    for value in [10] * 9 + [500]:
        monitor.note(value * MS)
    assert monitor.health().level is Level.OK
    assert monitor.num_late == 1


def test_a_drop_degrades_for_two_seconds():
    monitor = DropMonitor("items dropped")
    assert monitor.health(0, 0).level is Level.OK
    assert monitor.health(3, S).level is Level.DEGRADED
    assert monitor.health(3, 2 * S).level is Level.DEGRADED
    assert monitor.health(3, 4 * S).level is Level.OK


def test_messages_that_are_missing_between_stamps_are_counted():
    monitor = StreamMonitor("/points", 0)
    rng = random.Random(0)
    for index in range(60):
        if index not in (20, 30, 31, 59):
            monitor.accept(S + index * 100 * MS + rng.randrange(-10 * MS, 10 * MS))
    assert monitor.num_missing == 3  # the last one is not missed yet


def test_repeated_stamps_and_jumps_of_the_clock_are_no_missing_messages():
    monitor = StreamMonitor("/points", 0)
    for start in (S, 3600 * S, 10 * S):
        for index in range(20):
            monitor.accept(start + index * 100 * MS)
            monitor.accept(start + index * 100 * MS)
    assert monitor.num_missing == 0
