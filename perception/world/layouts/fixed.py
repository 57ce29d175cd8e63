"""The plans that are the same for every seed: town, straight street, narrow turns, corridors."""

import numpy as np

from perception.world.config import Route
from perception.world.layouts.paths import rounded, wave
from perception.world.layouts.plan import LANE, Rectangle, Street

STREET_PERIOD = 320.0  # m, after which the endless street repeats
CORRIDOR_PERIOD = 20.0  # m, likewise
TUNNEL_PERIOD = 400.0  # m, likewise
CORRIDOR_CORNERS = np.array([[40.0, 0.0], [40.0, 24.0], [0.0, 24.0], [0.0, 0.0]])  # m, middle of the corridor
CORRIDOR_START = 8.0  # m, of the route on the first side


def fixed_plan(route: Route) -> tuple[np.ndarray, tuple[Street, ...], Rectangle | None]:
    """Path (K, 2), streets and passage of a route."""
    match route:
        case "straight":
            half = STREET_PERIOD / 2
            streets = (Street((-half, LANE), (3 * half, LANE)),)
            crossings = tuple(Street((x, -90.0), (x, 90.0)) for x in (-60.0, 70.0, 260.0, 390.0))
            return wave(STREET_PERIOD, 0.3), streets + crossings, None
        case "turns":
            return _turns()
        case "corridor":
            corners = CORRIDOR_CORNERS - [CORRIDOR_START, 0.0]
            return rounded(np.vstack([[0.0, 0.0], corners, [0.0, 0.0]]), 1.3, 1.0), (), None
        case "endless_corridor":
            return wave(CORRIDOR_PERIOD, 0.05), (), None
        case "tunnel":
            return wave(TUNNEL_PERIOD, 0.3), (), None
    return _town()


def _town() -> tuple[np.ndarray, tuple[Street, ...], Rectangle]:
    """A street driven both ways between two blocks that are driven round; the back street of one is built over."""
    start = np.array([40.0, -LANE])
    streets = [
        Street((-70.0, 0.0), (230.0, 0.0)),
        Street((230.0, 0.0), (230.0, 70.0)),
        Street((160.0, 70.0), (230.0, 70.0)),
        Street((160.0, 0.0), (160.0, 70.0)),
        Street((-70.0, -70.0), (-70.0, 0.0)),
        Street((-70.0, -70.0), (0.0, -70.0)),
        Street((0.0, -70.0), (0.0, 0.0)),
        Street((85.0, 0.0), (85.0, 90.0)),  # side streets, seen into only
        Street((115.0, -90.0), (115.0, 0.0)),
        Street((-110.0, 0.0), (-70.0, 0.0)),
        Street((230.0, -50.0), (230.0, 0.0)),
    ]
    o = LANE
    corners = [
        [230 + o, -o], [230 + o, 70 + o], [160 - o, 70 + o], [160 - o, o],
        [-70 - o, o], [-70 - o, -70 - o], [o, -70 - o], [o, -o],
    ]  # fmt: skip
    path = rounded(np.vstack([start, corners, start]), 8.0, 5.0)
    shifted = tuple(street.shifted(-start) for street in streets)
    passage = Rectangle(177.0 - start[0], 70.0 - 14.0 - start[1], 213.0 - start[0], 70.0 + 14.0 - start[1])
    return path - start, shifted, passage


def _turns() -> tuple[np.ndarray, tuple[Street, ...], None]:
    """A way through a grid of narrow streets that turns at nearly every crossing."""
    edge = 36.0  # m
    nodes = edge * np.array(
        [[0, 0], [1, 0], [1, 1], [2, 1], [2, 0], [3, 0], [3, 2], [2, 2], [2, 3], [1, 3], [1, 2], [0, 2], [0, 0]]
    )
    start = np.array([14.0, 0.0])
    path = rounded(np.vstack([start, nodes[1:], start]), 6.2, 3.0) - start
    streets = [Street((0.0, k * edge), (3 * edge, k * edge)) for k in range(4)]
    streets += [Street((k * edge, 0.0), (k * edge, 3 * edge)) for k in range(4)]
    return path, tuple(street.shifted(-start) for street in streets), None
