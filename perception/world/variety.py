"""What a seed may draw from. Evaluation seeds get shapes, textures and layouts that no training seed ever shows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from perception.world.materials import VARIANTS, Texture

EVALUATION_SEED = 1_000_000  # seeds from here on are for evaluation
HELD_OUT_SHARE = 0.25  # of every list of options, at least one; lists of one option are shared

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Variety:
    """The side of the split that a world belongs to."""

    is_held_out: bool = False
    freedom: float = 0.0  # share of a training world's objects that are drawn freely, not from the lists

    def part(self, options: Sequence[T]) -> Sequence[T]:
        """The options of this side: the last quarter is held out, the rest is for training."""
        if len(options) < 2:
            return options
        first = len(options) - max(1, round(HELD_OUT_SHARE * len(options)))
        return options[first:] if self.is_held_out else options[:first]

    def choose(self, rng: np.random.Generator, options: Sequence[T], weights: Sequence[float] | None = None) -> T:
        """One of the options of this side; `weights` go with all options."""
        mine = self.part(options)
        if weights is None:
            return mine[int(rng.integers(len(mine)))]
        shares = np.asarray(self.part(weights), dtype=np.float64)
        return mine[int(rng.choice(len(mine), p=shares / shares.sum()))]

    def is_free(self, rng: np.random.Generator) -> bool:
        """By lot, whether an object is drawn freely; without freedom no number is taken from `rng`."""
        return self.freedom > 0.0 and bool(rng.random() < self.freedom)

    def layer(self, rng: np.random.Generator, texture: Texture) -> int:
        """A look of a texture family."""
        return texture.layer(self.choose(rng, range(VARIANTS)))


def variety_of(seed: int, freedom: float = 0.0) -> Variety:
    """The side that a seed belongs to; only the training side has `freedom`."""
    return Variety(True) if seed >= EVALUATION_SEED else Variety(False, freedom)


TRAINING = Variety()
