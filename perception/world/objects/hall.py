"""Buildings that a street leads through: the arcade of the town, and the large hall of a campus."""

from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, box, joined, surface
from perception.world.layout import PAVEMENT, ROAD_HALF, Layout, Rectangle
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.facades import GRAYS, PLASTERS, STOREY, Style, draw_style, frame, lay_windows
from perception.world.objects.shapes import Stuff
from perception.world.objects.walls import Fittings, Opening, Wall, make_wall
from perception.world.variety import Variety

COLUMN_LINE = ROAD_HALF + 0.35  # m from the middle of the road to the columns of the passage
GATE_HALF, GATE_HEIGHT = 5.0, 4.6  # m, of the doors of a hall
HALL_WALL = 0.3  # m, thickness of the walls of a hall
HALL_HEIGHT = 6.5  # m above its highest floor


def make_passage(layout: Layout, area: Rectangle, rng: np.random.Generator, variety: Variety, instance: int) -> Mesh:
    """A building over the street along x through `area`: arcades, niches, doors and beams."""
    middle = 0.5 * (area.y_low + area.y_high)
    half = ROAD_HALF + PAVEMENT - 0.3
    x = np.arange(area.x_low, area.x_high + 0.1, 4.0)
    ground = layout.terrain.height(x, np.full_like(x, middle))
    floor, ceiling = float(ground.min()) - 1.0, float(ground.max()) + 4.4
    top = ceiling + 2 * STOREY
    style = draw_style(rng, variety)
    concrete = Look(variety.layer(rng, Texture.CONCRETE), one_of(rng, GRAYS))
    shell_look = Look(style.wall.texture_id, style.wall.tint)
    parts = []
    for sign in (-1.0, 1.0):
        y = middle + sign * half
        ends = (area.x_high, area.x_low) if sign < 0 else (area.x_low, area.x_high)
        inner = Wall((ends[0], y), (ends[1], y), floor, ceiling, Material.CONCRETE, concrete)
        niches = _niches(inner, ground, rng, variety)
        fittings = Fittings(inner, instance)
        for niche in niches:
            if niche.fill == Material.GLASS:
                frame(fittings, niche, style.frame, (2, 1))
        parts += [make_wall(inner, niches, instance), fittings.mesh()]
        outer = area.y_high if sign > 0 else area.y_low
        shell = Wall((ends[1], outer), (ends[0], outer), floor, top, style.wall.material, shell_look)
        windows = lay_windows(shell.length, float(ground.mean()), 3, style, rng, variety, False)
        parts.append(make_wall(shell, windows, instance))
        for x_end, turn in ((area.x_low, sign > 0), (area.x_high, sign < 0)):
            ys = (outer, y) if turn else (y, outer)
            end = Wall((x_end, ys[0]), (x_end, ys[1]), floor, top, style.wall.material, shell_look)
            parts.append(make_wall(end, (), instance))
    inner = Rectangle(area.x_low, middle - half, area.x_high, middle + half)
    parts.append(_arcade(inner, x, (floor, ceiling, top), concrete, instance))
    return joined(parts)


def _arcade(inner: Rectangle, x: np.ndarray, levels: tuple[float, float, float], look: Look, instance: int) -> Mesh:
    """Columns, beams and lamps along a passage at `x`, and the storeys above; `levels`: floor, ceiling, top."""
    floor, ceiling, top = levels
    middle = 0.5 * (inner.y_low + inner.y_high)
    bodies = [box([inner.x_low, inner.y_low, ceiling], [inner.x_high, inner.y_high, top])]
    for px in x[1:-1]:
        bodies.append(box([px - 0.2, inner.y_low, ceiling - 0.45], [px + 0.2, inner.y_high, ceiling]))
        for y in (middle - COLUMN_LINE, middle + COLUMN_LINE):
            bodies.append(box([px - 0.25, y - 0.25, floor], [px + 0.25, y + 0.25, ceiling]))  # noqa: PERF401
    lamps = [
        box([px + 1.4, y - 0.1, ceiling - 0.1], [px + 2.6, y + 0.1, ceiling - 0.02])
        for px in x[:-1]
        for y in (middle - 3.0, middle + 3.0)
    ]
    light = Look(None, (255, 244, 220))
    return joined(
        [
            surface(np.concatenate(bodies), Class.MANMADE, Material.CONCRETE, instance, look),
            surface(np.concatenate(lamps), Class.MANMADE, Material.LAMP, instance, light),
        ]
    )


