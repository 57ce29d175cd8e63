"""Walls with openings cut into a rectangle, the reveals around these, and what is fixed to the wall."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import PLAIN_LOOK, Look, Mesh, joined, quads, surface
from perception.world.materials import Material
from perception.world.objects.shapes import UNIT_UVS, Stuff


@dataclass(frozen=True, slots=True, eq=False)
class Opening:
    """A rectangular hole in a wall, in metres from its start and above the height zero of the scene."""

    start: float
    stop: float
    low: float
    high: float
    depth: float  # m, of the recess
    fill: Material | None  # what closes the recess at its back; None: one can see through
    look: Look = PLAIN_LOOK  # of the fill
    is_unit: bool = False  # the texture of the fill is a unit texture

    @property
    def middle(self) -> float:
        """Half-way between its sides (m)."""
        return 0.5 * (self.start + self.stop)


@dataclass(frozen=True, slots=True, eq=False)
class Wall:
    """An upright rectangle over the line from `start` to `stop` (x, y); outside is on the right of that line."""

    start: tuple[float, float]
    stop: tuple[float, float]
    low: float
    high: float
    material: Material
    look: Look = PLAIN_LOOK
    reveal: Stuff | None = None  # of the sides of its openings; None: as the wall

    @property
    def length(self) -> float:
        """Distance from `start` to `stop`."""
        return float(np.hypot(self.stop[0] - self.start[0], self.stop[1] - self.start[1]))

    def lifted(self, triangles: np.ndarray) -> np.ndarray:
        """Triangles (N, 3, 3) from (along the wall, into it, up) to the world."""
        along = (np.array(self.stop) - np.array(self.start)) / self.length
        axes = np.array([[*along, 0.0], [-along[1], along[0], 0.0], [0.0, 0.0, 1.0]])
        return np.asarray(triangles) @ axes + np.array([*self.start, 0.0])


class Fittings:
    """Collects what is fixed to one wall; everything is given in (along the wall, into it, up), m."""

    def __init__(self, wall: Wall, instance: int = 0, kind: Class = Class.MANMADE) -> None:
        self.wall, self.instance, self.kind = wall, instance, kind
        self._parts: dict[tuple[Stuff, bool], list[np.ndarray]] = {}
        self._meshes: list[Mesh] = []

    def add(self, triangles: np.ndarray, stuff: Stuff, is_smooth: bool = False) -> None:
        """Triangles (N, 3, 3) of one stuff, their texture laid in metres."""
        self._parts.setdefault((stuff, is_smooth), []).append(np.asarray(triangles).reshape(-1, 3, 3))

    def add_panel(self, along: tuple[float, float], up: tuple[float, float], into: float, stuff: Stuff) -> None:
        """A flat rectangle parallel to the wall that shows a unit texture once."""
        (a, b), (c, d) = along, up
        face = self.wall.lifted(quads(np.array([[[a, into, c], [b, into, c], [b, into, d], [a, into, d]]])))
        look = Look(stuff.texture_id, stuff.tint, UNIT_UVS)
        self._meshes.append(surface(face, self.kind, stuff.material, self.instance, look))

    def mesh(self) -> Mesh:
        """All of it in the world."""
        parts = [
            surface(
                self.wall.lifted(np.concatenate(pieces)),
                self.kind,
                stuff.material,
                self.instance,
                Look(stuff.texture_id, stuff.tint, None, is_smooth),
            )
            for (stuff, is_smooth), pieces in self._parts.items()
        ]
        return joined([*parts, *self._meshes])


def make_wall(wall: Wall, openings: Sequence[Opening] = (), instance: int = 0, kind: Class = Class.MANMADE) -> Mesh:
    """The triangles of a wall with its openings, which must not overlap."""
    parts = [surface(_lifted(wall, _solid(wall, openings)), kind, wall.material, instance, wall.look)]
    if openings:
        reveals = np.concatenate([_reveals(opening, opening.low > wall.low) for opening in openings])
        stuff = wall.reveal
        material = wall.material if stuff is None else stuff.material
        look = wall.look if stuff is None else Look(stuff.texture_id, stuff.tint)
        parts.append(surface(_lifted(wall, reveals), kind, material, instance, look))
    backs = [
        surface(_lifted(wall, _back(opening)), kind, opening.fill, instance, _unit(opening))
        for opening in openings
        if opening.fill is not None
    ]
    return joined([*parts, *backs])


def _unit(opening: Opening) -> Look:
    look = opening.look
    return Look(look.texture_id, look.tint, UNIT_UVS) if opening.is_unit else look


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
    return wall.lifted(quads(rectangles[..., [0, 2, 1]]))
