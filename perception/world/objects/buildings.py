"""Buildings along the streets: where they stand, their walls, roofs, and what is fixed to them."""

from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.world.config import SceneConfig
from perception.world.geometry.mesh import Look, Mesh, box, joined, quads, surface
from perception.world.layout import PAVEMENT, Layout, Rectangle, Street
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.facades import STOREY, Style, draw_style, dress, flat_frame, is_door, lay_windows
from perception.world.objects.plants import make_ivy
from perception.world.objects.roofs import ROOFS, draw_roof_stuff, make_roof
from perception.world.objects.shapes import Stuff, rod, shade
from perception.world.objects.walls import Fittings, Opening, Wall, make_wall
from perception.world.variety import TRAINING, Variety

CELLAR = 2.5  # m that a building goes below the ground at its middle, so that no slope uncovers it
FRONTAGE, DEPTH = (8.0, 17.0), (8.0, 13.0)  # m, of a plot
SIDE_WINDOWS = 0.3  # share of walls away from the street that have windows
FENCES: tuple[tuple[int, int, int], ...] = ((52, 54, 58), (86, 92, 96), (60, 76, 66), (180, 180, 178))


@dataclass(frozen=True, slots=True)
class Plot:
    """Where a house may stand. `front` is its side at the street: 0 low y, 1 high x, 2 high y, 3 low x."""

    area: Rectangle
    front: int

    def corners(self) -> list[tuple[float, float]]:
        """Corners, counter-clockwise from low x, low y."""
        p = self.area
        return [(p.x_low, p.y_low), (p.x_high, p.y_low), (p.x_high, p.y_high), (p.x_low, p.y_high)]


def make_buildings(
    layout: Layout, config: SceneConfig, rng: np.random.Generator, first_instance: int, variety: Variety = TRAINING
) -> list[Mesh]:
    """A mesh for each building along the streets, with instances from `first_instance` on."""
    taken = [street.area(PAVEMENT) for street in layout.streets] + list(layout.plazas)
    if layout.passage is not None:
        taken.append(layout.passage.grown(1.0 if layout.has_hall else 0.0))
    out: list[Mesh] = []
    for plot in _plots(layout, config, rng):
        if any(plot.area.overlaps(other) for other in taken):
            continue
        taken.append(plot.area)
        out.append(make_house(plot, layout, rng, variety, first_instance + len(out)))
    return out


def _plots(layout: Layout, config: SceneConfig, rng: np.random.Generator) -> list[Plot]:
    out = []
    for street in layout.furnished:
        for side in (-1, 1):
            out += _row(street, side, config, rng)
        if layout.period == 0.0:
            out += [_end(street, end, rng) for end in (0, 1)]
    return out


def _row(street: Street, side: int, config: SceneConfig, rng: np.random.Generator) -> list[Plot]:
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
            out.append(Plot(Rectangle(low[0], low[1], low[0] + size[0], low[1] + size[1]), front))
            at += width + float(rng.choice([0.0, 0.0, 1.2]))
        else:
            at += rng.uniform(4.0, 12.0)
    return out


def _end(street: Street, end: int, rng: np.random.Generator) -> Plot:
    """A house that closes a street at its low (0) or high (1) end."""
    area = street.area(PAVEMENT + 0.3)
    half, depth = 0.5 * rng.uniform(14.0, 20.0), rng.uniform(*DEPTH)
    (x, y), low = street.start, end == 0
    if street.is_along_x:
        edge = area.x_low - depth if low else area.x_high
        return Plot(Rectangle(edge, y - half, edge + depth, y + half), 1 if low else 3)
    edge = area.y_low - depth if low else area.y_high
    return Plot(Rectangle(x - half, edge, x + half, edge + depth), 2 if low else 0)


