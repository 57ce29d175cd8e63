"""The shell of an indoor plan: floors, walls with doors and windows, ceilings with lamps, what hangs on the walls."""

from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, box, joined, quads, surface
from perception.world.layouts.plan import Door, FloorPlan, Rectangle, Space
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.facades import frame
from perception.world.objects.shapes import Parts, Stuff, Tint, lathe
from perception.world.objects.walls import Fittings, Opening, Wall, make_wall
from perception.world.variety import Variety

WALL = 0.18  # m, thickness between two spaces
OUTER_WALL = 0.28  # m, recess of the windows
CELL = 3.0  # m, largest piece of a floor
LAMP_PITCH = 2.6  # m
CORRIDOR_LIKE = ("corridor", "hall")
WALL_PAINTS: tuple[Tint, ...] = (
    (246, 244, 238), (240, 236, 222), (226, 232, 236), (232, 238, 226), (244, 228, 212), (214, 222, 228),
    (238, 214, 170), (196, 214, 206),
)  # fmt: skip
DOOR_TINTS: tuple[Tint, ...] = ((255, 255, 255), (236, 214, 186), (204, 176, 140), (176, 196, 210), (214, 220, 212))
FLOORS: dict[str, tuple[tuple[Texture, Material], ...]] = {
    "corridor": (
        (Texture.LINOLEUM, Material.CONCRETE),
        (Texture.TILE, Material.STONE),
        (Texture.CARPET, Material.CARPET),
    ),
    "hall": ((Texture.TILE, Material.STONE), (Texture.STONE, Material.STONE), (Texture.LINOLEUM, Material.CONCRETE)),
    "office": ((Texture.CARPET, Material.CARPET), (Texture.WOOD, Material.WOOD), (Texture.LINOLEUM, Material.CONCRETE)),
    "meeting": ((Texture.CARPET, Material.CARPET), (Texture.PLANKS, Material.WOOD), (Texture.WOOD, Material.WOOD)),
    "kitchen": ((Texture.TILE, Material.STONE), (Texture.LINOLEUM, Material.CONCRETE)),
    "store": ((Texture.CONCRETE, Material.CONCRETE), (Texture.LINOLEUM, Material.CONCRETE)),
    "lounge": ((Texture.WOOD, Material.WOOD), (Texture.CARPET, Material.CARPET), (Texture.PLANKS, Material.WOOD)),
    "lab": ((Texture.LINOLEUM, Material.CONCRETE), (Texture.TILE, Material.STONE)),
    "court": ((Texture.GRASS, Material.GRASS), (Texture.PAVING, Material.STONE)),
}


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """What all rooms of one building share."""

    door: Stuff
    casing: Stuff
    window: Stuff  # frames of windows
    skirting: Stuff
    corridor_wall: Stuff
    corridor_floor: tuple[Stuff, Class]
    lamp: str  # panel, tube or round
    panes: tuple[int, int]


def draw_house(rng: np.random.Generator, variety: Variety) -> House:
    """The looks of one building by lot."""
    texture, material = FLOORS["corridor"][int(rng.integers(3))]
    return House(
        Stuff(Material.WOOD, one_of(rng, DOOR_TINTS, 0.04), variety.layer(rng, Texture.DOOR)),
        Stuff(Material.PAINT, one_of(rng, ((240, 240, 236), (150, 154, 158), (120, 96, 72), (70, 74, 80)))),
        Stuff(Material.PAINT, one_of(rng, ((244, 244, 240), (84, 88, 92), (150, 120, 90)))),
        Stuff(Material.WOOD, one_of(rng, ((236, 236, 230), (130, 104, 80), (90, 92, 96)))),
        Stuff(Material.PLASTER, one_of(rng, WALL_PAINTS, 0.03), variety.layer(rng, Texture.PLAIN)),
        (Stuff(material, (255, 255, 255), variety.layer(rng, texture)), Class.OTHER_FLAT),
        variety.choose(rng, ("panel", "panel", "tube", "round")),
        variety.choose(rng, ((2, 1), (2, 2), (3, 1), (1, 2))),
    )


