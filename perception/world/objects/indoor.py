"""A ring of corridors inside a building: doors, niches, pillars, rooms with furniture, things along the walls."""

from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, box, joined, post, quads, surface, tube
from perception.world.layouts.fixed import CORRIDOR_CORNERS, CORRIDOR_START
from perception.world.materials import Material, Texture
from perception.world.objects import furniture
from perception.world.objects.colours import one_of
from perception.world.objects.rooms import CLEAN_WALLS, WALL_PAINTS, House, draw_house
from perception.world.objects.shapes import Stuff
from perception.world.objects.stage import Stage
from perception.world.objects.walls import Fittings, Opening, Wall, make_wall
from perception.world.variety import TRAINING, Variety

HALF_WIDTH = 1.5  # m
HEIGHT = 2.9  # m
ROOM_DEPTH = 4.5  # m
WALL_THICKNESS = 0.18  # m
DOOR_HEIGHT = 2.1  # m
CASING = 0.07  # m, width of the frame around a door


def make_corridors(stage: Stage, rng: np.random.Generator, variety: Variety = TRAINING) -> list[Mesh]:
    """The building itself, instance 0; each piece of furniture goes onto the stage."""
    low, high = CORRIDOR_CORNERS.min(axis=0), CORRIDOR_CORNERS.max(axis=0)
    low, high = low - [CORRIDOR_START, 0.0], high - [CORRIDOR_START, 0.0]
    house = draw_house(rng, variety)
    paint = Stuff(Material.PLASTER, one_of(rng, WALL_PAINTS, 0.03), variety.choose(rng, CLEAN_WALLS))
    white = Stuff(Material.PLASTER, (244, 244, 242), paint.texture_id)
    floor, kind = house.corridor_floor
    parts = [_slab(low - 8.0, high + 8.0, 0.0, kind, floor), _slab(low - 8.0, high + 8.0, HEIGHT, Class.MANMADE, white)]
    # Outer walls face inwards and run clockwise, inner walls face outwards and run counter-clockwise.
    for margin, is_outer in ((HALF_WIDTH, True), (-HALF_WIDTH, False)):
        a, b = low - margin, high + margin
        ring = [(a[0], a[1]), (b[0], a[1]), (b[0], b[1]), (a[0], b[1])]
        ring = ring[::-1] if is_outer else ring
        for k in range(4):
            look = Look(paint.texture_id, paint.tint)
            wall = Wall(ring[k], ring[(k + 1) % 4], 0.0, HEIGHT, Material.PLASTER, look)
            openings = _openings(wall, house, rng, variety)
            parts.append(make_wall(wall, openings))
            parts.append(_trim(wall, openings, house, rng, variety))
            _along(stage, wall, openings, paint, rng)
            parts += [_room(wall, opening, paint, rng, variety) for opening in openings if opening.fill is None]
    _ceiling(stage, low, high, rng)
    _plants(stage, low, high, rng, variety)
    return parts


def _slab(low: np.ndarray, high: np.ndarray, z: float, kind: Class, stuff: Stuff) -> Mesh:
    """A level surface cut into pieces of about 4 m; ceilings face down."""
    x = np.linspace(low[0], high[0], int((high[0] - low[0]) / 4.0) + 2)
    y = np.linspace(low[1], high[1], int((high[1] - low[1]) / 4.0) + 2)
    grid = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((len(x), len(y)), z)], axis=-1)
    corners = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    triangles = quads(corners)[:, ::-1] if z > 0.0 else quads(corners)
    return surface(triangles, kind, stuff.material, 0, Look(stuff.texture_id, stuff.tint, triangles[..., :2]))


def _openings(wall: Wall, house: House, rng: np.random.Generator, variety: Variety) -> list[Opening]:
    """Closed doors, open doors to rooms, niches and glass cases, from one end of a wall to the other."""
    out: list[Opening] = []
    at = rng.uniform(2.2, 4.0)
    door = Look(house.door.texture_id, house.door.tint)
    while at < wall.length - 4.0:
        draw = rng.random()
        if draw < 0.4:
            depth = rng.uniform(0.06, 0.16)
            out.append(Opening(at, at + 0.95, 0.0, DOOR_HEIGHT, depth, Material.WOOD, door, True))
        elif draw < 0.6:
            out.append(Opening(at, at + 1.0, 0.0, DOOR_HEIGHT, WALL_THICKNESS, None))
        elif draw < 0.85:
            width, depth = rng.uniform(0.8, 2.4), rng.uniform(0.25, 0.9)
            look = Look(variety.layer(rng, Texture.TILE), one_of(rng, WALL_PAINTS))
            out.append(Opening(at, at + width, 0.0, rng.uniform(2.1, 2.7), depth, Material.PLASTER, look))
        else:
            look = Look(variety.layer(rng, Texture.SHOP))
            out.append(Opening(at, at + rng.uniform(1.0, 2.0), 0.9, 2.0, 0.15, Material.WOOD, look, True))
        at = out[-1].stop + rng.uniform(1.2, 4.2)
    return out