def make_house(plot: Plot, layout: Layout, rng: np.random.Generator, variety: Variety, instance: int) -> Mesh:
    """Four walls, of which the front and at times the others have windows, a roof, and what sticks out."""
    middle = 0.5 * (plot.area.x_low + plot.area.x_high), 0.5 * (plot.area.y_low + plot.area.y_high)
    ground = float(layout.terrain.height(np.array([middle[0]]), np.array([middle[1]]))[0])
    style = draw_style(rng, variety)
    num_storeys = int(rng.choice(style.family.storeys))
    kind = variety.choose(rng, ROOFS, style.family.roofs)
    top = ground + 0.4 + STOREY * num_storeys + (0.0 if kind == "flat" else 0.25)
    corners, parts = plot.corners(), []
    for side in range(4):
        stuff = style.wall if side == plot.front or kind != "flat" else style.side
        reveal = style.trim if style.has_surround else None
        wall = Wall(
            corners[side], corners[(side + 1) % 4], ground - CELLAR, top, stuff.material,
            Look(stuff.texture_id, stuff.tint), reveal,
        )  # fmt: skip
        parts.append(_side(wall, side == plot.front, ground, num_storeys, style, rng, variety, instance))
    roof_stuff = draw_roof_stuff(rng, variety, style.wall, style.trim)
    roof = make_roof(plot.area, top, kind, roof_stuff, rng, variety)
    return _numbered(joined([*parts, roof]), instance)


def _numbered(mesh: Mesh, instance: int) -> Mesh:
    mesh.instance_ids[:] = instance
    return mesh


def _side(
    wall: Wall,
    is_front: bool,
    ground: float,
    num_storeys: int,
    style: Style,
    rng: np.random.Generator,
    variety: Variety,
    instance: int,
) -> Mesh:
    """One wall of a house with all that is on it."""
    fittings = Fittings(wall, instance)
    openings: list[Opening] = []
    if is_front:
        openings = lay_windows(wall.length, ground, num_storeys, style, rng, variety, True)
        dress(fittings, openings, style, rng, variety)
        if style.has_balconies:
            _balconies(fittings, openings, ground, style, rng, variety)
        _bands(fittings, ground, style, openings)
    elif rng.random() < SIDE_WINDOWS:
        openings = lay_windows(wall.length, ground, num_storeys, style, rng, variety, False)
        for opening in openings:
            flat_frame(fittings, opening, style.frame)
    extras = [] if openings else [_blank(fittings, ground, rng, variety)]
    _pipes(fittings, ground, rng, is_front)
    if openings and rng.random() < 0.35:
        _coolers(fittings, openings, rng)
    return joined([make_wall(wall, openings, instance), fittings.mesh(), *extras])


def _bands(fittings: Fittings, ground: float, style: Style, openings: list[Opening]) -> None:
    """A plinth, a string course above the ground floor and a cornice under the eaves."""
    length, top = fittings.wall.length, fittings.wall.high
    if style.has_cornice:
        for k, reach in enumerate((0.1, 0.2)):
            low = top - 0.3 + 0.15 * k
            fittings.add(box([-0.02, -reach, low], [length + 0.02, 0.0, low + 0.15]), style.trim)
        low = ground + 0.4 + STOREY - 0.28
        fittings.add(box([-0.02, -0.07, low], [length + 0.02, 0.0, low + 0.16]), style.trim)
    if style.plinth is None:
        return
    holes = sorted((o.start - 0.14, o.stop + 0.14) for o in openings if is_door(o))
    edges = [0.0, *(edge for hole in holes for edge in hole), length]
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        if stop - start > 0.05:
            fittings.add(box([start, -0.06, ground - CELLAR], [stop, 0.0, ground + 0.5]), style.plinth)


def _balconies(
    fittings: Fittings, openings: list[Opening], ground: float, style: Style, rng: np.random.Generator, variety: Variety
) -> None:
    """Balconies before some of the windows above the ground floor: bars, panels or glass."""
    slab = Stuff(Material.CONCRETE, shade(style.trim.tint, 0.9), style.trim.texture_id)
    kind = int(rng.integers(3))
    if kind == 0:
        rail = Stuff(Material.METAL, one_of(rng, FENCES))
    elif kind == 1:
        rail = Stuff(Material.METAL, one_of(rng, ((214, 216, 214), (160, 60, 50), (110, 150, 170))))
    else:
        rail = Stuff(Material.WOOD, (226, 208, 180), variety.layer(rng, Texture.PLANKS))
    columns = sorted({round(o.middle, 3) for o in openings})
    chosen = {c for c in columns if rng.random() < 0.5}
    reach = rng.uniform(0.9, 1.4)
    for o in openings:
        if round(o.middle, 3) not in chosen or o.low < ground + STOREY:
            continue
        a, b, z = o.start - 0.35, o.stop + 0.35, o.low - 0.85
        fittings.add(box([a, -reach, z - 0.16], [b, 0.0, z]), slab)
        fittings.add(box([a, -reach, z + 1.0], [b, -reach + 0.05, z + 1.06]), rail)
        ends = [box([x, -reach, z + 1.0], [x + 0.05, 0.0, z + 1.06]) for x in (a, b - 0.05)]
        fittings.add(np.concatenate(ends), rail)
        if kind == 0:
            bars = [_bar(x, -reach + 0.025, z) for x in np.arange(a + 0.02, b, 0.18)]
            bars += [_bar(x, v, z) for x in (a + 0.025, b - 0.025) for v in np.arange(-reach + 0.16, -0.05, 0.2)]
            fittings.add(np.concatenate(bars), rail)
        else:
            fittings.add(box([a, -reach, z], [b, -reach + 0.03, z + 0.98]), rail)
            fittings.add(np.concatenate([box([x, -reach, z], [x + 0.03, 0.0, z + 0.98]) for x in (a, b - 0.03)]), rail)


