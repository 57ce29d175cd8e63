"""The items of a file brought into the order of time, read ahead in a thread, with bounded memory."""

import heapq
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from perception.core.mailbox import Closed, Mailbox
from perception.core.types import ImuBatch, Scan
from perception.io.images import PendingImage
from perception.io.imu import Sample, imu_batch
from slam.graph.sensors import AntennaFix, WheelTwist

WINDOW_NS = 500_000_000  # messages that are out of order by less than this are sorted
MAX_BATCH = 100  # IMU samples handed over at once while no scan comes: half a second at 200 Hz
MAX_WAITING = 16  # items read ahead: about eight scans and the IMU between them
MAX_IMAGE_BYTES = 1 << 28  # of image messages that wait to be sorted; beyond it the oldest items go before their time

Item = TypeVar("Item")
Follower = PendingImage | AntennaFix | WheelTwist  # of sensors whose clocks say nothing about those of the others
Event = Scan | Sample | Follower  # of a file, before samples are put together and images decoded
Timed = tuple[int, Event]  # time at which it is complete


def timed(item: Event) -> Timed:
    """The item with the time of its end: a scan is known when its sweep is over."""
    if isinstance(item, Scan):
        return item.end_ns, item
    return (item.stamp_ns if isinstance(item, Follower) else item[0]), item


def in_order(items: Iterable[Event], window_ns: int = WINDOW_NS) -> Iterator[Event]:
    """The items sorted by time within a sliding window, equal times in the order of the file.

    A step back larger than the window is a clock that was moved, or a bag that was looped: what came before it is
    given out first, then the new time is followed. The guard of each stream decides what it means. Images, fixes and
    twists follow the time of the others and never lead it, so that a wrong clock of theirs changes nothing for them.
    """
    heap: list[tuple[int, int, Event]] = []
    newest = newest_other = num_bytes = 0
    for number, (time_ns, item) in enumerate(map(timed, items)):
        if isinstance(item, Follower):
            time_ns = newest_other = _near(time_ns, newest, window_ns) if newest else time_ns
            num_bytes += _size(item)
        else:
            if not newest or (heap and time_ns < newest - window_ns):
                yield from _drained(heap)
                newest, num_bytes = time_ns, 0
            newest = max(newest, time_ns)
        heapq.heappush(heap, (time_ns, number, item))
        while heap and (heap[0][0] < (newest or newest_other) - window_ns or num_bytes > MAX_IMAGE_BYTES):
            oldest = heapq.heappop(heap)[2]
            num_bytes -= _size(oldest)
            yield oldest
    yield from _drained(heap)


def batched(items: Iterable[Event]) -> Iterator[Scan | ImuBatch | Follower]:
    """The same items with the IMU samples between two others put together."""
    waiting: list[Sample] = []
    for item in items:
        if isinstance(item, tuple):
            waiting.append(item)
        if waiting and (not isinstance(item, tuple) or len(waiting) >= MAX_BATCH):
            yield imu_batch(waiting)
            waiting = []
        if not isinstance(item, tuple):
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


def _drained(heap: list) -> Iterator[Event]:
    while heap:
        yield heapq.heappop(heap)[2]


def _size(item: Event) -> int:
    """Bytes of an image that waits; nothing else counts."""
    return item.num_bytes if isinstance(item, PendingImage) else 0


def _near(time_ns: int, reference_ns: int, window_ns: int) -> int:
    """The time within the window around a reference that is closest to `time_ns`."""
    return min(max(time_ns, reference_ns - window_ns), reference_ns + window_ns)
