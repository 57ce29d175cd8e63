import threading
import time

import numpy as np
import pytest

from perception.core.errors import DataLoss
from perception.core.types import ImuBatch, Scan
from perception.io.merging import MAX_BATCH, WINDOW_NS, batched, in_order, read_ahead
from perception.io.recording import MAX_REASONS, Losses

MS = 1_000_000


def scan(start_ms: int, length_ms: int = 100) -> Scan:
    points, offsets = np.ones((2, 3), np.float32), np.array([0, length_ms * MS], np.int64)
    return Scan(start_ms * MS, "lidar", points, offsets)


def sample(stamp_ms: int):
    return (stamp_ms * MS, 0.0, 0.0, 0.0, 0.0, 0.0, 9.81)


def times(items) -> list[int]:
    return [(item.end_ns if isinstance(item, Scan) else item[0]) // MS for item in items]


def test_a_scan_takes_its_place_by_the_end_of_its_sweep():
    items = [scan(0), *[sample(t) for t in range(0, 200, 10)]]
    ordered = list(in_order(items))
    assert times(ordered) == sorted(times(items))
    assert sum(not isinstance(item, Scan) for item in ordered[: ordered.index(items[0])]) in (10, 11)


def test_shuffling_within_the_window_changes_nothing():
    rng = np.random.default_rng(0)
    items = [sample(1000 + t) for t in range(3000)]
    keys = np.arange(3000) + rng.uniform(0, WINDOW_NS / MS * 0.99, 3000)
    assert list(in_order([items[i] for i in np.argsort(keys)])) == items


def test_a_step_back_larger_than_the_window_starts_a_new_order():
    items = [sample(t) for t in [*range(5000, 6000, 100), *range(0, 1000, 100)]]
    assert list(in_order(items)) == items


def test_memory_is_bounded_by_the_window():
    waiting, largest = 0, 0

    def counted():
        nonlocal waiting, largest
        for t in range(20_000):
            waiting += 1
            largest = max(largest, waiting)
            yield sample(t)

    for _ in in_order(counted()):
        waiting -= 1
    assert largest <= WINDOW_NS // MS + 3


def test_samples_between_scans_come_as_one_batch_and_a_silent_lidar_does_not_hold_them_back():
    items = [*[sample(t) for t in range(5)], scan(6, 1), *[sample(10 + t) for t in range(250)]]
    kinds = [len(e.stamps_ns) if isinstance(e, ImuBatch) else "scan" for e in batched(items)]
    assert kinds == [5, "scan", MAX_BATCH, MAX_BATCH, 50]


def test_reading_ahead_keeps_the_order_and_waits_for_the_reader():
    made = []

    def make():
        for i in range(100):
            made.append(i)
            yield i

    items = read_ahead(make, capacity=4)
    assert next(items) == 0
    time.sleep(0.05)
    assert len(made) <= 7  # four wait, one is being handed over, one is taken, one is made
    assert [0, *items] == list(range(100))


def test_an_error_of_the_thread_comes_after_what_it_made():
    def make():
        yield 1
        yield 2
        raise DataLoss("gone")

    taken = []
    with pytest.raises(DataLoss, match="gone"):
        taken.extend(read_ahead(make))
    items = read_ahead(make)
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(DataLoss, match="gone"):
        next(items)


def test_a_reader_that_stops_ends_the_thread_and_closes_its_source():
    closed = threading.Event()

    def make():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    items = read_ahead(make)
    next(items)
    items.close()
    assert closed.wait(5.0)


def test_losses_that_differ_in_numbers_only_are_counted_as_one_reason():
    losses = Losses()
    for i in range(10):
        losses.add(f"imu gyro x: {i}.5e+03 is not finite")
    assert str(losses) == "imu gyro x: 0.5e+03 is not finite (10 x)"
    for i in range(100):
        losses.add("reason " + chr(97 + i % 26) * (i + 1))
    assert len(losses.counts) <= MAX_REASONS + 1
    assert losses.counts["other reasons"] > 50
    assert sum(losses.counts.values()) == 110
    losses.clear()
    assert not losses.counts
