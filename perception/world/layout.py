"""The plan of a world by its route: streets or rooms, the way the robot takes through them, and the slopes."""

import numpy as np

from perception.world.config import Route, WorldConfig
from perception.world.layouts.district import make_district
from perception.world.layouts.fixed import CORRIDOR_PERIOD, STREET_PERIOD, TUNNEL_PERIOD, fixed_plan
from perception.world.layouts.office import make_office
from perception.world.layouts.paths import make_course
from perception.world.layouts.plan import LANE, PAVEMENT, ROAD_HALF, Layout, Rectangle, Street, Terrain
from perception.world.motion import Pace
from perception.world.variety import variety_of

__all__ = ["LANE", "PAVEMENT", "ROAD_HALF", "Layout", "Rectangle", "Street", "Terrain", "make_layout"]

TOWN_SPEED, INDOOR_SPEED, TURNS_SPEED, TUNNEL_SPEED = 8.0, 1.5, 5.5, 4.0  # m/s
TURN_RATE, TIGHT_TURN_RATE = np.radians(32.0), np.radians(42.0)  # rad/s
KNOT_STEP, INDOOR_KNOT_STEP = 1.0, 0.2  # m, between the knots of the course
INDOOR: tuple[Route, ...] = ("corridor", "endless_corridor", "tunnel", "office")
CAMPUS_RELIEF = 0.4  # of the slopes elsewhere: a floor leads through the hall


def make_layout(config: WorldConfig, rng: np.random.Generator) -> Layout:
    """The plan of the configured route. Districts, campuses and offices differ by seed, the others by their slopes."""
    periods = {"straight": STREET_PERIOD, "endless_corridor": CORRIDOR_PERIOD, "tunnel": TUNNEL_PERIOD}
    period = periods.get(config.route, 0.0)
    relief = 0.0 if config.route in INDOOR else config.scene.relief
    match config.route:
        case "district" | "campus":
            return _district(config, rng, relief)
        case "office":
            terrain = Terrain(rng, relief)
            path, floor_plan = make_office(rng, variety_of(config.seed))
            return Layout(
                terrain, make_course(path, terrain, INDOOR_KNOT_STEP), _pace(config), (), floor_plan=floor_plan
            )
    terrain = Terrain(rng, relief, period)
    path, streets, passage = fixed_plan(config.route)
    course = make_course(path, terrain, INDOOR_KNOT_STEP if config.route in INDOOR else KNOT_STEP)
    oncoming = None
    if config.route == "straight":
        oncoming = make_course(path[::-1] + np.array([-period, 2.0 * LANE]), terrain, KNOT_STEP)
    return Layout(terrain, course, _pace(config), streets, passage, period, oncoming)


def _district(config: WorldConfig, rng: np.random.Generator, relief: float) -> Layout:
    is_campus = config.route == "campus"
    terrain = Terrain(rng, CAMPUS_RELIEF * relief if is_campus else relief)
    plan = make_district(rng, variety_of(config.seed), is_campus)
    course = make_course(plan.path, terrain, KNOT_STEP)
    return Layout(
        terrain, course, _pace(config), plan.streets, plan.hall, plazas=plan.plazas, has_hall=plan.hall is not None
    )


def _pace(config: WorldConfig) -> Pace:
    """Speeds that suit the route."""
    speed, rate, lateral = {
        "turns": (TURNS_SPEED, TIGHT_TURN_RATE, 3.2),  # m/s^2: what 40 deg/s takes at that speed
        "corridor": (INDOOR_SPEED, TURN_RATE, 1.0),
        "endless_corridor": (INDOOR_SPEED, TURN_RATE, 1.0),
        "office": (INDOOR_SPEED, TURN_RATE, 1.0),
        "tunnel": (TUNNEL_SPEED, TURN_RATE, 1.0),
    }.get(config.route, (TOWN_SPEED, TURN_RATE, 2.2))
    return Pace(config.speed or speed, rate, lateral, config.rest)