def _bar(x: float, v: float, z: float) -> np.ndarray:
    """Two crossed strips: a thin bar."""
    a, b, c, d = x - 0.012, x + 0.012, v - 0.012, v + 0.012
    faces = [
        [[a, v, z], [b, v, z], [b, v, z + 1.0], [a, v, z + 1.0]],
        [[x, c, z], [x, d, z], [x, d, z + 1.0], [x, c, z + 1.0]],
    ]
    return quads(np.array(faces))


def _pipes(fittings: Fittings, ground: float, rng: np.random.Generator, is_front: bool) -> None:
    """A drain pipe at one end of the wall."""
    if rng.random() < (0.75 if is_front else 0.3):
        x = 0.18 if rng.random() < 0.5 else fittings.wall.length - 0.18
        zinc = Stuff(Material.METAL, one_of(rng, ((168, 172, 174), (92, 70, 58), (232, 232, 228))))
        fittings.add(rod((x, -0.1, ground - 0.3), (x, -0.1, fittings.wall.high - 0.05), 0.05, 6), zinc, True)


def _coolers(fittings: Fittings, openings: list[Opening], rng: np.random.Generator) -> None:
    """Air conditioners under some windows."""
    white = Stuff(Material.METAL, (226, 226, 220))
    for o in openings:
        if not o.is_unit and rng.random() < 0.22:
            fittings.add(box([o.middle - 0.4, -0.36, o.low - 0.75], [o.middle + 0.4, -0.04, o.low - 0.2]), white)
            dark = Stuff(Material.PLASTIC, (70, 72, 74))
            fittings.add(box([o.middle - 0.33, -0.37, o.low - 0.7], [o.middle + 0.1, -0.35, o.low - 0.25]), dark)


def _blank(fittings: Fittings, ground: float, rng: np.random.Generator, variety: Variety) -> Mesh:
    """A wall without windows: a billboard, posters, ivy or nothing."""
    wall, draw = fittings.wall, rng.random()
    if draw < 0.2 and wall.length > 5.0:
        width, height = rng.uniform(3.0, 4.5), rng.uniform(2.0, 2.8)
        start, low = rng.uniform(0.4, wall.length - width - 0.4), ground + rng.uniform(2.0, 3.2)
        frame_stuff = Stuff(Material.METAL, (90, 92, 94))
        outer = box([start - 0.1, -0.12, low - 0.1], [start + width + 0.1, 0.0, low + height + 0.1])
        fittings.add(outer, frame_stuff)
        poster = Stuff(Material.PAINT, (255, 255, 255), variety.layer(rng, Texture.POSTER))
        fittings.add_panel((start, start + width), (low, low + height), -0.13, poster)
    elif draw < 0.35:
        for _ in range(int(rng.integers(1, 5))):
            start, low = rng.uniform(0.3, wall.length - 1.2), ground + rng.uniform(0.7, 1.2)
            poster = Stuff(Material.PAINT, (246, 244, 238), variety.layer(rng, Texture.POSTER))
            fittings.add_panel((start, start + 0.84), (low, low + 1.19), -0.012, poster)
    elif draw < 0.5:
        return make_ivy(fittings.wall, ground, rng, variety)
    return surface(np.zeros((0, 3, 3)), Class.MANMADE, Material.PLASTER)
