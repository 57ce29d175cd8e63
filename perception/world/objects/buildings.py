"""Buildings along the streets: fronts with windows, doors, shops and balconies, roofs, and the built-over passage."""

from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.world.config import SceneConfig
from perception.world.geometry.mesh import Mesh, box, joined, prism, quads, surface
from perception.world.layout import PAVEMENT, ROAD_HALF, Layout, Rectangle, Street
from perception.world.materials import Material
from perception.world.objects.walls import Opening, Wall, make_wall

STOREY = 3.1  # m
CELLAR = 2.5  # m that a building goes below the ground at its middle, so that no slope uncovers it
COLUMN_LINE = ROAD_HALF + 0.35  # m from the middle of the road to the columns of the passage
FRONTAGE, DEPTH = (8.0, 17.0), (8.0, 13.0)  # m, of a plot


@dataclass(frozen=True, slots=True)
class Building:
    """One house on a plot. `front` is the side of the plot at the street: 0 low y, 1 high x, 2 high y, 3 low x."""

    plot: Rectangle
    front: int
    ground: float  # m
    num_storeys: int
    material: Material
    instance: int

    @property
    def top(self) -> float:
        """Height of the eaves."""
        return self.ground + 0.4 + STOREY * self.num_storeys

    def corners(self) -> list[tuple[float, float]]:
        """Corners of the plot, counter-clockwise from low x, low y."""
        p = self.plot
        return [(p.x_low, p.y_low), (p.x_high, p.y_low), (p.x_high, p.y_high), (p.x_low, p.y_high)]


def make_buildings(layout: Layout, config: SceneConfig, rng: np.random.Generator, first_instance: int) -> list[Mesh]:
    """A mesh for each building, with instances from `first_instance` on."""
    taken = [street.area(PAVEMENT) for street in layout.streets]
    if layout.passage is not None:
        taken.append(layout.passage)
    out: list[Mesh] = []
    for street in layout.furnished:
        for side in (-1, 1):
            for plot, front in _plots(street, side, config, rng):
                if any(plot.overlaps(other) for other in taken):
                    continue
                taken.append(plot)
                out.append(_house(_drawn(plot, front, layout, rng, first_instance + len(out)), rng))
    if layout.passage is not None:
        out.append(_passage(layout, layout.passage, rng, first_instance + len(out)))
    return out


def _plots(street: Street, side: int, config: SceneConfig, rng: np.random.Generator) -> list[tuple[Rectangle, int]]:
    """Plots along one side of a street, from a little before its start to a little after its end."""
    start, stop = np.minimum(street.start, street.stop), np.maximum(street.start, street.stop)
    axis = 0 if street.is_along_x else 1
    front = (2 if side < 0 else 0) if axis == 0 else (1 if side < 0 else 3)
    at, out = -12.0, []
    while at < (stop - start)[axis] + 12.0:
        width, depth = rng.uniform(*FRONTAGE), rng.uniform(*DEPTH)
        near = street.half_width + PAVEMENT + 0.05 + float(rng.choice([0.0, 0.0, 0.0, 0.4, 2.5]))
        low = start.copy()
        low[axis] += at
        low[1 - axis] += near if side > 0 else -near - depth
        size = [width, depth] if axis == 0 else [depth, width]
        if rng.random() > config.building_gap:
            out.append((Rectangle(low[0], low[1], low[0] + size[0], low[1] + size[1]), front))
            at += width + float(rng.choice([0.0, 0.0, 1.2]))
        else:
            at += rng.uniform(4.0, 12.0)
    return out


def _drawn(plot: Rectangle, front: int, layout: Layout, rng: np.random.Generator, instance: int) -> Building:
    x, y = 0.5 * (plot.x_low + plot.x_high), 0.5 * (plot.y_low + plot.y_high)
    ground = float(layout.terrain.height(np.array([x]), np.array([y]))[0])
    material = Material(int(rng.choice([Material.PLASTER, Material.PLASTER, Material.BRICK, Material.CONCRETE])))
    return Building(plot, front, ground, int(rng.choice([1, 2, 2, 3, 3, 4, 5])), material, instance)


