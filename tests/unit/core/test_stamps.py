import pytest

from perception.core.errors import InvalidInput
from perception.core.stamps import NS_PER_S, StampGuard, Verdict, stamp_from_ros

S = NS_PER_S


def judge(stamps, max_gap=1.0, max_late=0.5):
    guard = StampGuard(round(max_gap * S), round(max_late * S))
    return [guard.check(round(t * S)) for t in stamps], guard


@pytest.mark.parametrize(("sec", "nanosec"), [(0, 0), (-1, 0), (5, -1), (5, NS_PER_S), (5, 4_000_000_000)])
def test_a_malformed_or_unset_ros_time_is_refused(sec, nanosec):
    with pytest.raises(InvalidInput, match="stamp"):
        stamp_from_ros(sec, nanosec)


def test_a_ros_time_keeps_its_nanoseconds():
    assert stamp_from_ros(1_700_000_000, 123_456_789) == 1_700_000_000_123_456_789


def test_duplicates_and_late_messages_are_dropped():
    verdicts, guard = judge([10.0, 10.1, 10.1, 10.05, 10.2])
    assert verdicts == [Verdict.ACCEPT, Verdict.ACCEPT, Verdict.DUPLICATE, Verdict.LATE, Verdict.ACCEPT]
    assert guard.counts[Verdict.LATE] == 1


def test_one_message_from_the_future_costs_only_itself():
    verdicts, _ = judge([10.0, 3610.0, 10.1, 10.2])
    assert verdicts == [Verdict.ACCEPT, Verdict.UNCONFIRMED, Verdict.ACCEPT, Verdict.ACCEPT]


def test_a_clock_moved_back_is_reported_exactly_once():
    verdicts, _ = judge([100.0, 100.1, 90.0, 90.1, 90.2])
    assert verdicts[2:] == [Verdict.UNCONFIRMED, Verdict.REWIND, Verdict.ACCEPT]


def test_a_silence_is_a_gap_once_the_stream_goes_on():
    verdicts, _ = judge([100.0, 105.0, 105.1, 105.2])
    assert verdicts[1:] == [Verdict.UNCONFIRMED, Verdict.GAP, Verdict.ACCEPT]


def test_jumps_to_different_places_confirm_nothing():
    verdicts, _ = judge([100.0, 50.0, 20.0, 500.0, 100.1])
    assert verdicts[1:] == [Verdict.UNCONFIRMED] * 3 + [Verdict.ACCEPT]


def test_a_reset_guard_accepts_any_stamp_and_keeps_its_counts():
    _, guard = judge([100.0, 100.0])
    guard.reset()
    assert guard.check(5 * S) is Verdict.ACCEPT
    assert guard.counts[Verdict.DUPLICATE] == 1
