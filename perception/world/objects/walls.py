"""Walls with openings: windows, doors and niches cut into a rectangle, with the reveals around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, joined, quads, surface
from perception.world.materials import Material


@dataclass(frozen=True, slots=True)
class Opening:
    """A rectangular hole in a wall, in metres from its start and above the height zero of the scene."""

    start: float
    stop: float
    low: float
    high: float
    depth: float  # m, of the recess
    fill: Material | None  # what closes the recess at its back; None: one can see through


@dataclass(frozen=True, slots=True)
class Wall:
    """An upright rectangle over the line from `start` to `stop` (x, y); outside is on the right of that line."""

    start: tuple[float, float]
    stop: tuple[float, float]
    low: float
    high: float
    material: Material

    @property
    def length(self) -> float:
        """Distance from `start` to `stop`."""
        return float(np.hypot(self.stop[0] - self.start[0], self.stop[1] - self.start[1]))


def make_wall(wall: Wall, openings: Sequence[Opening] = (), instance: int = 0, kind: Class = Class.MANMADE) -> Mesh:
    """The triangles of a wall with its openings, which must not overlap."""
    parts = [surface(_lifted(wall, _solid(wall, openings)), kind, wall.material, instance)]
    if openings:
        reveals = np.concatenate([_reveals(opening, opening.low > wall.low) for opening in openings])
        parts.append(surface(_lifted(wall, reveals), kind, wall.material, instance))
    backs = [
        surface(_lifted(wall, _back(opening)), kind, opening.fill, instance)
        for opening in openings
        if opening.fill is not None
    ]
    return joined([*parts, *backs])


def _solid(wall: Wall, openings: Sequence[Opening]) -> np.ndarray:
    """What remains of the wall, as rectangles (N, 4, 3) in (along, up, inwards): bands between the openings' edges."""
    levels = sorted({wall.low, wall.high, *(o.low for o in openings), *(o.high for o in openings)})
    out = []
    for low, high in pairwise(levels):
        holes = sorted((o.start, o.stop) for o in openings if o.low < high and low < o.high)
        starts, stops = [0.0, *(stop for _, stop in holes)], [*(start for start, _ in holes), wall.length]
        out.extend(_rectangle(a, b, low, high, 0.0) for a, b in zip(starts, stops, strict=True) if b - a > 1e-6)
    return np.array(out).reshape(-1, 4, 3)


def _rectangle(start: float, stop: float, low: float, high: float, inwards: float) -> list[list[float]]:
    return [[start, low, inwards], [stop, low, inwards], [stop, high, inwards], [start, high, inwards]]


def _reveals(o: Opening, has_sill: bool) -> np.ndarray:
    """The faces between the edges of the hole and its back; none below a hole that reaches the foot of the wall."""
    front, back = np.array(_rectangle(o.start, o.stop, o.low, o.high, 0.0)), _back(o)[0]
    turn = [1, 2, 3, 0]
    return np.stack([front, front[turn], back[turn], back], axis=1)[0 if has_sill else 1 :]


def _back(o: Opening) -> np.ndarray:
    return np.array([_rectangle(o.start, o.stop, o.low, o.high, o.depth)])


def _lifted(wall: Wall, rectangles: np.ndarray) -> np.ndarray:
    """Rectangles (N, 4, 3) of (along, up, inwards) as triangles (2N, 3, 3) in the world."""
    along = (np.array(wall.stop) - np.array(wall.start)) / wall.length
    inwards = np.array([-along[1], along[0]])
    flat = np.array(wall.start) + rectangles[..., :1] * along + rectangles[..., 2:] * inwards
    return quads(np.concatenate([flat, rectangles[..., 1:2]], axis=-1))