def _house(house: Building, rng: np.random.Generator) -> Mesh:
    """Four walls, of which the front and at times the others have windows, a roof, and what sticks out."""
    corners = house.corners()
    parts = []
    for side in range(4):
        wall = Wall(corners[side], corners[(side + 1) % 4], house.ground - CELLAR, house.top, house.material)
        openings: list[Opening] = []
        if side == house.front or rng.random() < 0.35:
            openings = _windows(wall, house, rng, side == house.front)
        parts.append(make_wall(wall, openings, house.instance))
        if side == house.front:
            parts.append(surface(_balconies(wall, openings, rng), Class.MANMADE, Material.CONCRETE, house.instance))
    return joined([*parts, _roof(house, rng)])


def _windows(wall: Wall, house: Building, rng: np.random.Generator, is_front: bool) -> list[Opening]:
    """Windows in rows, storey by storey; on the ground floor of a front a door and perhaps shop windows."""
    bay = rng.uniform(2.4, 3.6)
    count = int((wall.length - 1.0) / bay)
    width, height, depth = rng.uniform(0.9, 1.5), rng.uniform(1.2, 1.8), rng.uniform(0.12, 0.35)
    margin = 0.5 * (wall.length - count * bay)
    is_shop, door = rng.random() < 0.4, int(rng.integers(0, max(count, 1)))
    out = []
    for storey in range(house.num_storeys):
        floor = house.ground + 0.4 + STOREY * storey
        for k in range(count):
            middle = margin + (k + 0.5) * bay
            if storey == 0 and is_front and k == door:
                out.append(Opening(middle - 0.6, middle + 0.6, floor - 0.4, floor + 2.1, 0.45, Material.WOOD))
            elif storey == 0 and is_front and is_shop:
                half = 0.42 * bay
                out.append(Opening(middle - half, middle + half, floor + 0.2, floor + 2.4, 0.25, Material.GLASS))
            else:
                low = floor + 0.9
                out.append(Opening(middle - width / 2, middle + width / 2, low, low + height, depth, Material.GLASS))
    return out


def _balconies(wall: Wall, openings: list[Opening], rng: np.random.Generator) -> np.ndarray:
    """Balconies, bays, sills and awnings before some of the openings, as triangles in the world."""
    along = (np.array(wall.stop) - np.array(wall.start)) / wall.length
    axes = np.array([[*along, 0.0], [-along[1], along[0], 0.0], [0.0, 0.0, 1.0]])
    parts = [np.zeros((0, 3, 3))]
    has_balconies, has_sills = rng.random() < 0.4, rng.random() < 0.6
    for o in openings:
        draw = rng.random()
        if o.low < wall.low + CELLAR + 1.0:
            if draw < 0.25:  # an awning over a shop or a door
                parts.append(box([o.start - 0.2, -1.1, o.high + 0.1], [o.stop + 0.2, 0.0, o.high + 0.2]))
        elif has_balconies and draw < 0.5 and o.low > wall.low + CELLAR + STOREY:
            a, b, z, reach = o.start - 0.5, o.stop + 0.5, o.low - 0.9, rng.uniform(0.8, 1.4)
            parts.append(box([a, -reach, z - 0.15], [b, 0.0, z]))
            parts.append(box([a, -reach, z + 0.1], [b, -reach + 0.04, z + 1.0]))
            parts += [box([x, -reach, z + 0.1], [x + 0.04, 0.0, z + 1.0]) for x in (a, b - 0.04)]
        elif has_sills:
            parts.append(box([o.start - 0.1, -0.14, o.low - 0.08], [o.stop + 0.1, 0.0, o.low]))
    local = np.concatenate(parts)
    return local @ axes + np.array([*wall.start, 0.0])


