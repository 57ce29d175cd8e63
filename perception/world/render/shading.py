"""Light on every pixel, in linear light: sun, sky, ground, lamps, mirrored sky, what shines by itself, haze."""

import math
from typing import NamedTuple

import numba
import numpy as np

from perception.world.materials import VARIANTS, Material, Texture
from perception.world.render.ambient import Ambient, gather_all
from perception.world.render.fragments import collect, locate
from perception.world.render.hashing import hash01
from perception.world.render.light import Light
from perception.world.render.loose import LOOSE
from perception.world.render.shadows import ShadowMap, sunlit_all
from perception.world.render.sky import SUN_RADIUS, Sky, radiance
from perception.world.render.surfaces import Surfaces
from perception.world.render.texels import Texels, linear, sample_all

BRIGHTEST = 6.0  # a fragment is not brighter: highlights do not eat the edges of what is before them
MATTE, GLOSS_SLOPE = 0.22, 1.8  # gloss up to which nothing is mirrored, and how fast it comes above that
F0_WATER, DAMP = 0.03, 0.10  # reflectance of water; share of it that is mirrored where no water stands

# Per material: reflectance at right angles, gloss added to that of the texture, metal share, light let through.
_SHINE = {
    Material.ASPHALT: (0.03, -0.05, 0.0, 0.0),
    Material.GLASS: (0.13, 0.75, 0.0, 0.0),
    Material.METAL: (0.30, 0.15, 0.6, 0.0),
    Material.LEAF: (0.03, 0.0, 0.0, 0.55),
    Material.PAINT: (0.045, 0.45, 0.0, 0.0),
    Material.SIGN: (0.04, 0.1, 0.0, 0.0),
    Material.PLASTIC: (0.04, 0.15, 0.0, 0.0),
    Material.LAMP: (0.05, 0.5, 0.0, 0.0),
}
SHINE = np.array([_SHINE.get(material, (0.03, 0.0, 0.0, 0.0)) for material in Material], dtype=np.float32)
LET_THROUGH = np.ascontiguousarray(SHINE[:, 3])
GETS_WET = np.array(
    [m in (Material.ASPHALT, Material.CONCRETE, Material.STONE, Material.SOIL) for m in Material], dtype=np.bool_
)
_GLASS, _LAMP = int(Material.GLASS), int(Material.LAMP)
_SHOP = int(Texture.SHOP)
_SRGB = np.arange(256) / 255.0
TO_LINEAR = np.where(_SRGB <= 0.04045, _SRGB / 12.92, ((_SRGB + 0.055) / 1.055) ** 2.4).astype(np.float32)
LIT_WINDOWS = 0.38  # share of the panes at night


