"""The generated world: what stands still, what moves, and the robot's own way through it."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.config import WorldConfig
from perception.world.geometry.mesh import Mesh, joined, placed, quads, surface
from perception.world.layout import Layout, Rectangle, make_layout
from perception.world.materials import Material
from perception.world.movers import Mover, make_people_indoors, make_street_movers
from perception.world.objects.buildings import make_buildings
from perception.world.objects.ground import make_ground
from perception.world.objects.indoor import make_corridors
from perception.world.objects.streets import Furnisher
from perception.world.things import Thing

REACH = 125.0  # m around the streets that is built, and around a world that repeats
GROUND_MARGIN = 40.0  # m of earth around the streets
LAYOUT_STREAM, SCENE_STREAM = 3, 4  # random streams of a seed


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything that beams and cameras can see. A world with a period holds more than one copy around [0, period)."""

    static: Mesh
    movers: tuple[Mover, ...]
    layout: Layout
    things: tuple[Thing, ...] = ()  # the countable objects, standing and moving ones

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
    match config.route:
        case "endless_corridor":
            return Scene(_tunnel(3.0, 2.9, layout.period), (), layout)
        case "corridor":
            static = joined(make_corridors(rng))
            return Scene(static, tuple(make_people_indoors(layout, config.scene, rng, _next_instance(static))), layout)
        case _:
            static = _streets(layout, config, rng)
            movers = make_street_movers(layout, config, rng, _next_instance(static))
            return Scene(static, tuple(movers), layout)


def _streets(layout: Layout, config: WorldConfig, rng: np.random.Generator) -> Mesh:
    houses = make_buildings(layout, config.scene, rng, 1)
    furnisher = Furnisher(layout, config.scene, rng, 1 + len(houses))
    furnisher.furnish([_footprint(house) for house in houses])
    things = [*houses, *furnisher.meshes]
    if layout.period > 0.0:
        things = [copy for thing in things for copy in _repeated(thing, layout.period)]
    return joined([make_ground(layout, _area(layout)), *things])


def _repeated(thing: Mesh, period: float) -> list[Mesh]:
    """The copies of an object that a robot between 0 and `period` may see; none of one that is met a period on."""
    middle = 0.5 * float(thing.triangles[..., 0].min() + thing.triangles[..., 0].max())
    if not 0.0 <= middle < period:
        return []
    near = [k for k in (-1, 0, 1) if -REACH - 20.0 < middle + k * period < period + REACH + 20.0]
    return [placed(thing, 0.0, (k * period, 0.0, 0.0)) for k in near]


def _footprint(mesh: Mesh) -> Rectangle:
    low, high = mesh.triangles.min(axis=(0, 1)), mesh.triangles.max(axis=(0, 1))
    return Rectangle(float(low[0]), float(low[1]), float(high[0]), float(high[1]))


def _next_instance(mesh: Mesh) -> int:
    return int(mesh.instance_ids.max(initial=0)) + 1


def _area(layout: Layout) -> Rectangle:
    """The ground that is built: around all streets, or as far as a robot in a world that repeats may see."""
    boxes = [street.area(GROUND_MARGIN) for street in layout.streets]
    x_low, x_high = min(b.x_low for b in boxes), max(b.x_high for b in boxes)
    if layout.period > 0.0:
        x_low, x_high = -REACH, layout.period + REACH
    return Rectangle(x_low, min(b.y_low for b in boxes), x_high, max(b.y_high for b in boxes))


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