def _roof(house: Building, rng: np.random.Generator) -> Mesh:
    """A flat roof with a parapet, or a gable along the longer side; both with a chimney."""
    p, z = house.plot, house.top
    x_size, y_size = p.x_high - p.x_low, p.y_high - p.y_low
    chimney = box([0.3 * x_size, 0.45 * y_size, 0.0], [0.3 * x_size + 0.8, 0.45 * y_size + 0.6, rng.uniform(1.5, 4.5)])
    chimney += [p.x_low, p.y_low, z]
    if rng.random() < 0.45:
        roof = box([p.x_low - 0.1, p.y_low - 0.1, z - 0.1], [p.x_high + 0.1, p.y_high + 0.1, z + 0.35])
    else:
        rise, eaves = rng.uniform(0.25, 0.5) * min(x_size, y_size), 0.4
        half = 0.5 * y_size + eaves
        outline = np.array([[-half, 0.0], [half, 0.0], [0.0, rise]])
        if x_size >= y_size:
            roof = prism(outline, -0.5 * x_size - eaves, 0.5 * x_size + eaves)[:, :, [1, 0, 2]]
        else:
            half = 0.5 * x_size + eaves
            outline = np.array([[-half, 0.0], [half, 0.0], [0.0, rise]])
            roof = prism(outline, -0.5 * y_size - eaves, 0.5 * y_size + eaves)
        roof = roof + np.array([0.5 * (p.x_low + p.x_high), 0.5 * (p.y_low + p.y_high), z])
    return joined(
        [
            surface(roof, Class.MANMADE, Material.BRICK, house.instance),
            surface(chimney, Class.MANMADE, Material.BRICK, house.instance),
        ]
    )


def _passage(layout: Layout, area: Rectangle, rng: np.random.Generator, instance: int) -> Mesh:
    """A building over the street along x through `area`: an indoor hall with arcades, niches, doors and beams."""
    middle = 0.5 * (area.y_low + area.y_high)
    half = ROAD_HALF + PAVEMENT - 0.3
    x = np.arange(area.x_low, area.x_high + 0.1, 4.0)
    ground = layout.terrain.height(x, np.full_like(x, middle))
    floor, ceiling = float(ground.min()) - 1.0, float(ground.max()) + 4.4
    top = ceiling + 2 * STOREY
    parts = []
    for sign in (-1.0, 1.0):
        y = middle + sign * half
        ends = (area.x_high, area.x_low) if sign < 0 else (area.x_low, area.x_high)
        wall = Wall((ends[0], y), (ends[1], y), floor, ceiling, Material.CONCRETE)
        parts.append(make_wall(wall, _niches(wall, ground, rng), instance))
        outer = area.y_high if sign > 0 else area.y_low
        shell = Wall((ends[1], outer), (ends[0], outer), floor, top, Material.BRICK)
        house = Building(area, 0, float(ground.mean()), 3, Material.BRICK, instance)
        parts.append(make_wall(shell, _windows(shell, house, rng, False), instance))
        for x_end, turn in ((area.x_low, sign > 0), (area.x_high, sign < 0)):
            ys = (outer, y) if turn else (y, outer)
            parts.append(make_wall(Wall((x_end, ys[0]), (x_end, ys[1]), floor, top, Material.BRICK), (), instance))
    columns = [
        box(
            [px - 0.25, middle + sign * COLUMN_LINE - 0.25, floor],
            [px + 0.25, middle + sign * COLUMN_LINE + 0.25, ceiling],
        )
        for px in x[1:-1]
        for sign in (-1.0, 1.0)
    ]
    beams = [box([px - 0.2, middle - half, ceiling - 0.45], [px + 0.2, middle + half, ceiling]) for px in x[1:-1]]
    slab = quads(
        np.array([[[area.x_low, middle - half, z], [area.x_high, middle - half, z], [area.x_high, middle + half, z],
                   [area.x_low, middle + half, z]] for z in (ceiling,)])
    )  # fmt: skip
    over = box([area.x_low, middle - half, ceiling + 0.01], [area.x_high, middle + half, top])
    parts.append(surface(np.concatenate([*columns, *beams, slab, over]), Class.MANMADE, Material.CONCRETE, instance))
    return joined(parts)


def _niches(wall: Wall, ground: np.ndarray, rng: np.random.Generator) -> list[Opening]:
    """Doors, niches and shop windows along the inside of the passage."""
    out, at = [], 1.0
    base = float(ground.max()) + 0.1
    while at < wall.length - 3.5:
        width, depth = rng.uniform(0.9, 3.0), rng.uniform(0.15, 0.9)
        fill = Material(int(rng.choice([Material.WOOD, Material.GLASS, Material.METAL, Material.PLASTER])))
        out.append(Opening(at, at + width, base + float(rng.choice([0.0, 0.9])), base + 2.4, depth, fill))
        at += width + rng.uniform(0.6, 2.5)
    return out