def _trim(wall: Wall, openings: list[Opening], house: House, rng: np.random.Generator, variety: Variety) -> Mesh:
    """Frames of doors, skirting boards, posters: flat things that hardly change the shape of the corridor."""
    fittings = Fittings(wall)
    for o in openings:
        if o.high == DOOR_HEIGHT:
            for a, b, c, d in (
                (o.start - CASING, o.start, 0.0, o.high),
                (o.stop, o.stop + CASING, 0.0, o.high),
                (o.start - CASING, o.stop + CASING, o.high, o.high + CASING),
            ):
                fittings.add(box([a, -0.015, c], [b, 0.005, d]), house.casing)
        if rng.random() < 0.5:
            poster = Stuff(Material.PAINT, (255, 255, 255), variety.layer(rng, Texture.POSTER))
            fittings.add_panel((o.stop + 0.2, o.stop + 0.62), (1.2, 1.8), -0.01, poster)
    edges = [0.0, *(e for o in openings if o.low == 0.0 for e in (o.start - CASING, o.stop + CASING)), wall.length]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        fittings.add(box([start, -0.012, 0.0], [stop, 0.0, 0.09]), house.skirting)
    return fittings.mesh()


def _along(stage: Stage, wall: Wall, openings: list[Opening], paint: Stuff, rng: np.random.Generator) -> None:
    """Pillars, radiators, benches, lockers and extinguishers at free places of a wall."""
    edges = [0.6, *(edge for o in openings for edge in (o.start, o.stop)), wall.length - 0.6]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start < 1.0:
            continue
        at, draw = rng.uniform(start + 0.3, stop - 0.5), rng.random()
        stuff, is_smooth = Stuff(Material.METAL, (238, 238, 234)), False
        if draw < 0.3:
            size = rng.uniform(0.2, 0.4)
            body, stuff = box([at, -size, 0.0], [at + size, 0.05, HEIGHT]), paint
        elif draw < 0.5:
            body = box([at - 0.3, -0.12, 0.12], [at + 0.5, 0.0, 0.75])
        elif draw < 0.65:
            seat, leg = box([at - 0.3, -0.42, 0.38], [at + 0.5, -0.05, 0.45]), post(at, -0.2, 0, 0.38, 0.05)
            body, stuff = np.concatenate([seat, leg]), Stuff(Material.WOOD, (214, 186, 150), Texture.WOOD.layer(0))
        elif draw < 0.8:
            body = box([at - 0.3, -0.35, 0.0], [at + 0.3, 0.0, rng.uniform(1.0, 1.9)])
            stuff = Stuff(Material.METAL, one_of(rng, ((110, 130, 150), (190, 186, 176), (84, 110, 96))))
        else:
            body, stuff, is_smooth = post(at, -0.12, 0.5, 0.5, 0.08), Stuff(Material.METAL, (204, 36, 30)), True
        fittings = Fittings(wall)
        fittings.add(body, stuff, is_smooth)
        stage.add(fittings.mesh())


def _room(wall: Wall, door: Opening, paint: Stuff, rng: np.random.Generator, variety: Variety) -> Mesh:
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
    seat = box([right - 0.8, depth - 1.3, 0.4], [right - 0.4, depth - 0.9, 0.46])
    fittings = Fittings(wall)
    fittings.add(np.concatenate([quads(walls), quads(np.array(back))]), paint)
    others = Fittings(wall, kind=Class.OTHERS)
    wood = Stuff(Material.WOOD, one_of(rng, ((255, 255, 255), (206, 180, 150))), variety.layer(rng, Texture.WOOD))
    others.add(np.concatenate([table, shelf, seat]), wood)
    return joined([fittings.mesh(), others.mesh()])


def _ceiling(stage: Stage, low: np.ndarray, high: np.ndarray, rng: np.random.Generator) -> None:
    """Beams across, lamps and pipes along the two long corridors."""
    for y in (low[1], high[1]):
        for x in np.arange(low[0] + 3.0, high[0] - 2.0, rng.uniform(4.0, 6.0)):
            beam = box([x, y - HALF_WIDTH, HEIGHT - 0.25], [x + 0.25, y + HALF_WIDTH, HEIGHT])
            lamp = box([x + 1.5, y - 0.1, HEIGHT - 0.12], [x + 2.7, y + 0.1, HEIGHT - 0.02])
            stage.add(surface(beam, Class.MANMADE, Material.CONCRETE, 0, Look(None, (236, 236, 232))))
            stage.add(surface(lamp, Class.MANMADE, Material.LAMP, 0, Look(None, (255, 248, 230))))
        path = np.array([[low[0], y + 1.2, HEIGHT - 0.35], [high[0], y + 1.2, HEIGHT - 0.35]])
        zinc = Look(None, (190, 194, 196), None, True)
        stage.add(surface(tube(path, [0.08, 0.08], 8), Class.MANMADE, Material.METAL, 0, zinc))


def _plants(stage: Stage, low: np.ndarray, high: np.ndarray, rng: np.random.Generator, variety: Variety) -> None:
    """Plants in pots in three of the corners."""
    for x, y in ((low[0], low[1]), (high[0], low[1]), (high[0], high[1])):
        corner = np.array([x, y]) + np.sign([x, y] - 0.5 * (low + high)) * (HALF_WIDTH - 0.4)
        stage.put(furniture.make_potted_plant(rng, variety), *corner, rng.uniform(0.0, 2.0 * np.pi))