def _niches(wall: Wall, ground: np.ndarray, rng: np.random.Generator, variety: Variety) -> list[Opening]:
    """Doors, niches and shop windows along the inside of the passage."""
    out: list[Opening] = []
    at, base = 1.0, float(ground.max()) + 0.1
    while at < wall.length - 3.5:
        width, depth, draw = rng.uniform(0.9, 3.0), rng.uniform(0.15, 0.9), rng.random()
        low = base + float(rng.choice([0.0, 0.9]))
        if draw < 0.25:
            look = Look(variety.layer(rng, Texture.DOOR))
            out.append(Opening(at, at + 1.1, base - 0.1, base + 2.2, 0.2, Material.WOOD, look, True))
        elif draw < 0.6:
            look = Look(variety.layer(rng, Texture.SHOP))
            out.append(Opening(at, at + width, base + 0.3, base + 2.5, 0.2, Material.GLASS, look, True))
        else:
            look = Look(variety.layer(rng, Texture.PLASTER), one_of(rng, PLASTERS))
            out.append(Opening(at, at + width, low, base + 2.4, depth, Material.PLASTER, look))
        at = out[-1].stop + rng.uniform(0.6, 2.5)
    return out


def make_hall(layout: Layout, area: Rectangle, rng: np.random.Generator, variety: Variety, instance: int) -> Mesh:
    """The shell of a large hall around `area`: gates for the street at both ends, windows, columns, girders, lamps."""
    middle = 0.5 * (area.y_low + area.y_high)
    xs, ys = np.meshgrid(np.linspace(area.x_low, area.x_high, 7), np.linspace(area.y_low, area.y_high, 7))
    ground = layout.terrain.height(xs, ys)
    low, base, top = float(ground.min()) - 1.5, float(ground.max()), float(ground.max()) + HALL_HEIGHT
    style = draw_style(rng, variety)
    inside = Stuff(Material.PLASTER, one_of(rng, GRAYS), variety.layer(rng, Texture.PLASTER))
    steel = Stuff(Material.METAL, one_of(rng, ((96, 110, 128), (190, 192, 190), (140, 60, 50), (70, 74, 78))))
    corners = [
        (area.x_low, area.y_low),
        (area.x_high, area.y_low),
        (area.x_high, area.y_high),
        (area.x_low, area.y_high),
    ]
    shell = _Shell(middle, low, base, top, style, inside, instance)
    parts = [mesh for side in range(4) for mesh in _hall_wall(shell, corners[side], corners[(side + 1) % 4])]
    parts.append(_hall_roof(area, base, top, steel, instance, rng, variety))
    return joined(parts)


@dataclass(frozen=True, slots=True, eq=False)
class _Shell:
    """What the four walls of a hall share."""

    middle: float  # m, y of the street
    low: float
    base: float  # m, of the highest floor
    top: float
    style: Style
    inside: Stuff
    instance: int


def _hall_wall(shell: _Shell, start: tuple[float, float], stop: tuple[float, float]) -> list[Mesh]:
    """Outer and inner face of one wall with see-through windows, and a gate where the street passes."""
    outside, inside = shell.style.wall, shell.inside
    look = Look(outside.texture_id, outside.tint)
    wall = Wall(start, stop, shell.low, shell.top, outside.material, look, inside)
    holes = _hall_openings(shell, wall)
    fittings = Fittings(wall, shell.instance)
    for hole in holes:
        if hole.low > shell.low:
            frame(fittings, hole, shell.style.frame, (3, 2))
    a, b = np.array(start), np.array(stop)
    along = (b - a) / wall.length
    inwards = HALL_WALL * np.array([-along[1], along[0]])
    ends = [(float(x), float(y)) for x, y in (b + inwards, a + inwards)]
    inner = Wall(ends[0], ends[1], shell.low, shell.top, inside.material, Look(inside.texture_id, inside.tint))
    mirrored = [Opening(wall.length - h.stop, wall.length - h.start, h.low, h.high, 0.0, None) for h in holes]
    return [make_wall(wall, holes, shell.instance), make_wall(inner, mirrored, shell.instance), fittings.mesh()]


