"""What hangs on the walls of rooms: boards, pictures, clocks, radiators, extinguishers, signs."""

import numpy as np

from perception.world.geometry.mesh import box
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.shapes import Stuff, lathe
from perception.world.objects.walls import Fittings, Opening
from perception.world.variety import Variety

CORRIDOR_LIKE = ("corridor", "hall")


def hang(fittings: Fittings, openings: list[Opening], use: str, rng: np.random.Generator, variety: Variety) -> None:
    """Notice boards, pictures, white boards, clocks, radiators, extinguishers, switches, signs above doors."""
    wall = fittings.wall
    for o in openings:
        if o.low > 0.0 and o.high - o.low > 0.8:  # radiators below windows
            if rng.random() < 0.7 and o.low > 0.7:
                _radiator(fittings, o.start + 0.1, o.stop - 0.1)
        elif use in CORRIDOR_LIKE:
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
            at += _hanging(fittings, at, min(stop - 0.3 - at, 2.4), use, rng, variety) + rng.uniform(0.4, 2.2)


def _hanging(
    fittings: Fittings, start: float, room: float, use: str, rng: np.random.Generator, variety: Variety
) -> float:
    """One thing on a wall from `start` on; returns how wide it is."""
    draw = rng.random()
    if draw < 0.22 and room > 1.1:
        return _notices(fittings, start, room, use in ("meeting", "office", "lab"), rng, variety)
    if draw < 0.5:
        return _picture(fittings, start, room, rng, variety)
    if draw < 0.55 and use in CORRIDOR_LIKE:
        body = lathe([(0.08, 0.55), (0.08, 0.98), (0.03, 1.05), (0.03, 1.1)], 10) + np.array([start + 0.1, -0.1, 0.0])
        fittings.add(body, Stuff(Material.METAL, (200, 34, 30)), True)
        fittings.add(box([start, -0.006, 1.4], [start + 0.2, 0.0, 1.6]), Stuff(Material.SIGN, (200, 30, 28)))
        return 0.2
    if draw < 0.75:
        fittings.add(box([start, -0.012, 1.08], [start + 0.09, 0.0, 1.17]), Stuff(Material.PLASTIC, (240, 240, 236)))
        return 0.1
    if draw < 0.82:
        flat = lathe([(0.16, 0.0), (0.16, 0.03)], 16)[..., [0, 2, 1]] * [1.0, -1.0, 1.0]
        fittings.add(flat + np.array([start + 0.16, 0.0, 2.15]), Stuff(Material.PLASTIC, (240, 240, 238)))
        return 0.3
    if draw < 0.9 and room > 0.9:
        _radiator(fittings, start, start + min(room, 1.2))
        return 1.2
    return 0.3


def _notices(
    fittings: Fittings, start: float, room: float, is_white: bool, rng: np.random.Generator, variety: Variety
) -> float:
    """A white board, or a board of cork with sheets on it."""
    wide, tall = min(room, rng.uniform(1.1, 2.0)), rng.uniform(0.8, 1.1)
    cork = Stuff(Material.CLOTH, (196, 160, 116), variety.layer(rng, Texture.CLOTH))
    inner = Stuff(Material.PAINT, (246, 247, 248)) if is_white else cork
    _board(fittings, (start, start + wide), (1.05, 1.05 + tall), inner, rng)
    for k in range(0 if is_white else int(wide / 0.4)):
        poster = Stuff(Material.PAINT, (255, 255, 255), variety.layer(rng, Texture.POSTER))
        a, low = start + 0.12 + 0.4 * k, 1.15 + rng.uniform(0.0, tall - 0.55)
        fittings.add_panel((a, a + 0.21), (low, low + 0.297), -0.034, poster)
    return wide


def _picture(fittings: Fittings, start: float, room: float, rng: np.random.Generator, variety: Variety) -> float:
    """A picture in a frame."""
    wide = min(room, rng.uniform(0.4, 0.85))
    tall = wide * rng.uniform(0.8, 1.42)
    low = 1.55 - 0.5 * tall
    rim = Stuff(Material.WOOD, one_of(rng, ((40, 40, 42), (230, 228, 222), (140, 100, 66))))
    fittings.add(box([start - 0.03, -0.025, low - 0.03], [start + wide + 0.03, 0.0, low + tall + 0.03]), rim)
    poster = Stuff(Material.PAINT, (255, 255, 255), variety.layer(rng, Texture.POSTER))
    fittings.add_panel((start, start + wide), (low, low + tall), -0.028, poster)
    return wide


def _board(
    fittings: Fittings, along: tuple[float, float], up: tuple[float, float], inner: Stuff, rng: np.random.Generator
) -> None:
    rim = Stuff(Material.METAL, one_of(rng, ((190, 192, 194), (90, 92, 96), (150, 110, 70))))
    fittings.add(box([along[0] - 0.03, -0.03, up[0] - 0.03], [along[1] + 0.03, 0.0, up[1] + 0.03]), rim)
    fittings.add(box([along[0], -0.032, up[0]], [along[1], -0.03, up[1]]), inner)


def _radiator(fittings: Fittings, start: float, stop: float) -> None:
    """A ribbed radiator."""
    white = Stuff(Material.METAL, (242, 242, 238))
    ribs = [box([a, -0.12, 0.14], [a + 0.045, -0.03, 0.68]) for a in np.arange(start, stop, 0.09)]
    fittings.add(np.concatenate(ribs), white)
    fittings.add(box([start, -0.1, 0.2], [stop, -0.06, 0.24]), white)
    fittings.add(box([start, -0.1, 0.58], [stop, -0.06, 0.62]), white)
