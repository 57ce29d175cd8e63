"""Batches of windows by step, prepared ahead by threads.

A window depends on the seed and on its number alone (step * batch + place), never on what came before: a run that is
resumed, or divided among processes, sees the same windows.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Generic, TypeVar

import numpy as np

from perception.training.augment import Augmenter, Window
from perception.training.config import RunConfig, TrainingConfig
from perception.training.pictures import PictureList, PictureStore

ORDER_STREAM, WINDOW_STREAM = 1, 2  # of random numbers

W = TypeVar("W")  # a window
B = TypeVar("B")  # the windows of one step


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


class StepBatches(ABC, Generic[W, B]):
    """Makes the batch of any step; what a window is, and how windows become a batch, is told by `window`, `stacked`."""

    def __init__(self, config: RunConfig, num_pictures: int, share: Share | None) -> None:
        self._run, self._share, self._num_pictures = config, share or Share(), num_pictures

    @abstractmethod
    def window(self, picture: int, is_finish: bool, rng: np.random.Generator) -> W:
        """A window that shows `picture` at least; the same for the same state of `rng`."""

    @abstractmethod
    def stacked(self, windows: list[W]) -> B:
        """Windows of one size as a batch."""

    def batch(self, step: int) -> B:
        """The windows of a step that are this process's share."""
        config, share = self._run, self._share
        size = config.batch_at(step)
        is_finish = step >= config.finish_from
        numbers = range(
            step * max(config.batch, size) + share.rank, step * max(config.batch, size) + size, share.num_ranks
        )
        return self.stacked([self._window(is_finish, number) for number in numbers])

    def ahead(self, first_step: int) -> Iterator[B]:
        """The batches from `first_step` to the last, made by threads while the network works."""
        waiting: deque[Future[B]] = deque()
        steps = iter(range(first_step, self._run.steps))
        with ThreadPoolExecutor(self._run.workers, thread_name_prefix="windows") as pool:
            try:
                for step in steps:
                    waiting.append(pool.submit(self.batch, step))
                    if len(waiting) > self._run.ahead:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for job in waiting:
                    job.cancel()

    def _window(self, is_finish: bool, number: int) -> W:
        passes, place = divmod(number, self._num_pictures)
        order = _order(self._run.seed, passes, self._num_pictures)
        rng = np.random.default_rng([self._run.seed, WINDOW_STREAM, number])
        return self.window(int(order[place]), is_finish, rng)


class Batches(StepBatches[Window, Batch]):
    """Windows with boxes."""

    def __init__(self, pictures: PictureList, config: TrainingConfig, share: Share | None = None) -> None:
        super().__init__(config, len(pictures), share)
        store = PictureStore(pictures, config.cache_gb)
        self._augmenters = [
            Augmenter(pictures, store.__getitem__, augment) for augment in (config.augment, config.finish)
        ]

    def window(self, picture: int, is_finish: bool, rng: np.random.Generator) -> Window:
        """As in `StepBatches`."""
        return self._augmenters[is_finish].window(picture, rng)

    def stacked(self, windows: list[Window]) -> Batch:
        """As in `StepBatches`."""
        return _stacked(windows)


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