class Stage(NamedTuple):
    """All that lights the pixels of one frame."""

    surfaces: Surfaces
    texels: Texels
    sky: Sky
    light: Light
    ambient: Ambient
    still: ShadowMap
    moving: ShadowMap
    spots: np.ndarray  # (S, 8) float32: place, unit direction, brightness at 1 m, cosine of the half angle


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def shade_pixels(stage, view, rows, depth, samples, occlusion, room, out, water):
    """Fill `out` (H, W, 3) float32, linear, from rows and depths (H, W, 5) of the samples of each pixel.

    `samples` (5, 2) float32: offsets from the middle (px); `occlusion` (H, W) float32: share of the light of the sky
    that corners and contacts leave; `room`: for the fragments of one image row; `water` (H, W, 2): see `light_all`.
    """
    surfaces, rays = stage.surfaces, view.rays
    out[:] = 0.0
    water[:] = 0.0
    for y in range(out.shape[0]):
        count = collect(rows[y], depth[y], samples, rays[y], rays[y + 1], surfaces.groups, room)
        locate(count, rays[y], rays[y + 1], view, surfaces, room)
        sample_all(stage.texels, count, room.row, surfaces.looks, room.uv, room.color)
        sunlit_all(
            stage.still, stage.moving, stage.light.sun, count, room.row, room.column, y, surfaces.looks, LET_THROUGH,
            room.point, room.normal, room.lit,
        )  # fmt: skip
        gather_all(stage.ambient, count, room.row, room.point, room.normal, room.towards, room.ambient)
        light_all(stage, count, room, occlusion[y], out[y], water[y])


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def light_all(stage, count, room, occlusion, out, water):
    """Add the radiance of the fragments of one image row to its pixels `out` (W, 3).

    `water` (W, 2) gets the share of light that wet ground mirrors, which `reflections.py` adds, and the same times the
    share of the sky that is seen there.
    """
    light, looks = stage.light, stage.surfaces.looks
    panorama, mirrored, spots = stage.sky.panorama, stage.sky.mirrored, stage.spots
    rows, columns, weights, colors, lits = room.row, room.column, room.weight, room.color, room.lit
    points, normals, towards, ambient = room.point, room.normal, room.towards, room.ambient
    for i in range(count):
        d, row, x = towards[i], rows[i], columns[i]
        if row < 0:
            r, g, b = _sky_color(panorama, light, d[0], d[1], d[2])
        else:
            n, p = normals[i], points[i]
            head = 0.0
            if len(spots) > 0:
                head = _spotlight(spots, p[0], p[1], p[2], n[0], n[1], n[2])
            r, g, b, wet, seen = _radiance(
                light, mirrored, looks, row, colors[i], n, d, p, lits[i], ambient[i], head, occlusion[x]
            )  # fmt: skip
            water[x, 0] += weights[i] * wet
            water[x, 1] += weights[i] * wet * seen
        scale, most = light.exposure, BRIGHTEST
        w = weights[i]
        out[x, 0] += w * min(max(scale * r, 0.0), most)
        out[x, 1] += w * min(max(scale * g, 0.0), most)
        out[x, 2] += w * min(max(scale * b, 0.0), most)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _radiance(light, mirrored, looks, row, color, n, d, p, lit, ambient, head, occlusion):
    """Radiance (r, g, b) of one fragment, the share that wet ground mirrors, and the sky's part there."""
    nx, ny, nz, dx, dy, dz = n[0], n[1], n[2], d[0], d[1], d[2]
    red, green, blue, gloss, f0, puddle = _substance(light, looks, row, color, nz, p)
    er, eg, eb, glow = _falling(light, SHINE[looks[row, 3], 3], nx, ny, nz, lit, ambient, head, occlusion)
    r, g, b = red * er, green * eg, blue * eb
    wet = seen = 0.0
    if gloss > MATTE:
        across = -(nx * dx + ny * dy + nz * dz)
        grazing = 1.0 - min(max(across, 0.0), 1.0)
        square = grazing * grazing
        share = (f0 + (1.0 - f0) * square * square * grazing) * min((gloss - MATTE) * GLOSS_SLOPE, 1.0)
        if puddle >= 0.0:  # `reflections.py` follows what water mirrors
            wet, keep = share * (DAMP + 0.5 * puddle), 1.0 - share
            seen = _open_share(ambient[1])
            r, g, b = keep * r, keep * g, keep * b
        else:
            qx, qy, qz = dx + 2.0 * across * nx, dy + 2.0 * across * ny, dz + 2.0 * across * nz
            dull = occlusion * (ambient[0] + 0.1)
            mr, mg, mb = _mirrored(light, mirrored, qx, qy, qz, gloss, lit, ambient[1], dull, glow)
            metal = SHINE[looks[row, 3], 2]
            r += share * (mr * (1.0 + metal * (3.0 * red - 1.0)) - r)
            g += share * (mg * (1.0 + metal * (3.0 * green - 1.0)) - g)
            b += share * (mb * (1.0 + metal * (3.0 * blue - 1.0)) - b)
    own_r, own_g, own_b = _own_light(light, looks, row, red, green, blue, nz)
    r, g, b = r + own_r, g + own_g, b + own_b
    veil, hr, hg, hb = _haze(light, dx, dy, dz, d[3])
    return r + (hr - r) * veil, g + (hg - g) * veil, b + (hb - b) * veil, wet * (1.0 - veil), seen


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _substance(light, looks, row, color, nz, p):
    """Linear colour (r, g, b), gloss and reflectance at right angles; how deep water stands, below 0 on dry ground."""
    material = looks[row, 3]
    red = linear(color[0]) * TO_LINEAR[looks[row, 0]]
    green = linear(color[1]) * TO_LINEAR[looks[row, 1]]
    blue = linear(color[2]) * TO_LINEAR[looks[row, 2]]
    gloss = min(max(color[3] + SHINE[material, 1], 0.0), 1.0)
    if light.wetness > 0.0 and GETS_WET[material] and nz > 0.6:
        puddle = light.wetness * _puddle(p[0], p[1])
        dark = 1.0 - light.wetness * (0.35 + 0.25 * puddle)
        return red * dark, green * dark, blue * dark, 0.30 + 0.6 * puddle, F0_WATER, puddle
    return red, green, blue, gloss, float(SHINE[material, 0]), -1.0


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _falling(light, through, nx, ny, nz, lit, ambient, head, occlusion):
    """Light (r, g, b) that falls on a surface, over pi; and that of lamps alone."""
    incidence = nx * light.sun[0] + ny * light.sun[1] + nz * light.sun[2]
    sun = lit * max(incidence, 0.0)
    if through > 0.0:
        sun = lit * (0.7 * max(incidence, 0.0) + through * abs(incidence) + 0.1)
    openness = min(2.0 * ambient[0], 1.0)
    ground = occlusion * (0.5 - 0.5 * nz) * (0.02 + 0.98 * min(openness + 0.2 * lit, 1.0))
    sky = occlusion * (ambient[0] + 0.015)
    glow = occlusion * (ambient[2] + light.room * (1.0 - openness))
    sun_color, sky_color, bounce, lamp = light.sun_color, light.sky_color, light.bounce_color, light.lamp_color
    return (
        sun * sun_color[0] + sky * sky_color[0] + ground * bounce[0] + glow * lamp[0] + head,
        sun * sun_color[1] + sky * sky_color[1] + ground * bounce[1] + glow * lamp[1] + 0.96 * head,
        sun * sun_color[2] + sky * sky_color[2] + ground * bounce[2] + glow * lamp[2] + 0.88 * head,
        glow,
    )


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _own_light(light, looks, row, red, green, blue, nz):
    """Light (r, g, b) that a surface gives: lamps always, shop windows and some panes in the dark."""
    dark = light.darkness
    if looks[row, 3] == _LAMP:
        own = 0.25 + 3.0 * dark
        return own * red, own * green, own * blue
    if dark > 0.0 and looks[row, 4] // VARIANTS == _SHOP:
        own = 0.8 * dark
        return own * red, 0.92 * own * green, 0.78 * own * blue
    if dark > 0.0 and looks[row, 3] == _GLASS and nz < 0.4 and (looks[row, 7] & 255) < 256.0 * LIT_WINDOWS * dark:
        warm = ((looks[row, 7] >> 8) & 255) * (1.0 / 256.0)
        own = dark * (0.15 + 0.9 * warm * warm) * (0.15 + 1.6 * green)
        return own, own * (0.62 + 0.26 * warm), own * (0.28 + 0.45 * warm)
    return 0.0, 0.0, 0.0


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE, inline="always")
def _open_share(sky):
    """How much of what is mirrored is sky, where the share `sky` of it is seen in that direction."""
    return min(max(sky * 3.0 - 0.6, 0.0), 1.0)


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _mirrored(light, mirrored, x, y, z, gloss, lit, sky_there, dull, glow):
    """Radiance that comes from the mirrored direction (x, y, z): sky, or walls where the sky is hidden, and the sun."""
    seen = _open_share(sky_there) if z > -0.05 else 0.0
    hidden = (1.0 - seen) * 0.22 * dull
    lamp = (1.0 - seen) * 0.2 * glow
    r = hidden * light.sky_color[0] + lamp * light.lamp_color[0]
    g = hidden * light.sky_color[1] + lamp * light.lamp_color[1]
    b = hidden * light.sky_color[2] + lamp * light.lamp_color[2]
    if seen > 0.0:
        mr, mg, mb = radiance(mirrored, x, y, max(z, 0.01))
        r, g, b = r + seen * mr, g + seen * mg, b + seen * mb
    towards = x * light.sun[0] + y * light.sun[1] + z * light.sun[2]
    if lit > 0.0 and towards > 0.8:
        power = 12.0 * math.exp(gloss * 4.5)
        spot = lit * 0.12 * power * math.exp(power * (towards - 1.0))
        r, g, b = r + spot * light.sun_color[0], g + spot * light.sun_color[1], b + spot * light.sun_color[2]
    return r, g, b


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _haze(light, dx, dy, dz, distance):
    """Share of haze before a point, and its colour in that direction."""
    share = 1.0 - math.exp(-light.haze * distance)
    forward = max(dx * light.sun[0] + dy * light.sun[1] + dz * light.sun[2], 0.0)
    forward = forward * forward
    forward = forward * forward
    return (
        share,
        light.haze_color[0] + light.glow_color[0] * forward,
        light.haze_color[1] + light.glow_color[1] * forward,
        light.haze_color[2] + light.glow_color[2] * forward,
    )


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _sky_color(panorama, light, dx, dy, dz):
    r, g, b = radiance(panorama, dx, dy, dz)
    towards = dx * light.sun[0] + dy * light.sun[1] + dz * light.sun[2]
    if towards > 1.0 - 2.0 * SUN_RADIUS * SUN_RADIUS:
        angle = math.sqrt(max(2.0 * (1.0 - towards), 0.0)) / SUN_RADIUS
        disc = min(max((1.15 - angle) * 4.0, 0.0), 1.0) * 12.0
        r, g, b = r + disc * light.sun_color[0], g + disc * light.sun_color[1], b + disc * light.sun_color[2]
    return r, g, b


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _spotlight(spots, x, y, z, nx, ny, nz):
    """Light of the headlights on a surface, over pi."""
    total = 0.0
    for k in range(len(spots)):
        s = spots[k]
        lx, ly, lz = s[0] - x, s[1] - y, s[2] - z
        cone = -(lx * s[3] + ly * s[4] + lz * s[5])
        incidence = lx * nx + ly * ny + lz * nz
        if cone <= 0.0 or incidence <= 0.0:
            continue
        square = lx * lx + ly * ly + lz * lz
        inverse = 1.0 / math.sqrt(max(square, 0.04))
        cone, incidence = cone * inverse, incidence * inverse
        if cone > s[7]:
            edge = (cone - s[7]) / (1.0 - s[7])
            total += s[6] * edge * edge * edge * edge * incidence / (square + 12.0)
    return total


@numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=LOOSE)
def _puddle(x, y):
    """How deep the water stands at a place of the ground: 0 damp, 1 a puddle."""
    total = 0.0
    for octave in range(2):
        scale = 0.45 if octave == 0 else 1.7  # per m
        u, v = x * scale, y * scale
        i, j = math.floor(u), math.floor(v)
        a, b = u - i, v - j
        a, b = a * a * (3.0 - 2.0 * a), b * b * (3.0 - 2.0 * b)
        k, m = int(i), int(j)
        low = hash01(k, m, octave) * (1.0 - a) + hash01(k + 1, m, octave) * a
        high = hash01(k, m + 1, octave) * (1.0 - a) + hash01(k + 1, m + 1, octave) * a
        total += (low * (1.0 - b) + high * b) * (0.7 if octave == 0 else 0.3)
    return min(max((total - 0.42) * 4.0, 0.0), 1.0)
