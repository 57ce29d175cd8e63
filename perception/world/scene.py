"""The generated world: what stands still, what moves, and the robot's own way through it."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from perception.world.buildings import make_buildings
from perception.world.classes import Class, Material
from perception.world.config import WorldConfig
from perception.world.ground import make_ground
from perception.world.layout import Layout, Rectangle, make_layout
from perception.world.mesh import Mesh, joined, quads, surface

REACH = 125.0  # m around the streets that is built, and around a world that repeats
LAYOUT_STREAM, SCENE_STREAM = 3, 4  # random streams of a seed


class Motion(Protocol):
    """How something moves."""

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4) at times (N,) int64, ns after the start."""


@dataclass(frozen=True, slots=True, eq=False)
class Mover:
    """An object that moves; its mesh is in its own frame (x ahead, z up, origin on the ground)."""

    mesh: Mesh
    motion: Motion


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything that beams and cameras can see. A world with a period holds more than one copy around [0, period)."""

    static: Mesh
    movers: tuple[Mover, ...]
    layout: Layout

    def wrapped(self, points: np.ndarray, x: float) -> np.ndarray:
        """Points (N, 3) of a robot at `x`, moved by whole periods to where the world is built."""
        return points - [self._laps(x), 0.0, 0.0]

    def wrapped_mover(self, points: np.ndarray, x: float) -> np.ndarray:
        """Places (N, 3) of a mover as a robot at `x` finds them: the nearest of their repetitions."""
        if self.layout.period == 0.0:
            return points
        period = self.layout.period
        return points - [period * np.round((points[0, 0] - x) / period) + self._laps(x), 0.0, 0.0]

    def _laps(self, x: float) -> float:
        period = self.layout.period
        return period * np.floor(x / period) if period > 0.0 else 0.0


def build_scene(config: WorldConfig) -> Scene:
    """The world of a configuration; the same one for the same seed and densities."""
    layout = make_layout(config, np.random.default_rng([config.seed, LAYOUT_STREAM]))
    rng = np.random.default_rng([config.seed, SCENE_STREAM])
    if config.route == "endless_corridor":
        return Scene(_tunnel(3.0, 2.9, layout.period), (), layout)
    area = _area(layout)
    return Scene(joined([make_ground(layout, area), *make_buildings(layout, config.scene, rng)]), (), layout)


def _area(layout: Layout) -> Rectangle:
    boxes = [street.area(40.0) for street in layout.streets]
    return Rectangle(
        min(b.x_low for b in boxes), min(b.y_low for b in boxes),
        max(b.x_high for b in boxes), max(b.y_high for b in boxes),
    )  # fmt: skip


def _tunnel(width: float, height: float, period: float) -> Mesh:
    """Smooth walls, floor and ceiling along x, farther than any beam reaches."""
    x = np.arange(-REACH - 5.0, REACH + period + 10.0, 5.0)
    rim = np.array([[-width / 2, 0.0], [width / 2, 0.0], [width / 2, height], [-width / 2, height], [-width / 2, 0.0]])
    meshes = []
    for k, (kind, material) in enumerate(
        [(Class.OTHER_FLAT, Material.CONCRETE)] + [(Class.MANMADE, Material.PLASTER)] * 3
    ):
        a, b = rim[k], rim[k + 1]
        faces = [[[p, *a], [q, *a], [q, *b], [p, *b]] for p, q in pairwise(x)]
        meshes.append(surface(quads(np.array(faces)), kind, material))
    return joined(meshes)
