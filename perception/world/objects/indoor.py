"""A ring of corridors inside a building: doors, niches, pillars, rooms with furniture, things along the walls."""

from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, box, joined, post, quads, surface, tube
from perception.world.layout import CORRIDOR_CORNERS, CORRIDOR_START
from perception.world.materials import Material
from perception.world.objects.plants import make_bush
from perception.world.objects.walls import Opening, Wall, make_wall

HALF_WIDTH = 1.5  # m
HEIGHT = 2.9  # m
ROOM_DEPTH = 4.5  # m
WALL_THICKNESS = 0.18  # m
DOOR_HEIGHT = 2.1  # m


def make_corridors(rng: np.random.Generator) -> list[Mesh]:
    """All meshes of the corridors; the instance of each piece of furniture is its own, walls and floors are 0."""
    low, high = CORRIDOR_CORNERS.min(axis=0), CORRIDOR_CORNERS.max(axis=0)
    low, high = low - [CORRIDOR_START, 0.0], high - [CORRIDOR_START, 0.0]
    parts = [_slab(low - 8.0, high + 8.0, 0.0, Class.OTHER_FLAT), _slab(low - 8.0, high + 8.0, HEIGHT, Class.MANMADE)]
    things: list[np.ndarray] = []
    # Outer walls face inwards and run clockwise, inner walls face outwards and run counter-clockwise.
    for margin, is_outer in ((HALF_WIDTH, True), (-HALF_WIDTH, False)):
        a, b = low - margin, high + margin
        ring = [(a[0], a[1]), (b[0], a[1]), (b[0], b[1]), (a[0], b[1])]
        ring = ring[::-1] if is_outer else ring
        for k in range(4):
            wall = Wall(ring[k], ring[(k + 1) % 4], 0.0, HEIGHT, Material.PLASTER)
            openings = _openings(wall, rng)
            parts.append(make_wall(wall, openings))
            things += _along(wall, openings, rng)
            parts += [_room(wall, opening, rng) for opening in openings if opening.fill is None]
    things += _ceiling(low, high, rng)
    parts += [surface(thing, Class.MANMADE, Material.METAL, 1 + k) for k, thing in enumerate(things)]
    parts += _plants(low, high, rng, 1 + len(things))
    return parts


def _slab(low: np.ndarray, high: np.ndarray, z: float, kind: Class) -> Mesh:
    """A level surface cut into pieces of about 4 m."""
    x = np.linspace(low[0], high[0], int((high[0] - low[0]) / 4.0) + 2)
    y = np.linspace(low[1], high[1], int((high[1] - low[1]) / 4.0) + 2)
    grid = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((len(x), len(y)), z)], axis=-1)
    corners = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    return surface(quads(corners), kind, Material.CONCRETE)


def _openings(wall: Wall, rng: np.random.Generator) -> list[Opening]:
    """Closed doors, open doors to rooms, niches and glass cases, from one end of a wall to the other."""
    out: list[Opening] = []
    at = rng.uniform(2.2, 4.0)
    while at < wall.length - 4.0:
        draw = rng.random()
        if draw < 0.4:
            out.append(Opening(at, at + 0.95, 0.0, DOOR_HEIGHT, rng.uniform(0.06, 0.16), Material.WOOD))
        elif draw < 0.6:
            out.append(Opening(at, at + 1.0, 0.0, DOOR_HEIGHT, WALL_THICKNESS, None))
        elif draw < 0.85:
            width, depth = rng.uniform(0.8, 2.4), rng.uniform(0.25, 0.9)
            out.append(Opening(at, at + width, 0.0, rng.uniform(2.1, 2.7), depth, Material.PLASTER))
        else:
            out.append(Opening(at, at + rng.uniform(1.0, 2.0), 0.9, 2.0, 0.15, Material.WOOD))
        at = out[-1].stop + rng.uniform(1.2, 4.2)
    return out


