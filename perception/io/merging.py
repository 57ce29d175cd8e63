"""Scans and IMU samples of a file brought into the order of time, read ahead in a thread, with bounded memory."""

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from perception.core.mailbox import Closed, Mailbox
from perception.core.types import ImuBatch, Scan
from perception.io.imu import Sample, imu_batch

WINDOW_NS = 500_000_000  # messages that are out of order by less than this are sorted
MAX_BATCH = 100  # IMU samples handed over at once while no scan comes: half a second at 200 Hz
MAX_WAITING = 16  # items read ahead: about eight scans and the IMU between them

Item = TypeVar("Item")
Timed = tuple[int, "Scan | Sample"]  # time at which it is complete


def timed(item: "Scan | Sample") -> Timed:
    """The item with the time of its end: a scan is known when its sweep is over."""
    return (item.end_ns, item) if isinstance(item, Scan) else (item[0], item)


def in_order(items: Iterable["Scan | Sample"], window_ns: int = WINDOW_NS) -> Iterator["Scan | Sample"]:
    """The items sorted by time within a sliding window, equal times in the order of the file.

    A step back larger than the window is a clock that was moved, or a bag that was looped: what came before it is
    given out first, then the new time is followed. The guard of each stream decides what it means.
    """
    heap: list[tuple[int, int, Scan | Sample]] = []
    newest = 0
    for number, (time_ns, item) in enumerate(map(timed, items)):
        if heap and time_ns < newest - window_ns:
            yield from _drained(heap)
            newest = time_ns
        newest = max(newest, time_ns)
        heapq.heappush(heap, (time_ns, number, item))
        while heap[0][0] < newest - window_ns:
            yield heapq.heappop(heap)[2]
    yield from _drained(heap)


def batched(items: Iterable["Scan | Sample"]) -> Iterator["Scan | ImuBatch"]:
    """The same items with the IMU samples between two scans put together."""
    waiting: list[Sample] = []
    for item in items:
        if not isinstance(item, Scan):
            waiting.append(item)
        if waiting and (isinstance(item, Scan) or len(waiting) >= MAX_BATCH):
            yield imu_batch(waiting)
            waiting = []
        if isinstance(item, Scan):
            yield item
    if waiting:
        yield imu_batch(waiting)


def read_ahead(make: Callable[[], Iterator[Item]], capacity: int = MAX_WAITING) -> Iterator[Item]:
    """What `make()` yields, produced by a thread that waits while `capacity` items are not taken.

    An exception of the thread is raised here, after the items before it. The thread ends with this iterator.
    """
    mailbox: Mailbox[Item] = Mailbox(capacity)
    failure: list[BaseException] = []

    def work() -> None:
        items = make()
        try:
            for item in items:
                mailbox.put_wait(item)
        except Closed:
            items.close()  # type: ignore[attr-defined]
        except BaseException as error:
            failure.append(error)
        finally:
            mailbox.close()

    thread = threading.Thread(target=work, name="read-ahead", daemon=True)
    thread.start()
    try:
        while True:
            yield mailbox.get()  # type: ignore[misc]
    except Closed:
        pass
    finally:
        mailbox.close()
        thread.join()
    if failure:
        raise failure[0]


def _drained(heap: list) -> Iterator["Scan | Sample"]:
    while heap:
        yield heapq.heappop(heap)[2]
