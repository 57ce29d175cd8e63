"""The shell of an indoor plan: floors, walls with doors and windows, ceilings with lamps, what hangs on the walls."""

from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, box, joined, quads, surface
from perception.world.layouts.plan import Door, FloorPlan, Rectangle, Space
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.facades import frame
from perception.world.objects.hangings import CORRIDOR_LIKE, hang
from perception.world.objects.shapes import Parts, Stuff, Tint, lathe
from perception.world.objects.walls import Fittings, Opening, Wall, make_wall
from perception.world.variety import Variety

WALL = 0.18  # m, thickness between two spaces
OUTER_WALL = 0.28  # m, recess of the windows
CELL = 3.0  # m, largest piece of a floor
LAMP_PITCH = 2.6  # m
WALL_PAINTS: tuple[Tint, ...] = (
    (246, 244, 238), (240, 236, 222), (226, 232, 236), (232, 238, 226), (244, 228, 212), (214, 222, 228),
    (238, 214, 170), (196, 214, 206),
)  # fmt: skip
CLEAN_WALLS = tuple(
    texture.layer(variant)
    for texture, variant in (
        (Texture.PLAIN, 0), (Texture.PLASTER, 0), (Texture.PLAIN, 3), (Texture.PLASTER, 5), (Texture.WALLPAPER, 0),
        (Texture.PLAIN, 1), (Texture.PLAIN, 7), (Texture.PLASTER, 7),
    )
)  # fmt: skip
DADOS: tuple[Tint, ...] = ((150, 168, 160), (196, 150, 110), (120, 140, 164), (206, 196, 170), (140, 90, 80))
DADO_HEIGHT = 1.0  # m
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
    dado: Stuff | None  # of the lower part of the walls of corridors
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
        Stuff(Material.PLASTER, one_of(rng, WALL_PAINTS, 0.03), variety.choose(rng, CLEAN_WALLS)),
        Stuff(Material.PLASTER, one_of(rng, DADOS), variety.choose(rng, CLEAN_WALLS)) if rng.random() < 0.4 else None,
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
    texture, material = None, Material.PLASTER
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
    layer = variety.choose(rng, CLEAN_WALLS) if texture is None else variety.layer(rng, texture)
    return Stuff(material, one_of(rng, WALL_PAINTS, 0.03), layer)


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
    if house.dado is not None and space.use == "corridor":
        _along_foot(fittings, openings, (0.09, DADO_HEIGHT), 0.006, house.dado)
        _along_foot(fittings, openings, (DADO_HEIGHT, DADO_HEIGHT + 0.05), 0.014, house.skirting)
    if space.use != "court":
        hang(fittings, [*openings, *windows], space.use, rng, variety)
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
    low = {"hall": 0.25, "corridor": 1.1}.get(space.use, 0.9)
    high = space.height - (0.5 if space.use == "hall" else 0.35)
    return [
        Opening(margin + (k + 0.07) * pitch, margin + (k + 0.93) * pitch, low, high, OUTER_WALL, None)
        for k in range(count)
    ]


def _skirting(fittings: Fittings, openings: list[Opening], house: House) -> None:
    _along_foot(fittings, openings, (0.0, 0.09), 0.015, house.skirting)


def _along_foot(fittings: Fittings, openings: list[Opening], up: tuple[float, float], out: float, stuff: Stuff) -> None:
    """A strip along the wall from door to door, between two heights."""
    holes = sorted((o.start - 0.07, o.stop + 0.07) for o in openings)
    edges = [0.0, *(edge for hole in holes for edge in hole), fittings.wall.length]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start > 0.05:
            fittings.add(box([start, -out, up[0]], [stop, 0.0, up[1]]), stuff)


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