def _hall_openings(shell: _Shell, wall: Wall) -> list[Opening]:
    """Windows along a wall, and the gate in those that the street meets."""
    holes, spans = [], [(1.0, wall.length - 1.0)]
    if wall.start[0] == wall.stop[0]:
        at = abs(shell.middle - wall.start[1])
        holes.append(Opening(at - GATE_HALF, at + GATE_HALF, shell.low, shell.base + GATE_HEIGHT, HALL_WALL, None))
        spans = [(1.0, at - GATE_HALF - 1.0), (at + GATE_HALF + 1.0, wall.length - 1.0)]
    low, high = shell.base + 0.9, shell.base + 3.6
    for start, stop in spans:
        count = max(1, int((stop - start) / 3.6))
        pitch = (stop - start) / count
        holes += [
            Opening(start + (k + 0.15) * pitch, start + (k + 0.85) * pitch, low, high, HALL_WALL, None)
            for k in range(count)
        ]
    return holes


def _hall_roof(
    area: Rectangle, base: float, top: float, steel: Stuff, instance: int, rng: np.random.Generator, variety: Variety
) -> Mesh:
    """Columns in two rows, girders across, a sheet roof, rows of lamps."""
    middle = 0.5 * (area.y_low + area.y_high)
    quarter = 0.25 * (area.y_high - area.y_low) + 1.2
    parts = []
    sheet = Look(variety.layer(rng, Texture.CORRUGATED), (226, 228, 230))
    roof = box([area.x_low - 0.4, area.y_low - 0.4, top], [area.x_high + 0.4, area.y_high + 0.4, top + 0.35])
    parts.append(surface(roof, Class.MANMADE, Material.METAL, instance, sheet))
    frames, lamps = [], []
    xs = np.linspace(area.x_low, area.x_high, max(4, int((area.x_high - area.x_low) / 6.0)) + 1)
    rows = (middle - quarter, middle + quarter)
    for x in xs[1:-1]:
        frames += [box([x - 0.2, y - 0.2, base - 3.0], [x + 0.2, y + 0.2, top]) for y in rows]
        frames.append(box([x - 0.12, area.y_low + 0.3, top - 0.6], [x + 0.12, area.y_high - 0.3, top - 0.15]))
    for x in 0.5 * (xs[:-1] + xs[1:]):
        lamps += [box([x - 1.2, y - 0.15, top - 0.75], [x + 1.2, y + 0.15, top - 0.66]) for y in (*rows, middle)]
    ridges = (middle - 0.5 * quarter, middle + 0.5 * quarter)
    frames += [box([area.x_low + 0.3, y - 0.08, top - 0.15], [area.x_high - 0.3, y + 0.08, top]) for y in ridges]
    steel_look = Look(steel.texture_id, steel.tint)
    parts.append(surface(np.concatenate(frames), Class.MANMADE, Material.METAL, instance, steel_look))
    look = Look(None, (255, 246, 226))
    parts.append(surface(np.concatenate(lamps), Class.MANMADE, Material.LAMP, instance, look))
    return joined(parts)


def lane_paint(area: Rectangle) -> list[np.ndarray]:
    """Outlines (4, 2) of the yellow lines along the lane that is kept free through a hall."""
    middle = 0.5 * (area.y_low + area.y_high)
    out = []
    for side in (-1.0, 1.0):
        y = middle + side * 4.2
        out.append(
            np.array([[area.x_low, y - 0.06], [area.x_high, y - 0.06], [area.x_high, y + 0.06], [area.x_low, y + 0.06]])
        )
    return out
