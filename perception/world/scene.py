"""The generated world: what stands still, what moves, and the robot's own way through it."""

from dataclasses import dataclass, replace

import numpy as np

from perception.world.config import WorldConfig
from perception.world.geometry.mesh import Mesh, joined, placed
from perception.world.layout import Layout, Rectangle, make_layout
from perception.world.layouts.plan import FloorPlan, Space
from perception.world.materials import VARIANTS
from perception.world.movers import Mover, make_people_indoors, make_street_movers
from perception.world.objects.buildings import make_buildings
from perception.world.objects.ground import make_ground, make_land, survey
from perception.world.objects.hall import HALL_HEIGHT, HALL_WALL, make_hall, make_passage
from perception.world.objects.indoor import make_corridors
from perception.world.objects.interiors import Interior
from perception.world.objects.markings import make_markings
from perception.world.objects.rooms import make_rooms
from perception.world.objects.skyline import make_skyline, make_surroundings
from perception.world.objects.stage import Stage
from perception.world.objects.streets import Furnisher
from perception.world.objects.tunnel import make_smooth_tunnel, make_tunnel
from perception.world.repaint import Painter
from perception.world.things import Thing
from perception.world.variety import Variety, variety_of

REACH = 125.0  # m around the streets that is built, and around a world that repeats
GROUND_MARGIN = 40.0  # m of earth around the streets
HALL_LANE = 2.3  # m, half the width that is kept free in a hall
LAYOUT_STREAM, SCENE_STREAM, LOOK_STREAM, COLOUR_STREAM = 3, 4, 6, 12  # random streams of a seed


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything that beams and cameras can see. A world with a period holds more than one copy around [0, period)."""

    static: Mesh
    movers: tuple[Mover, ...]
    layout: Layout
    things: tuple[
        Thing, ...
    ] = ()  # the countable objects, standing and moving ones; in [0, period) of a world that has one

    def wrapped(self, points: np.ndarray, x: float) -> np.ndarray:
        """Points (N, 3) of a robot at `x`, moved by whole periods to where the world is built."""
        return points - [self._laps(x), 0.0, 0.0]

    def wrapped_mover(self, points: np.ndarray, x: float) -> np.ndarray:
        """Places (N, 3) of a mover as a robot at `x` finds them: the nearest of their repetitions."""
        if self.layout.period == 0.0:
            return points
        period = self.layout.period
        return points - [period * np.round((points[0, 0] - x) / period) + self._laps(x), 0.0, 0.0]

    def thing_poses(self, times_ns: np.ndarray, robot_x: float) -> np.ndarray:
        """`T_world_thing` (len(things), N, 4, 4) at times (N,) int64, ns after the start, of each thing's nearest copy.

        `robot_x` is where the robot is, not wrapped; the result lies around the place that `wrapped` gives for it.
        """
        out = np.empty((len(self.things), len(times_ns), 4, 4))
        for row, thing in enumerate(self.things):
            out[row] = thing.poses(times_ns)
            out[row, :, :3, 3] = self.wrapped_mover(out[row, :, :3, 3], robot_x)
        return out

    def _laps(self, x: float) -> float:
        period = self.layout.period
        return period * np.floor(x / period) if period > 0.0 else 0.0


def build_scene(config: WorldConfig) -> Scene:
    """The world of a configuration; the same one for the same seed and densities."""
    layout = make_layout(config, np.random.default_rng([config.seed, LAYOUT_STREAM]))
    rng = np.random.default_rng([config.seed, SCENE_STREAM])
    variety = variety_of(config.seed, config.freedom)
    match config.route:
        case "endless_corridor":
            return Scene(_on_side(make_smooth_tunnel(*_reach(layout)), variety), (), layout)
        case "tunnel":
            tunnel = make_tunnel(*_reach(layout), layout.period, rng)
            return Scene(_on_side(tunnel, variety), (), layout)
        case "corridor" | "office":
            static, things, stage = _indoors(layout, config, rng, variety)
            make, options = make_people_indoors, config.scene
        case _:
            static, things, stage = _streets(layout, config, rng, variety)
            make, options = make_street_movers, config
    movers, moving = make(layout, options, rng, _next_instance(static), variety, stage.is_clear)
    painter = Painter(np.random.default_rng([config.seed, COLOUR_STREAM]), variety)
    movers = [replace(mover, mesh=painter.painted(_on_side(mover.mesh, variety))) for mover in movers]
    return Scene(painter.painted(_on_side(static, variety)), tuple(movers), layout, (*things, *moving))


def _on_side(mesh: Mesh, variety: Variety) -> Mesh:
    """The mesh with looks of the own side of the split only, also where a maker named the first look of a family."""
    allowed = np.array(variety.part(range(VARIANTS)))
    variants = mesh.texture_ids % VARIANTS
    mapped = np.where(np.isin(variants, allowed), variants, allowed[variants % len(allowed)])
    return replace(mesh, texture_ids=(mesh.texture_ids - variants + mapped).astype(np.uint16))


def _indoors(
    layout: Layout, config: WorldConfig, rng: np.random.Generator, variety: Variety
) -> tuple[Mesh, tuple[Thing, ...], Stage]:
    """All that stands still in a building, and what is seen through its windows."""
    stage = Stage(layout, None, 1)
    if layout.floor_plan is None:
        building = make_corridors(stage, rng, variety)
    else:
        building = make_rooms(layout.floor_plan, rng, variety)
        Interior(stage, layout.floor_plan, config.scene.clutter, rng, variety).furnish()
        make_surroundings(stage, layout.floor_plan, config.scene.leaves_per_tree, rng, variety)
    return joined([*building, *stage.meshes]), tuple(stage.things), stage


def _streets(
    layout: Layout, config: WorldConfig, rng: np.random.Generator, variety: Variety
) -> tuple[Mesh, tuple[Thing, ...], Stage]:
    """All that stands still outdoors."""
    looks = np.random.default_rng([config.seed, LOOK_STREAM])
    houses = make_buildings(layout, config.scene, rng, 1, variety)
    if layout.passage is not None:
        make = make_hall if layout.has_hall else make_passage
        houses.append(make(layout, layout.passage, rng, variety, 1 + len(houses)))
    footprints = [_footprint(house) for house in houses]
    distant = make_skyline(layout, footprints, looks, variety, 1 + len(houses))
    area = _area(layout)
    ground = survey(layout, area)
    stage = Stage(layout, ground, 1 + len(houses) + len(distant))
    if layout.has_hall and layout.passage is not None:
        space = Space(layout.passage.grown(-HALL_WALL - 0.05), "hall", HALL_HEIGHT)
        Interior(stage, FloorPlan((space,), ()), config.scene.clutter, rng, variety).furnish_hall(space, HALL_LANE)
    Furnisher(stage, config.scene, rng, variety).furnish(footprints)
    markings = make_markings(layout, ground, looks, variety)
    static = [make_ground(layout, ground, looks, variety), make_land(layout, area, looks, variety)]
    mesh, things = _repeating(layout, static, markings, [*houses, *distant, *stage.meshes], stage.things)
    return mesh, things, stage


def _repeating(
    layout: Layout, static: list[Mesh], markings: Mesh, objects: list[Mesh], things: list[Thing]
) -> tuple[Mesh, tuple[Thing, ...]]:
    """The whole world, with all copies of what repeats."""
    if layout.period == 0.0:
        return joined([*static, markings, *objects]), tuple(things)
    copies = [_repeated(mesh, layout.period) for mesh in objects]
    kept = {int(number) for copy in copies if copy for number in np.unique(copy[0].instance_ids)}
    lines = [placed(markings, 0.0, (k * layout.period, 0.0, 0.0)) for k in (-1, 0, 1)]
    flat = [mesh for copy in copies for mesh in copy]
    return joined([*static, *lines, *flat]), tuple(thing for thing in things if thing.instance_id in kept)


def _repeated(thing: Mesh, period: float) -> list[Mesh]:
    """The copies of an object that a robot between 0 and `period` may see; none of one that is met a period on."""
    middle = 0.5 * float(thing.triangles[..., 0].min() + thing.triangles[..., 0].max())
    if not 0.0 <= middle < period:
        return []
    near = [k for k in (-1, 0, 1) if -REACH - 20.0 < middle + k * period < period + REACH + 20.0]
    near.sort(key=abs)  # the copy in [0, period) first
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


def _reach(layout: Layout) -> tuple[float, float]:
    """Where a tunnel begins and ends (m along x): farther than any beam reaches."""
    return -REACH - 5.0, REACH + layout.period + 10.0
