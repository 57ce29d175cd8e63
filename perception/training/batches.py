"""Batches of windows by step, prepared ahead by threads.

A window depends on the seed and on its number alone (step * batch + place), never on what came before: a run that is
resumed, or divided among processes, sees the same windows.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from perception.training.augment import Augmenter, Window
from perception.training.config import TrainingConfig
from perception.training.pictures import PictureList, PictureStore

ORDER_STREAM, WINDOW_STREAM = 1, 2  # of random numbers


@dataclass(frozen=True, slots=True)
class Share:
    """The part of every batch that this process has: the windows `rank`, `rank + num_ranks`, ..."""

    rank: int = 0
    num_ranks: int = 1


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Windows of one step and what is to be learned from them."""

    images: np.ndarray  # (B, H, W, 3) uint8 RGB
    image_ids: np.ndarray  # (N,) int64, row of each object's window
    classes: np.ndarray  # (N,) int64
    boxes: np.ndarray  # (N, 4) float32, cx, cy, w, h as shares of the window's sides
    is_ignored: np.ndarray  # (N,) bool


class Batches:
    """Makes the batch of any step."""

    def __init__(self, pictures: PictureList, config: TrainingConfig, share: Share | None = None) -> None:
        store = PictureStore(pictures, config.cache_gb)
        self._config, self._share = config, share or Share()
        self._num_pictures = len(pictures)
        self._augmenters = {
            augment: Augmenter(pictures, store.__getitem__, getattr(config, augment))
            for augment in ("augment", "finish")
        }

    def batch(self, step: int) -> Batch:
        """The windows of a step that are this process's share."""
        config, share = self._config, self._share
        size = config.batch_at(step)
        name = "augment" if step < config.finish_from else "finish"
        numbers = range(
            step * max(config.batch, size) + share.rank, step * max(config.batch, size) + size, share.num_ranks
        )
        return _stacked([self._window(name, number) for number in numbers])

    def ahead(self, first_step: int) -> Iterator[Batch]:
        """The batches from `first_step` to the last, made by threads while the network works."""
        waiting: deque[Future[Batch]] = deque()
        steps = iter(range(first_step, self._config.steps))
        with ThreadPoolExecutor(self._config.workers, thread_name_prefix="windows") as pool:
            try:
                for step in steps:
                    waiting.append(pool.submit(self.batch, step))
                    if len(waiting) > self._config.ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for job in waiting:
                    job.cancel()

    def _window(self, name: str, number: int) -> Window:
        passes, place = divmod(number, self._num_pictures)
        order = _order(self._config.seed, passes, self._num_pictures)
        rng = np.random.default_rng([self._config.seed, WINDOW_STREAM, number])
        return self._augmenters[name].window(int(order[place]), rng)


@lru_cache(maxsize=4)
def _order(seed: int, passes: int, num_pictures: int) -> np.ndarray:
    """In which order a pass takes the pictures."""
    order = np.random.default_rng([seed, ORDER_STREAM, passes]).permutation(num_pictures)
    order.flags.writeable = False
    return order


def _stacked(windows: list[Window]) -> Batch:
    height, width = windows[0].color.shape[:2]
    corners = np.concatenate([window.boxes.corners for window in windows])
    low, high = corners[:, :2], corners[:, 2:]
    size = np.array([width, height], dtype=np.float32)
    return Batch(
        np.stack([window.color for window in windows]),
        np.repeat(np.arange(len(windows)), [len(window.boxes) for window in windows]),
        np.concatenate([window.boxes.classes for window in windows]),
        np.concatenate([(low + high) / (2 * size), (high - low) / size], axis=1).astype(np.float32),
        np.concatenate([window.boxes.is_ignored for window in windows]),
    )