def _along(wall: Wall, openings: list[Opening], rng: np.random.Generator) -> list[np.ndarray]:
    """Pillars, radiators, benches, lockers and extinguishers at free places of a wall."""
    out = []
    edges = [0.6, *(edge for o in openings for edge in (o.start, o.stop)), wall.length - 0.6]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start < 1.0:
            continue
        at, draw = rng.uniform(start + 0.3, stop - 0.5), rng.random()
        if draw < 0.3:
            size = rng.uniform(0.2, 0.4)
            body = box([at, -size, 0.0], [at + size, 0.05, HEIGHT])
        elif draw < 0.5:
            body = box([at - 0.3, -0.12, 0.12], [at + 0.5, 0.0, 0.75])
        elif draw < 0.65:
            body = np.concatenate(
                [box([at - 0.3, -0.42, 0.38], [at + 0.5, -0.05, 0.45]), post(at, -0.2, 0, 0.38, 0.05)]
            )
        elif draw < 0.8:
            body = box([at - 0.3, -0.35, 0.0], [at + 0.3, 0.0, rng.uniform(1.0, 1.9)])
        else:
            body = post(at, -0.12, 0.5, 0.5, 0.08)
        out.append(_in_wall(wall, body))
    return out


def _in_wall(wall: Wall, body: np.ndarray) -> np.ndarray:
    """Triangles from (along the wall, into it, up) to the world."""
    along = (np.array(wall.stop) - np.array(wall.start)) / wall.length
    axes = np.array([[*along, 0.0], [-along[1], along[0], 0.0], [0.0, 0.0, 1.0]])
    return body @ axes + np.array([*wall.start, 0.0])


def _room(wall: Wall, door: Opening, rng: np.random.Generator) -> Mesh:
    """The room behind an open door: three walls, the back of the fourth, and furniture."""
    left, right = door.start - rng.uniform(0.3, 1.2), door.stop + rng.uniform(0.3, 1.2)
    depth = rng.uniform(2.5, ROOM_DEPTH)
    rim = [[left, WALL_THICKNESS], [left, depth], [right, depth], [right, WALL_THICKNESS]]
    walls = np.array([[[*p, 0.0], [*q, 0.0], [*q, HEIGHT], [*p, HEIGHT]] for p, q in pairwise(rim)])
    back = [
        [[a, WALL_THICKNESS, low], [b, WALL_THICKNESS, low], [b, WALL_THICKNESS, HEIGHT], [a, WALL_THICKNESS, HEIGHT]]
        for a, b, low in ((left, door.start, 0.0), (door.stop, right, 0.0), (door.start, door.stop, door.high))
    ]
    table = box([left + 0.1, depth - 0.8, 0.68], [right - 0.4, depth - 0.1, 0.74])
    shelf = box([left, WALL_THICKNESS + 0.3, 0.0], [left + 0.3, 0.6 * depth, rng.uniform(1.2, 2.1)])
    chair = box([right - 0.8, depth - 1.3, 0.4], [right - 0.4, depth - 0.9, 0.46])
    plaster = np.concatenate([quads(walls), quads(np.array(back))])
    return joined(
        [
            surface(_in_wall(wall, plaster), Class.MANMADE, Material.PLASTER),
            surface(_in_wall(wall, np.concatenate([table, shelf, chair])), Class.OTHERS, Material.WOOD),
        ]
    )


def _ceiling(low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Beams across, lamps and pipes along the two long corridors."""
    out = []
    for y in (low[1], high[1]):
        for x in np.arange(low[0] + 3.0, high[0] - 2.0, rng.uniform(4.0, 6.0)):
            out.append(box([x, y - HALF_WIDTH, HEIGHT - 0.25], [x + 0.25, y + HALF_WIDTH, HEIGHT]))
            out.append(box([x + 1.5, y - 0.1, HEIGHT - 0.12], [x + 2.7, y + 0.1, HEIGHT - 0.02]))
        path = np.array([[low[0], y + 1.2, HEIGHT - 0.35], [high[0], y + 1.2, HEIGHT - 0.35]])
        out.append(tube(path, [0.08, 0.08], 8))
    return out


def _plants(low: np.ndarray, high: np.ndarray, rng: np.random.Generator, first_instance: int) -> list[Mesh]:
    """Plants in pots in three of the corners."""
    out = []
    for k, (x, y) in enumerate([(low[0], low[1]), (high[0], low[1]), (high[0], high[1])]):
        corner = np.array([x, y]) + np.sign([x, y] - 0.5 * (low + high)) * (HALF_WIDTH - 0.35)
        bush = make_bush(rng)
        scaled = 0.35 * bush.triangles.astype(np.float64) + [*corner, 0.4]
        out.append(surface(scaled, Class.VEGETATION, Material.LEAF, first_instance + k))
        out.append(surface(post(*corner, 0.0, 0.45, 0.2), Class.OTHERS, Material.PLASTER, first_instance + k))
    return out