def sides_of(area: Rectangle) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Start and stop of the walls at low y, high x, high y, low x; the space is on the right of each."""
    a = area
    return [
        ((a.x_high, a.y_low), (a.x_low, a.y_low)),
        ((a.x_high, a.y_high), (a.x_high, a.y_low)),
        ((a.x_low, a.y_high), (a.x_high, a.y_high)),
        ((a.x_low, a.y_low), (a.x_low, a.y_high)),
    ]


def door_spans(space: Space, side: int, doors: tuple[Door, ...]) -> list[tuple[float, float, Door]]:
    """Start and stop along one wall of a space of each door in it."""
    (x, y), stop = sides_of(space.area)[side]
    length = abs(stop[0] - x) + abs(stop[1] - y)
    out = []
    for door in doors:
        across = abs(door.y - y) if door.is_along_x else abs(door.x - x)
        along = abs(door.x - x) if door.is_along_x else abs(door.y - y)
        inside = (
            min(door.x - space.area.x_low, space.area.x_high - door.x)
            if door.is_along_x
            else min(door.y - space.area.y_low, space.area.y_high - door.y)
        )
        if door.is_along_x == (side in (0, 2)) and across < WALL and inside > 0.0 and along < length:
            out.append((along - 0.5 * door.width, along + 0.5 * door.width, door))
    return out


def make_rooms(plan: FloorPlan, rng: np.random.Generator, variety: Variety) -> list[Mesh]:
    """Meshes of the building itself, instance 0."""
    house = draw_house(rng, variety)
    return [_room(space, plan, house, rng, variety) for space in plan.spaces]


def _room(space: Space, plan: FloorPlan, house: House, rng: np.random.Generator, variety: Variety) -> Mesh:
    is_common = space.use in CORRIDOR_LIKE
    if space.use == "corridor":
        floor, kind = house.corridor_floor
        paint = house.corridor_wall
    else:
        options = FLOORS[space.use]
        texture, material = options[int(rng.integers(len(options)))]
        kind = Class.TERRAIN if texture == Texture.GRASS else Class.OTHER_FLAT
        floor = Stuff(material, (255, 255, 255), variety.layer(rng, texture))
        paint = _wall_stuff(space.use, rng, variety)
    parts = [_slab(space.area, 0.0, floor, kind, False)]
    parts += [_side(space, side, plan, house, paint, rng, variety) for side in range(4)]
    if space.use != "court":
        ceiling = Stuff(Material.PLASTER, (244, 244, 242), variety.layer(rng, Texture.PLAIN))
        parts.append(_slab(space.area, space.height, ceiling, Class.MANMADE, True))
        parts.append(_lamps(space, house, rng))
    if is_common:
        parts.append(_ceiling_pipes(space, rng))
    return joined(parts)


def _wall_stuff(use: str, rng: np.random.Generator, variety: Variety) -> Stuff:
    if use == "court":
        return Stuff(Material.BRICK, (255, 250, 244), variety.layer(rng, Texture.BRICK))
    draw = rng.random()
    texture, material = Texture.PLAIN, Material.PLASTER
    if use == "kitchen" and draw < 0.5:
        texture, material = Texture.TILE, Material.STONE
    elif draw < 0.25 and use in ("lounge", "office", "meeting"):
        texture = Texture.WALLPAPER
    elif draw < 0.4:
        texture = Texture.PLASTER
    elif draw > 0.9:
        texture, material = (
            (Texture.CONCRETE, Material.CONCRETE) if use != "lounge" else (Texture.PLANKS, Material.WOOD)
        )
    return Stuff(material, one_of(rng, WALL_PAINTS, 0.03), variety.layer(rng, texture))


def _slab(area: Rectangle, z: float, stuff: Stuff, kind: Class, faces_down: bool) -> Mesh:
    """A level surface cut into pieces, under the walls around it as well."""
    a = area.grown(WALL)
    x = np.linspace(a.x_low, a.x_high, int((a.x_high - a.x_low) / CELL) + 2)
    y = np.linspace(a.y_low, a.y_high, int((a.y_high - a.y_low) / CELL) + 2)
    if not faces_down:  # floors meet half-way below the walls
        x, y = (
            np.clip(x, area.x_low - 0.5 * WALL, area.x_high + 0.5 * WALL),
            np.clip(y, area.y_low - 0.5 * WALL, area.y_high + 0.5 * WALL),
        )
    grid = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((len(x), len(y)), z)], axis=-1)
    corners = np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2)
    triangles = quads(corners)
    triangles = triangles[:, ::-1] if faces_down else triangles
    look = Look(stuff.texture_id, stuff.tint, triangles[..., :2])
    return surface(triangles, kind, stuff.material, 0, look)


def _side(
    space: Space, side: int, plan: FloorPlan, house: House, paint: Stuff, rng: np.random.Generator, variety: Variety
) -> Mesh:
    """One wall with its doors and windows, casings, skirting and what hangs on it."""
    start, stop = sides_of(space.area)[side]
    look = Look(paint.texture_id, paint.tint)
    wall = Wall(start, stop, 0.0, space.height, paint.material, look, house.casing)
    fittings = Fittings(wall)
    doors = door_spans(space, side, plan.doors)
    openings = [_doorway(fittings, a, b, door, house, space.use) for a, b, door in doors]
    windows = _windows(wall, space, side, openings, rng) if side in space.outer else []
    for window in windows:
        frame(fittings, window, house.window, house.panes)
        sill = box([window.start - 0.05, -0.14, window.low - 0.04], [window.stop + 0.05, 0.0, window.low])
        fittings.add(sill, Stuff(Material.STONE, (238, 236, 230)))
    _skirting(fittings, openings, house)
    if space.use != "court":
        _hangings(fittings, [*openings, *windows], space, rng, variety)
    return joined([make_wall(wall, [*openings, *windows]), fittings.mesh()])


def _doorway(fittings: Fittings, start: float, stop: float, door: Door, house: House, use: str) -> Opening:
    """The hole of a door as seen from one side, with its casing and leaf."""
    w = 0.07
    for a, b, c, d in (
        (start - w, start, 0.0, door.height),
        (stop, stop + w, 0.0, door.height),
        (start - w, stop + w, door.height, door.height + w),
    ):
        fittings.add(box([a, -0.02, c], [b, 0.005, d]), house.casing)
    if door.kind == "closed":
        look = Look(house.door.texture_id, house.door.tint)
        return Opening(start, stop, 0.0, door.height, 0.06, Material.WOOD, look, True)
    hole = Opening(start, stop, 0.0, door.height, 0.5 * WALL, None)
    if door.kind == "open" and use not in CORRIDOR_LIKE:
        _leaf(fittings, start, stop, door, house)
    elif door.kind == "glass":
        bars = Opening(start, stop, 0.0, door.height, 0.5 * WALL, None)
        frame(fittings, bars, house.casing, (2, 1), 0.05)
    return hole


def _leaf(fittings: Fittings, start: float, stop: float, door: Door, house: House) -> None:
    """An open door: swung into the room at right angles, hinged at one side."""
    x = start if int(10.0 * door.x) % 2 else stop - 0.04
    wide = stop - start
    leaf = box([x, -wide, 0.01], [x + 0.04, -0.01, door.height - 0.01])
    fittings.add(leaf, Stuff(Material.WOOD, house.door.tint))
    for side in (-0.02, 0.05):
        fittings.add(box([x + side, -wide + 0.08, 1.02], [x + side + 0.015, -wide + 0.2, 1.05]), Stuff(Material.METAL))


def _windows(wall: Wall, space: Space, side: int, openings: list[Opening], rng: np.random.Generator) -> list[Opening]:
    """Windows one can look through, as wide as the wall has room for."""
    margin = 0.35
    if wall.length < 1.6 or openings:
        return []
    count = max(1, int((wall.length - 2.0 * margin) / 1.9))
    pitch = (wall.length - 2.0 * margin) / count
    low = 0.25 if space.use == "hall" else 0.9
    high = space.height - (0.5 if space.use == "hall" else 0.35)
    return [
        Opening(margin + (k + 0.07) * pitch, margin + (k + 0.93) * pitch, low, high, OUTER_WALL, None)
        for k in range(count)
    ]


def _skirting(fittings: Fittings, openings: list[Opening], house: House) -> None:
    holes = sorted((o.start - 0.07, o.stop + 0.07) for o in openings)
    edges = [0.0, *(edge for hole in holes for edge in hole), fittings.wall.length]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start > 0.05:
            fittings.add(box([start, -0.015, 0.0], [stop, 0.0, 0.09]), house.skirting)


def _hangings(
    fittings: Fittings, openings: list[Opening], space: Space, rng: np.random.Generator, variety: Variety
) -> None:
    """Notice boards, pictures, white boards, clocks, radiators, extinguishers, switches, signs above doors."""
    wall = fittings.wall
    for o in openings:
        if o.low > 0.0 and o.high - o.low > 0.8:  # radiators below windows
            if rng.random() < 0.7 and o.low > 0.7:
                _radiator(fittings, o.start + 0.1, o.stop - 0.1, rng)
        elif space.use in CORRIDOR_LIKE:
            plate = (o.stop + 0.14, o.stop + 0.3)
            fittings.add(box([plate[0], -0.012, 1.5], [plate[1], 0.0, 1.62]), Stuff(Material.PLASTIC, (70, 92, 120)))
            if rng.random() < 0.3:
                sign = box([o.middle - 0.18, -0.05, o.high + 0.1], [o.middle + 0.18, 0.0, o.high + 0.28])
                fittings.add(sign, Stuff(Material.LAMP, (60, 200, 110)))
    spots = sorted((o.start, o.stop) for o in openings)
    edges = [0.0, *(edge for spot in spots for edge in spot), wall.length]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        at = start + rng.uniform(0.35, 1.2)
        while stop - at > 0.6:
            at += _hanging(fittings, at, min(stop - 0.3 - at, 2.4), space, rng, variety) + rng.uniform(0.4, 2.2)


def _hanging(
    fittings: Fittings, start: float, room: float, space: Space, rng: np.random.Generator, variety: Variety
) -> float:
    """One thing on a wall from `start` on; returns how wide it is."""
    draw = rng.random()
    poster = Stuff(Material.PAINT, (255, 255, 255), variety.layer(rng, Texture.POSTER))
    if draw < 0.22 and room > 1.1:
        wide, tall = min(room, rng.uniform(1.1, 2.0)), rng.uniform(0.8, 1.1)
        white = space.use in ("meeting", "office", "lab")
        inner = (
            Stuff(Material.PAINT, (246, 247, 248))
            if white
            else Stuff(Material.CLOTH, (196, 160, 116), Texture.CLOTH.layer(0))
        )
        _board(fittings, (start, start + wide), (1.05, 1.05 + tall), inner, rng)
        if not white:
            for k in range(int(wide / 0.4)):
                a = start + 0.12 + 0.4 * k
                low = 1.15 + rng.uniform(0.0, tall - 0.55)
                fittings.add_panel((a, a + 0.21), (low, low + 0.297), -0.034, poster)
        return wide
    if draw < 0.5:
        wide = min(room, rng.uniform(0.4, 0.85))
        tall = wide * rng.uniform(0.8, 1.42)
        low = 1.55 - 0.5 * tall
        frame_stuff = Stuff(Material.WOOD, one_of(rng, ((40, 40, 42), (230, 228, 222), (140, 100, 66))))
        fittings.add(
            box([start - 0.03, -0.025, low - 0.03], [start + wide + 0.03, 0.0, low + tall + 0.03]), frame_stuff
        )
        fittings.add_panel((start, start + wide), (low, low + tall), -0.028, poster)
        return wide
    if draw < 0.55 and space.use in CORRIDOR_LIKE:
        body = lathe([(0.08, 0.55), (0.08, 0.98), (0.03, 1.05), (0.03, 1.1)], 10) + np.array([start + 0.1, -0.1, 0.0])
        fittings.add(body, Stuff(Material.METAL, (200, 34, 30)), True)
        fittings.add(box([start, -0.006, 1.4], [start + 0.2, 0.0, 1.6]), Stuff(Material.SIGN, (200, 30, 28)))
        return 0.2
    if draw < 0.75:
        fittings.add(box([start, -0.012, 1.08], [start + 0.09, 0.0, 1.17]), Stuff(Material.PLASTIC, (240, 240, 236)))
        return 0.1
    if draw < 0.82:
        ring = lathe([(0.16, 0.0), (0.16, 0.03)], 16)[..., [0, 2, 1]] * [1.0, -1.0, 1.0] + [start + 0.16, 0.0, 2.15]
        fittings.add(ring, Stuff(Material.PLASTIC, (240, 240, 238)))
        return 0.3
    if draw < 0.9 and room > 0.9:
        _radiator(fittings, start, start + min(room, 1.2), rng)
        return 1.2
    return 0.3


def _board(
    fittings: Fittings, along: tuple[float, float], up: tuple[float, float], inner: Stuff, rng: np.random.Generator
) -> None:
    rim = Stuff(Material.METAL, one_of(rng, ((190, 192, 194), (90, 92, 96), (150, 110, 70))))
    fittings.add(box([along[0] - 0.03, -0.03, up[0] - 0.03], [along[1] + 0.03, 0.0, up[1] + 0.03]), rim)
    fittings.add(box([along[0], -0.032, up[0]], [along[1], -0.03, up[1]]), inner)


def _radiator(fittings: Fittings, start: float, stop: float, rng: np.random.Generator) -> None:
    """A ribbed radiator."""
    white = Stuff(Material.METAL, (242, 242, 238))
    ribs = [box([a, -0.12, 0.14], [a + 0.045, -0.03, 0.68]) for a in np.arange(start, stop, 0.09)]
    fittings.add(np.concatenate(ribs), white)
    fittings.add(box([start, -0.1, 0.2], [stop, -0.06, 0.24]), white)
    fittings.add(box([start, -0.1, 0.58], [stop, -0.06, 0.62]), white)


def _lamps(space: Space, house: House, rng: np.random.Generator) -> Mesh:
    """Lamps below the ceiling, about `LAMP_PITCH` apart."""
    a = space.area
    width, depth = a.x_high - a.x_low, a.y_high - a.y_low
    nx, ny = max(1, round(width / LAMP_PITCH)), max(1, round(depth / LAMP_PITCH))
    parts = Parts(Class.MANMADE)
    tint = one_of(rng, ((255, 250, 238), (255, 240, 214), (240, 246, 255)), 0.01)
    for i in range(nx):
        for j in range(ny):
            x, y, z = a.x_low + (i + 0.5) * width / nx, a.y_low + (j + 0.5) * depth / ny, space.height
            if house.lamp == "panel":
                parts.add(
                    box([x - 0.32, y - 0.32, z - 0.05], [x + 0.32, y + 0.32, z]), Stuff(Material.METAL, (226, 228, 228))
                )
                parts.add(
                    box([x - 0.28, y - 0.28, z - 0.056], [x + 0.28, y + 0.28, z - 0.05]), Stuff(Material.LAMP, tint)
                )
            elif house.lamp == "tube":
                long = (0.65, 0.07) if width > depth else (0.07, 0.65)
                low = [x - long[0], y - long[1], z - 0.12]
                parts.add(
                    box([low[0], low[1], z - 0.08], [x + long[0], y + long[1], z]),
                    Stuff(Material.METAL, (232, 232, 230)),
                )
                parts.add(box(low, [x + long[0], y + long[1], z - 0.08]), Stuff(Material.LAMP, tint))
            else:
                globe = lathe([(0.1, z - 0.14), (0.24, z - 0.1), (0.24, z - 0.04), (0.1, z)], 12) + np.array(
                    [x, y, 0.0]
                )
                parts.add(globe, Stuff(Material.LAMP, tint), True)
    return parts.mesh()


def _ceiling_pipes(space: Space, rng: np.random.Generator) -> Mesh:
    """Ducts and cable trays along one side, at times beams across."""
    a, z = space.area, space.height
    parts = Parts(Class.MANMADE)
    is_x = a.x_high - a.x_low > a.y_high - a.y_low
    zinc = Stuff(Material.METAL, (188, 192, 194), Texture.METAL.layer(1))
    if rng.random() < 0.5:
        inset = 0.35
        if is_x:
            parts.add(box([a.x_low, a.y_low + inset, z - 0.3], [a.x_high, a.y_low + inset + 0.3, z - 0.06]), zinc)
        else:
            parts.add(box([a.x_low + inset, a.y_low, z - 0.3], [a.x_low + inset + 0.3, a.y_high, z - 0.06]), zinc)
    if rng.random() < 0.5:
        white = Stuff(Material.PLASTER, (236, 236, 232))
        pitch = rng.uniform(4.0, 6.0)
        for at in np.arange(2.0, (a.x_high - a.x_low if is_x else a.y_high - a.y_low) - 1.0, pitch):
            low = [a.x_low + at, a.y_low, z - 0.22] if is_x else [a.x_low, a.y_low + at, z - 0.22]
            high = [a.x_low + at + 0.25, a.y_high, z] if is_x else [a.x_high, a.y_low + at + 0.25, z]
            parts.add(box(low, high), white)
    return parts.mesh()
