"""Buses: city buses, coaches, minibuses and double-deckers, with rows of windows, doors and a destination sign."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material, Texture
from perception.world.objects.coachwork import Shell, add_axles, add_shell, arch, arch_stations, end_panel, side_panels
from perception.world.objects.colours import BLACK, BRIGHT, DARK, RED_LAMP, WHITE_LAMP, any_tint, one_of, pane, plate
from perception.world.objects.shapes import (
    UNIT_UVS,
    Parts,
    Stuff,
    beam,
    both_sides,
    panel,
    rounded_box,
    shade,
    switched_off,
)
from perception.world.variety import TRAINING, Variety

SIGN_AMBER = Stuff(Material.LAMP, (250, 190, 60))
PILLAR = 0.09  # m between windows
POSTER_SHARE = 0.4  # of the buses carry one


@dataclass(frozen=True, slots=True)
class BusKind:
    """Measures (m) of a kind of bus."""

    length: float
    width: float
    height: float
    floor: float  # height of the lower edge
    sill: float  # height of the windows' lower edge
    lintel: float  # height of their upper edge
    axles: tuple[float, float]  # shares of the length
    wheel: float = 0.48
    window: float = 1.45  # m, length of one
    doors: tuple[float, ...] = (0.4, 0.02)  # shares of the length, on the right
    slope: float = 0.08  # m by which the windscreen leans back
    upper: tuple[float, float] | None = None  # windows of an upper deck


BUSES: tuple[BusKind, ...] = (
    BusKind(11.5, 2.5, 3.0, 0.3, 1.05, 2.45, (-0.22, 0.27)),
    BusKind(12.0, 2.55, 3.6, 0.35, 1.75, 3.1, (-0.24, 0.3), doors=(0.42,), slope=0.3, window=1.7),
    BusKind(7.0, 2.1, 2.75, 0.35, 1.2, 2.3, (-0.27, 0.3), wheel=0.38, window=1.1, doors=(0.22,), slope=0.5),
    BusKind(9.0, 2.4, 3.0, 0.3, 0.95, 2.4, (-0.26, 0.29), wheel=0.44, window=1.9, doors=(0.4, -0.06), slope=0.2),
    BusKind(10.5, 2.5, 4.2, 0.3, 1.1, 2.1, (-0.24, 0.27), upper=(2.65, 3.7), doors=(0.41, 0.0), slope=0.15),
)


def make_bus(rng: np.random.Generator, variety: Variety = TRAINING, is_lit: bool = False) -> Mesh:
    """A bus of random kind and colours, 1000 to 1300 triangles, `Class.BUS`: x ahead, origin below the middle.

    `is_lit`: its lamps are on, as of one that drives.
    """
    is_free = variety.is_free(rng)
    kind = _free_kind(rng) if is_free else variety.choose(rng, BUSES, (3.0, 1.5, 1.0, 1.0, 1.0))
    parts, glass = Parts(Class.BUS), pane(rng, variety, (84, 92, 98))
    lower = Stuff(Material.PAINT, one_of(rng, BRIGHT))
    upper = lower if rng.random() < 0.5 else Stuff(Material.PAINT, one_of(rng, ((238, 238, 234), *BRIGHT)))
    roof = upper if rng.random() < 0.6 else Stuff(Material.PAINT, (232, 232, 228))
    places = _places(kind)
    sections = np.array([_section(kind, x) for x in places])
    shell = _shell(kind, places, sections, (lower, upper, roof, glass))
    add_shell(parts, _in_bands(shell, rng) if is_free else shell)
    half = 0.5 * kind.width
    add_axles(parts, [f * kind.length for f in kind.axles], half - 0.03, kind.wheel, 0.3)
    _add_doors(parts, kind, glass)
    _add_trim(parts, kind, plate(rng, variety), roof)
    if rng.random() < POSTER_SHARE and kind.upper is None:
        poster = Stuff(Material.PAINT, texture_id=variety.layer(rng, Texture.POSTER))
        z = (kind.floor + 0.25, kind.sill - 0.08)
        x = (kind.axles[0] * kind.length + 0.75, kind.axles[0] * kind.length + 2.2)
        parts.add(side_panels(*x, *z, half)[:2], poster, uvs=UNIT_UVS)
    return parts.mesh() if is_lit else switched_off(parts.mesh())


def _free_kind(rng: np.random.Generator) -> BusKind:
    """Measures of a bus of one deck that nobody builds, but might."""
    length, floor = rng.uniform(5.8, 13.5), rng.uniform(0.25, 0.45)
    sill = floor + rng.uniform(0.55, 1.5)
    lintel = sill + rng.uniform(0.65, 1.35)
    doors = tuple(
        np.array((0.41, rng.uniform(-0.1, 0.1), rng.uniform(-0.42, -0.36)))[: int(rng.integers(1, 4))].tolist()
    )
    return BusKind(
        length,
        rng.uniform(2.0, 2.6),
        lintel + rng.uniform(0.25, 0.9),
        floor,
        sill,
        lintel,
        (-rng.uniform(0.2, 0.3), rng.uniform(0.24, 0.32)),
        wheel=rng.uniform(0.36, 0.52),
        window=rng.uniform(0.8, 2.6),
        doors=doors,
        slope=rng.uniform(0.0, 0.7),
    )


def _in_bands(shell: Shell, rng: np.random.Generator) -> Shell:
    """The body in one to four colours that change along it or with the height; ends of another make."""
    tints = [one_of(rng, BRIGHT) if rng.random() < 0.5 else any_tint(rng) for _ in range(4)]
    bands = [Stuff(Material.PAINT, tint) for tint in tints]
    count, is_along = int(rng.integers(1, 5)), rng.random() < 0.4
    pieces = max(1, len(shell.sections) // count)
    lamp, sign = int(rng.integers(2)), rng.random() < 0.6

    def painted(stuff: Stuff, k: int, row: int) -> Stuff:
        if stuff.material != Material.PAINT:
            return stuff
        return bands[(k // pieces if is_along else row) % count]

    def end(make: Callable[[int, int], Stuff], k: int) -> Callable[[int, int], Stuff]:
        def of(row: int, column: int) -> Stuff:
            stuff = make(row, column)
            if stuff.material == Material.LAMP and (row + lamp) % 2 == 0 and not sign:
                return bands[row % count]
            return painted(stuff, k, row)

        return of

    return Shell(
        shell.sections,
        lambda k, row: painted(shell.side(k, row), k, row),
        lambda k: painted(shell.top(k), k, shell.sections.shape[1] - 2),
        end(shell.front, len(shell.sections) - 2),
        end(shell.rear, 0),
        float(rng.uniform(0.4, 0.85)),
    )


def _places(kind: BusKind) -> list[float]:
    """Sections at the ends, at the wheel arches and at both edges of each pillar between two windows."""
    half = 0.5 * kind.length
    count = round((kind.length - 1.4) / kind.window)
    pillars = np.linspace(0.5 - half, half - 0.9, count + 1)
    out = [-half, 0.12 - half, half - 0.25, half, *arch_stations([f * kind.length for f in kind.axles], kind.wheel)]
    out += [x + side * 0.5 * PILLAR for x in pillars for side in (-1.0, 1.0)]
    out.sort()
    return [x for k, x in enumerate(out) if k == 0 or x - out[k - 1] > 1e-3]


def _section(kind: BusKind, x: float) -> np.ndarray:
    """The left half of a section: floor, skirt, sill, lintel, (a second row of windows,) edge of the roof."""
    half, end = 0.5 * kind.width, 0.5 * kind.length
    low = max(kind.floor, arch(x, [f * kind.length for f in kind.axles], kind.wheel))
    skirt = max(kind.floor + 0.3, low + 0.02)
    is_front, is_end = x > end - 0.01, abs(x) > end - 0.01
    sill = max(kind.sill, skirt + 0.02) if not is_front else kind.floor + 0.55
    rows = [(half - 0.02, low), (half, skirt), (half, sill), (0.985 * half, kind.lintel)]
    if kind.upper is not None:
        rows += [(0.98 * half, kind.upper[0]), (0.965 * half, kind.upper[1])]
    rows.append((0.88 * half, kind.height))
    y, z = np.array(rows).T
    lean = np.zeros(len(rows))
    if is_end:
        y = y - 0.12
        share = np.clip((z - kind.floor - 0.5) / (kind.height - kind.floor - 0.5), 0.0, 1.0)
        lean = -np.sign(x) * (share * (kind.slope if x > 0 else 0.08) + 0.06 * (z < kind.floor + 0.2))
    return np.column_stack([x + lean, y, z])


def _shell(kind: BusKind, places: list[float], sections: np.ndarray, stuffs: tuple[Stuff, ...]) -> Shell:
    """Which faces are glass, lamps, the lower and the upper colour."""
    lower, upper, roof, glass = stuffs
    top_row = sections.shape[1] - 2
    glazed = {2} if kind.upper is None else {2, 4}
    half = 0.5 * kind.length

    def side(k: int, row: int) -> Stuff:
        middle, width = 0.5 * (places[k] + places[k + 1]), places[k + 1] - places[k]
        if row in glazed:
            is_pillar = abs(width - PILLAR) < 1e-3 or middle < 0.45 - half or middle > half - 0.2
            return BLACK if is_pillar and abs(middle) < half - 0.3 else (upper if is_pillar and middle < 0 else glass)
        if row == 0:
            return shade_stuff(lower, 0.7)
        return lower if row == 1 else upper

    def front(row: int, column: int) -> Stuff:
        if row == 0:
            return DARK
        if row == 1:
            return WHITE_LAMP if column != 1 else lower
        if row in glazed:
            return glass
        return (SIGN_AMBER if column == 1 else BLACK) if row == top_row else upper

    def rear(row: int, column: int) -> Stuff:
        if row == 1 and column != 1:
            return RED_LAMP
        if row in glazed and column == 1:
            return glass
        return DARK if row == 0 else (lower if row < 2 else upper)

    return Shell(sections, side, lambda k: roof, front, rear, 0.66)


def shade_stuff(stuff: Stuff, factor: float) -> Stuff:
    """The same stuff, darker or lighter."""
    return Stuff(stuff.material, shade(stuff.tint, factor), stuff.texture_id)


def _add_doors(parts: Parts, kind: BusKind, glass: Stuff) -> None:
    """Double doors on the right side."""
    y = -0.5 * kind.width - 0.02
    for share in kind.doors:
        for k in (-1.0, 0.0):
            a = share * kind.length + 0.62 * k
            low, high = kind.floor + 0.05, kind.floor + 2.1
            frame = [(a, y, low), (a + 0.6, y, low), (a + 0.6, y, high), (a, y, high)]
            parts.add(panel(frame), BLACK)
            inner = [
                (a + 0.07, y - 0.01, low + 0.1),
                (a + 0.53, y - 0.01, low + 0.1),
                (a + 0.53, y - 0.01, high - 0.1),
                (a + 0.07, y - 0.01, high - 0.1),
            ]
            parts.add(panel(inner), glass)


def _add_trim(parts: Parts, kind: BusKind, plates: Stuff, roof: Stuff) -> None:
    """Mirrors, plates, a unit on the roof."""
    half, end = 0.5 * kind.width, 0.5 * kind.length
    z = min(kind.lintel, 2.5)
    arm = beam((end - 0.25, half - 0.1, z), (end + 0.18, half + 0.12, z - 0.02), 0.05, 0.05)
    glass = rounded_box((end + 0.13, half + 0.02, z - 0.5), (end + 0.22, half + 0.22, z), 0.03)
    parts.add(both_sides(np.concatenate([arm, glass])), BLACK)
    parts.add(end_panel(end + 0.01, 0.26, kind.floor + 0.1, kind.floor + 0.215), plates, uvs=UNIT_UVS)
    parts.add(end_panel(-end - 0.02, 0.26, kind.floor + 0.34, kind.floor + 0.455), plates, uvs=UNIT_UVS)
    if kind.upper is None:
        parts.add(
            rounded_box(
                (-0.2 * kind.length, -0.7, kind.height - 0.02), (-0.02 * kind.length, 0.7, kind.height + 0.2), 0.08
            ),
            roof,
        )
