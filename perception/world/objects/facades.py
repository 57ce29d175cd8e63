"""Fronts of buildings: families of styles, where windows and doors go, and what is fixed around them."""

from dataclasses import dataclass, replace

import numpy as np

from perception.world.geometry.mesh import Look, box, quads
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.shapes import Stuff, Tint, shade
from perception.world.objects.walls import Fittings, Opening
from perception.world.variety import Variety

STOREY = 3.1  # m
GROUND_FLOOR = 0.4  # m above the ground at the middle of a house
FRAME_DEPTH = 0.05  # m
FULL_DETAIL = 9.5  # m above the foot of the wall, up to which windows have frames in the round
DOOR_HALF = 0.55  # m

PLASTERS: tuple[Tint, ...] = (
    (238, 226, 198), (232, 206, 158), (222, 178, 138), (236, 232, 224), (208, 214, 206), (200, 160, 140),
    (226, 214, 170), (186, 204, 214), (214, 190, 186), (196, 206, 168),
)  # fmt: skip
BRICKS: tuple[Tint, ...] = ((255, 255, 255), (255, 236, 220), (236, 226, 222), (255, 222, 200), (214, 208, 206))
STONES: tuple[Tint, ...] = ((255, 250, 236), (236, 226, 206), (220, 220, 222), (246, 228, 204))
GRAYS: tuple[Tint, ...] = ((236, 236, 234), (210, 212, 214), (246, 240, 228), (190, 196, 200))
PLANK_TINTS: tuple[Tint, ...] = ((236, 240, 244), (168, 72, 60), (120, 150, 168), (226, 206, 150), (110, 130, 104))
SHEETS: tuple[Tint, ...] = ((150, 176, 196), (206, 210, 212), (168, 120, 96), (132, 156, 132), (226, 214, 184))
FRAMES: tuple[Tint, ...] = ((246, 246, 242), (236, 230, 214), (92, 66, 48), (52, 56, 60), (60, 84, 70), (150, 110, 76))
SHUTTERS: tuple[Tint, ...] = (
    (70, 104, 84),
    (66, 84, 112),
    (126, 66, 52),
    (110, 90, 70),
    (176, 182, 180),
    (88, 122, 130),
)
AWNINGS: tuple[Tint, ...] = (
    (214, 60, 52),
    (52, 110, 160),
    (66, 130, 84),
    (236, 190, 80),
    (240, 236, 226),
    (120, 60, 70),
)


@dataclass(frozen=True, slots=True)
class Family:
    """What fronts of one style have in common. Ranges are in m, chances from 0 to 1."""

    walls: tuple[tuple[Texture, Material, tuple[Tint, ...]], ...]
    storeys: tuple[int, ...]
    bay: tuple[float, float]
    width: tuple[float, float]  # of windows, as a share of the bay
    height: tuple[float, float]  # of windows
    depth: tuple[float, float]  # of the recesses
    bars: tuple[tuple[int, int], ...]  # panes across and up
    shop: float = 0.4
    shutters: float = 0.0
    balconies: float = 0.2
    surround: float = 0.3  # a raised band around windows
    cornice: float = 0.4
    plinth: float = 0.5
    roofs: tuple[float, ...] = (0.5, 0.3, 0.3, 0.1, 0.2, 0.2)  # weights of `roofs.ROOFS`


_PLASTER = (Texture.PLASTER, Material.PLASTER, PLASTERS)
_BRICK = (Texture.BRICK, Material.BRICK, BRICKS)
_STONE = (Texture.STONE, Material.STONE, STONES)
_CONCRETE = (Texture.CONCRETE, Material.CONCRETE, GRAYS)
_PLANKS = (Texture.PLANKS, Material.WOOD, PLANK_TINTS)
_SHEET = (Texture.CORRUGATED, Material.METAL, SHEETS)
_TILES = (Texture.TILE, Material.STONE, GRAYS)

FAMILIES: tuple[Family, ...] = (  # the last quarter is held out for evaluation
    Family((_PLASTER,), (2, 3, 3, 4), (2.3, 3.1), (0.36, 0.48), (1.4, 1.8), (0.1, 0.22), ((2, 1), (2, 2)),
           shop=0.45, shutters=0.5, balconies=0.25, surround=0.5, cornice=0.7, plinth=0.7),
    Family((_BRICK,), (2, 3, 3, 4, 5), (2.2, 2.9), (0.4, 0.5), (1.3, 1.7), (0.12, 0.2), ((1, 2), (2, 2), (2, 3)),
           balconies=0.1, surround=0.6, cornice=0.5, plinth=0.3),
    Family((_CONCRETE, _PLASTER), (3, 4, 5, 6), (2.8, 3.6), (0.5, 0.72), (1.3, 1.6), (0.08, 0.25),
           ((2, 1), (1, 1), (3, 1)), balconies=0.6, surround=0.1, cornice=0.2, plinth=0.2,
           roofs=(0.1, 0.8, 0.0, 0.1, 0.5, 0.1)),
    Family((_STONE,), (3, 3, 4), (2.5, 3.2), (0.38, 0.46), (1.7, 2.1), (0.2, 0.4), ((2, 2), (2, 3)),
           shop=0.5, shutters=0.1, balconies=0.25, surround=0.9, cornice=1.0, plinth=0.9,
           roofs=(0.2, 0.3, 0.4, 0.0, 0.6, 0.1)),
    Family((_PLANKS, _PLASTER), (1, 2, 2), (2.2, 3.0), (0.4, 0.5), (1.1, 1.4), (0.06, 0.12), ((2, 2), (2, 3), (1, 2)),
           shop=0.15, shutters=0.5, balconies=0.15, surround=0.7, cornice=0.1,
           roofs=(0.8, 0.0, 0.3, 0.2, 0.2, 0.6)),
    Family((_TILES, _CONCRETE), (4, 5, 6), (2.6, 3.4), (0.82, 0.94), (1.8, 2.3), (0.05, 0.1), ((2, 1), (3, 1), (3, 2)),
           shop=0.7, balconies=0.0, surround=0.0, cornice=0.3, plinth=0.2, roofs=(0.0, 1.0, 0.0, 0.0, 1.0, 0.0)),
    Family((_SHEET, _BRICK), (1, 2, 3), (3.2, 4.4), (0.6, 0.85), (1.0, 1.4), (0.06, 0.12), ((3, 1), (4, 2)),
           shop=0.2, balconies=0.0, surround=0.0, cornice=0.2, plinth=0.6, roofs=(0.3, 0.4, 0.0, 0.5, 0.2, 0.4)),
    Family((_PLASTER, _BRICK), (2, 3), (1.9, 2.5), (0.42, 0.55), (1.1, 1.4), (0.06, 0.14), ((3, 2), (2, 4)),
           shop=0.35, shutters=0.6, balconies=0.1, surround=0.8, cornice=0.3, plinth=0.7,
           roofs=(0.8, 0.0, 0.2, 0.0, 0.3, 0.7)),
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Style:
    """One building's choice among what its family has."""

    wall: Stuff
    side: Stuff  # of the walls that do not face the street
    trim: Stuff  # surrounds, sills, cornices
    plinth: Stuff | None
    frame: Stuff
    shutter: Stuff | None
    glass: tuple[int, ...]  # looks of the panes
    bay: float
    size: tuple[float, float]  # of windows
    depth: float
    panes: tuple[int, int]
    has_shop: bool
    has_balconies: bool
    has_surround: bool
    has_cornice: bool
    family: Family


def draw_style(rng: np.random.Generator, variety: Variety) -> Style:
    """A style by lot."""
    family = variety.choose(rng, FAMILIES)
    texture, material, tints = family.walls[int(rng.integers(len(family.walls)))]
    wall = Stuff(material, one_of(rng, tints, 0.04), variety.layer(rng, texture))
    side = (
        wall
        if rng.random() < 0.6
        else Stuff(Material.PLASTER, one_of(rng, PLASTERS), variety.layer(rng, Texture.PLASTER))
    )
    stone = variety.layer(rng, Texture.CONCRETE)
    trim = Stuff(Material.STONE, one_of(rng, (*STONES, (250, 250, 248)), 0.03), stone)
    plinth = Stuff(Material.STONE, one_of(rng, GRAYS), variety.layer(rng, Texture.STONE))
    bay = rng.uniform(*family.bay)
    shutter = Stuff(Material.WOOD, one_of(rng, SHUTTERS), variety.layer(rng, Texture.PLANKS))
    return Style(
        wall,
        side,
        trim,
        plinth if rng.random() < family.plinth else None,
        Stuff(Material.PAINT, one_of(rng, FRAMES, 0.03)),
        shutter if rng.random() < family.shutters and family.width[1] < 0.6 else None,
        tuple(variety.layer(rng, texture) for texture in (Texture.GLASS, Texture.GLASS, Texture.CURTAIN)),
        bay,
        (bay * rng.uniform(*family.width), rng.uniform(*family.height)),
        rng.uniform(*family.depth),
        family.bars[int(rng.integers(len(family.bars)))],
        bool(rng.random() < family.shop),
        bool(rng.random() < family.balconies),
        bool(rng.random() < family.surround),
        bool(rng.random() < family.cornice),
        family,
    )


def lay_windows(
    length: float,
    ground: float,
    num_storeys: int,
    style: Style,
    rng: np.random.Generator,
    variety: Variety,
    has_door: bool,
) -> list[Opening]:
    """Windows in rows, storey by storey; on the ground floor of a front a door and perhaps shop windows or a garage."""
    count = int((length - 1.0) / style.bay)
    margin = 0.5 * (length - count * style.bay)
    door = int(rng.integers(0, max(count, 1)))
    out = []
    for storey in range(num_storeys):
        floor = ground + GROUND_FLOOR + STOREY * storey
        for k in range(count):
            middle = margin + (k + 0.5) * style.bay
            if storey == 0 and has_door and k == door:
                out.append(_door(middle, floor, rng, variety))
            elif storey == 0 and has_door and style.has_shop:
                out.append(_shop(middle, floor, style, rng, variety))
            else:
                out.append(_window(middle, floor, style, rng, storey))
    return out


def _window(middle: float, floor: float, style: Style, rng: np.random.Generator, storey: int) -> Opening:
    width, height = style.size
    low = floor + (0.9 if height < 1.9 else 0.55)
    height = min(height, STOREY - 0.35 - (low - floor))
    look = style.glass[int(rng.choice(len(style.glass), p=(0.45, 0.35, 0.2)))]
    tone = int(rng.integers(190, 256))
    return Opening(
        middle - 0.5 * width, middle + 0.5 * width, low, low + height, style.depth + FRAME_DEPTH, Material.GLASS,
        Look(look, (tone, tone, tone)),
    )  # fmt: skip


def _door(middle: float, floor: float, rng: np.random.Generator, variety: Variety) -> Opening:
    tint = one_of(rng, ((255, 255, 255), (230, 220, 205), (190, 205, 220), (214, 190, 160)))
    look = Look(variety.layer(rng, Texture.DOOR), tint)
    return Opening(
        middle - DOOR_HALF, middle + DOOR_HALF, floor - GROUND_FLOOR, floor + 2.1, 0.35, Material.WOOD, look, True
    )


def _shop(middle: float, floor: float, style: Style, rng: np.random.Generator, variety: Variety) -> Opening:
    half, look = 0.43 * style.bay, Look(variety.layer(rng, Texture.SHOP))
    return Opening(middle - half, middle + half, floor + 0.15, floor + 2.45, 0.2, Material.GLASS, look, True)


def is_shop(opening: Opening) -> bool:
    """True for a shop window."""
    return opening.is_unit and opening.fill == Material.GLASS


def is_door(opening: Opening) -> bool:
    """True for the door of a house."""
    return opening.is_unit and opening.fill == Material.WOOD


def dress(
    fittings: Fittings, openings: list[Opening], style: Style, rng: np.random.Generator, variety: Variety
) -> None:
    """Frames, bars, sills, surrounds, shutters, awnings and steps: the front of a building."""
    cloth = Stuff(Material.CLOTH, one_of(rng, AWNINGS), variety.layer(rng, Texture.PATTERN))
    band = Stuff(Material.PAINT, one_of(rng, AWNINGS))
    has_awnings = rng.random() < 0.6
    for o in openings:
        if is_door(o):
            _entrance(fittings, o, style, rng)
        elif is_shop(o):
            frame(fittings, o, style.frame, (2, 1))
            fittings.add(box([o.start - 0.1, -0.12, o.high + 0.12], [o.stop + 0.1, 0.0, o.high + 0.62]), band)
            if has_awnings:
                _awning(fittings, o, cloth)
        else:
            _trimmed(fittings, o, style)


def _trimmed(fittings: Fittings, o: Opening, style: Style) -> None:
    """A window with its frame, sill, surround and shutters; high up only what can be told apart from the street."""
    if o.low - fittings.wall.low > FULL_DETAIL:
        flat_frame(fittings, o, style.frame)
    else:
        frame(fittings, o, style.frame, style.panes)
    fittings.add(_fronts(box([o.start - 0.08, -0.12, o.low - 0.07], [o.stop + 0.08, 0.0, o.low])), style.trim)
    if style.has_surround:
        w = 0.13
        fittings.add(_band(o.start - w, o.start, o.low, o.high), style.trim)
        fittings.add(_band(o.stop, o.stop + w, o.low, o.high), style.trim)
        fittings.add(
            _fronts(box([o.start - w - 0.04, -0.05, o.high], [o.stop + w + 0.04, 0.0, o.high + 0.2])), style.trim
        )
    if style.shutter is not None:
        wide = min(0.5 * (o.stop - o.start), 0.46 * (style.bay - (o.stop - o.start)))
        gap = 0.15 if style.has_surround else 0.02
        for a in (o.start - gap - wide, o.stop + gap):
            fittings.add(_fronts(box([a, -0.05, o.low], [a + wide, 0.0, o.high])), style.shutter)


def _band(a: float, b: float, c: float, d: float, out: float = 0.035) -> np.ndarray:
    """An upright strip that stands out of the wall: its front and its two cheeks."""
    return quads(np.array([_face(a, b, c, d, -out), _cheek(a, c, d, -out, 0.0, -1), _cheek(b, c, d, -out, 0.0, 1)]))


def flat_frame(fittings: Fittings, o: Opening, stuff: Stuff, width: float = 0.06) -> None:
    """The frame of a window that is seen from afar only."""
    v, a, b, c, d = o.depth - 0.01, o.start, o.stop, o.low, o.high
    middle = 0.5 * (a + b)
    faces = [_face(a, b, c, c + width, v), _face(a, b, d - width, d, v), _face(a, a + width, c, d, v)]
    faces += [_face(b - width, b, c, d, v), _face(middle - 0.5 * width, middle + 0.5 * width, c, d, v)]
    fittings.add(quads(np.array(faces)), stuff)


def frame(fittings: Fittings, o: Opening, stuff: Stuff, panes: tuple[int, int], width: float = 0.06) -> None:
    """A frame with glazing bars before the back of an opening."""
    front, back = o.depth - FRAME_DEPTH, o.depth
    a, b, c, d = o.start, o.stop, o.low, o.high
    p, q, r, s = a + width, b - width, c + width, d - width
    faces = [_face(a, b, c, r, front), _face(a, b, s, d, front), _face(a, p, r, s, front), _face(q, b, r, s, front)]
    faces += [_cheek(p, r, s, front, back, 1), _cheek(q, r, s, front, back, -1)]
    faces += [_ledge(p, q, r, front, back, 1), _ledge(p, q, s, front, back, -1)]
    thin = 0.3 * width
    for k in range(1, panes[0]):
        x = a + (b - a) * k / panes[0]
        faces.append(_face(x - thin, x + thin, r, s, front))
        faces += [_cheek(x - thin, r, s, front, back, -1), _cheek(x + thin, r, s, front, back, 1)]
    for k in range(1, panes[1]):
        z = c + (d - c) * k / panes[1]
        faces.append(_face(p, q, z - thin, z + thin, front))
        faces += [_ledge(p, q, z - thin, front, back, -1), _ledge(p, q, z + thin, front, back, 1)]
    fittings.add(quads(np.array(faces)), stuff)


def _face(a: float, b: float, c: float, d: float, v: float) -> list[list[float]]:
    """A rectangle parallel to the wall, seen from outside."""
    return [[a, v, c], [b, v, c], [b, v, d], [a, v, d]]


def _cheek(x: float, c: float, d: float, front: float, back: float, sign: int) -> list[list[float]]:
    """An upright rectangle across the wall that faces along it (1) or against it (-1)."""
    corners = [[x, front, c], [x, back, c], [x, back, d], [x, front, d]]
    return corners if sign > 0 else corners[::-1]


def _ledge(a: float, b: float, z: float, front: float, back: float, sign: int) -> list[list[float]]:
    """A level rectangle that faces up (1) or down (-1)."""
    corners = [[a, front, z], [b, front, z], [b, back, z], [a, back, z]]
    return corners if sign > 0 else corners[::-1]


def _fronts(boxes: np.ndarray) -> np.ndarray:
    """Boxes (12 N, 3, 3) on a wall without the faces at their backs."""
    return np.delete(np.asarray(boxes).reshape(-1, 12, 3, 3), [6, 7], axis=1).reshape(-1, 3, 3)


def _entrance(fittings: Fittings, o: Opening, style: Style, rng: np.random.Generator) -> None:
    """The frame of a door, its step, a canopy at times, a number beside it."""
    for a in (o.start - 0.12, o.stop):
        fittings.add(box([a, -0.04, o.low], [a + 0.12, 0.1, o.high]), style.trim)
    fittings.add(box([o.start - 0.12, -0.05, o.high], [o.stop + 0.12, 0.1, o.high + 0.2]), style.trim)
    step = replace(style.trim, tint=shade(style.trim.tint, 0.8))
    for k in range(2):
        reach = 0.34 - 0.17 * k
        fittings.add(box([o.start - 0.2, -reach, o.low - 0.4], [o.stop + 0.2, 0.3, o.low + 0.15 * (k + 1) - 0.1]), step)
    if rng.random() < 0.4:
        canopy = box([o.start - 0.35, -0.9, o.high + 0.25], [o.stop + 0.35, 0.0, o.high + 0.33])
        fittings.add(canopy, Stuff(Material.METAL, (96, 98, 100)))
    number = Stuff(Material.METAL, one_of(rng, ((40, 66, 120), (240, 240, 236), (60, 60, 62))))
    fittings.add(box([o.stop + 0.22, -0.02, o.low + 1.9], [o.stop + 0.42, 0.0, o.low + 2.1]), number)


def _awning(fittings: Fittings, o: Opening, cloth: Stuff) -> None:
    """A slanting piece of cloth over a shop window with a valance."""
    a, b, top, reach = o.start - 0.12, o.stop + 0.12, o.high + 0.12, 1.15
    corners = np.array([[a, 0.0, top], [a, -reach, top - 0.45], [b, -reach, top - 0.45], [b, 0.0, top]])
    low = corners[1:3] - [0.0, 0.0, 0.22]
    sides = [corners[[0, 1]][:, :], corners[[3, 2]][:, :]]
    faces = [corners[[0, 1, 2]], corners[[0, 2, 3]]]
    faces += [np.array([corners[1], low[0], low[1]]), np.array([corners[1], low[1], corners[2]])]
    faces += [np.array([side[0], side[1], [side[0][0], 0.0, top - 0.45]]) for side in sides]
    fittings.add(np.array(faces), cloth)
