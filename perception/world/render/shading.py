"""Light on every pixel: surfaces that the samples of a pixel meet are shaded once each, in linear light, and mixed."""

import math
from typing import NamedTuple

import numba
import numpy as np

from perception.world.materials import VARIANTS, Material, Texture
from perception.world.render.ambient import Ambient, gathered
from perception.world.render.light import Light
from perception.world.render.shadows import NORMAL_OFFSET, ShadowMap, sunlit
from perception.world.render.sky import SUN_RADIUS, Sky, radiance
from perception.world.render.surfaces import Surfaces
from perception.world.render.texels import Texels, linear, sample

NUM_SAMPLES = 4  # per pixel for colour; sample 0 of the five is the middle, for ground truth
MERGED_DEPTH = 1.12  # ratio of depths up to which one curved body or crown is shaded once
BRIGHTEST = 6.0  # a sample is not brighter: highlights do not eat the edges of what is before them

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
_GLASS, _LAMP, _LEAF = int(Material.GLASS), int(Material.LAMP), int(Material.LEAF)
_SHOP, _SCREEN = int(Texture.SHOP), int(Texture.SCREEN)
_WET = np.array(
    [m in (Material.ASPHALT, Material.CONCRETE, Material.STONE, Material.SOIL) for m in Material], dtype=np.bool_
)


class View(NamedTuple):
    """One camera at one instant."""

    rays: np.ndarray  # (H + 1, W + 1, 2) float32: x and y at depth 1 of what each pixel's middle sees
    T_world_camera: np.ndarray  # (3, 4) float64
    T_body_camera: np.ndarray  # (B, 3, 4) float64, of each body of the accelerator
    R_world_body: np.ndarray  # (B, 3, 3) float64


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


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _hash01(x, y, k):
    """A random number in [0, 1) by pixel."""
    h = (
        np.uint32(x) * np.uint32(0x8DA6B343)
        ^ np.uint32(y) * np.uint32(0xD8163841)
        ^ np.uint32(k) * np.uint32(0xCB1AB31F)
    )
    h = (h ^ (h >> np.uint32(15))) * np.uint32(0x2C1B3C6D)
    h = (h ^ (h >> np.uint32(12))) * np.uint32(0x297A2D39)
    return float((h ^ (h >> np.uint32(15))) >> np.uint32(8)) * (1.0 / 16777216.0)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _haze(light, dx, dy, dz, distance):
    """Share of haze before a point, and its colour in that direction."""
    share = 1.0 - math.exp(-light.haze * distance)
    forward = max(dx * light.sun[0] + dy * light.sun[1] + dz * light.sun[2], 0.0)
    forward = forward * forward
    forward = forward * forward * share
    return (
        share,
        light.haze_color[0] + light.glow_color[0] * forward,
        light.haze_color[1] + light.glow_color[1] * forward,
        light.haze_color[2] + light.glow_color[2] * forward,
    )


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _sky_color(stage, dx, dy, dz):
    light = stage.light
    r, g, b = radiance(stage.sky.panorama, dx, dy, dz)
    towards = dx * light.sun[0] + dy * light.sun[1] + dz * light.sun[2]
    if towards > 1.0 - 2.0 * SUN_RADIUS * SUN_RADIUS:
        angle = math.sqrt(max(2.0 * (1.0 - towards), 0.0)) / SUN_RADIUS
        disc = min(max((1.15 - angle) * 4.0, 0.0), 1.0) * 12.0
        r, g, b = r + disc * light.sun_color[0], g + disc * light.sun_color[1], b + disc * light.sun_color[2]
    return r, g, b


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _spotlight(spots, x, y, z, nx, ny, nz):
    """Light of the headlights on a surface, over pi."""
    total = 0.0
    for k in range(len(spots)):
        s = spots[k]
        lx, ly, lz = s[0] - x, s[1] - y, s[2] - z
        square = lx * lx + ly * ly + lz * lz
        if square > 3600.0:
            continue
        inverse = 1.0 / math.sqrt(max(square, 0.04))
        lx, ly, lz = lx * inverse, ly * inverse, lz * inverse
        cone = -(lx * s[3] + ly * s[4] + lz * s[5])
        incidence = lx * nx + ly * ny + lz * nz
        if cone <= s[7] or incidence <= 0.0:
            continue
        edge = (cone - s[7]) / (1.0 - s[7])
        total += s[6] * edge * edge * incidence / (square + 4.0)
    return total


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _shade(stage, view, row, cx, cy, inverse_depth, fx, fy, gx, gy, occlusion, cosine, sine):
    """Radiance (r, g, b) of triangle `row` where the ray (cx, cy, 1) meets it; (fx, fy), (gx, gy): steps of the ray."""
    light, looks = stage.light, stage.surfaces.looks[row]
    plane = stage.surfaces.planes[row]
    material, layer, body, curved = looks[3], looks[4], looks[5], looks[6]
    depth = 1.0 / inverse_depth
    T, R = view.T_body_camera[body], view.R_world_body[body]
    rx, ry, rz = (
        T[0, 0] * cx + T[0, 1] * cy + T[0, 2],
        T[1, 0] * cx + T[1, 1] * cy + T[1, 2],
        T[2, 0] * cx + T[2, 1] * cy + T[2, 2],
    )
    px, py, pz = depth * rx + T[0, 3], depth * ry + T[1, 3], depth * rz + T[2, 3]
    nx, ny, nz = float(plane[0]), float(plane[1]), float(plane[2])
    facing = nx * rx + ny * ry + nz * rz
    slant = depth / (facing if abs(facing) > 1e-4 else (1e-4 if facing > 0.0 else -1e-4))

    # Steps on the surface for one pixel to the right and one down, from the rays beside this one.
    ax, ay, az = T[0, 0] * fx + T[0, 1] * fy, T[1, 0] * fx + T[1, 1] * fy, T[2, 0] * fx + T[2, 1] * fy
    bx, by, bz = T[0, 0] * gx + T[0, 1] * gy, T[1, 0] * gx + T[1, 1] * gy, T[2, 0] * gx + T[2, 1] * gy
    za, zb = -slant * (nx * ax + ny * ay + nz * az), -slant * (nx * bx + ny * by + nz * bz)
    ax, ay, az = depth * ax + za * rx, depth * ay + za * ry, depth * az + za * rz
    bx, by, bz = depth * bx + zb * rx, depth * by + zb * ry, depth * bz + zb * rz
    u = plane[4] * px + plane[5] * py + plane[6] * pz + plane[7]
    v = plane[8] * px + plane[9] * py + plane[10] * pz + plane[11]
    tr, tg, tb, gloss = sample(
        stage.texels, layer, u, v,
        plane[4] * ax + plane[5] * ay + plane[6] * az, plane[8] * ax + plane[9] * ay + plane[10] * az,
        plane[4] * bx + plane[5] * by + plane[6] * bz, plane[8] * bx + plane[9] * by + plane[10] * bz,
    )  # fmt: skip
    red = linear(tr) * linear(looks[0] * (1.0 / 255.0))
    green = linear(tg) * linear(looks[1] * (1.0 / 255.0))
    blue = linear(tb) * linear(looks[2] * (1.0 / 255.0))

    # World axes, the normal towards the camera.
    if curved >= 0:
        c = stage.surfaces.round_normals[curved]
        sx = c[0] * px + c[1] * py + c[2] * pz + c[3]
        sy = c[4] * px + c[5] * py + c[6] * pz + c[7]
        sz = c[8] * px + c[9] * py + c[10] * pz + c[11]
        length = sx * sx + sy * sy + sz * sz
        if length > 1e-6 and sx * nx + sy * ny + sz * nz > 0.0:
            scale = 1.0 / math.sqrt(length)
            nx, ny, nz = sx * scale, sy * scale, sz * scale
    if facing > 0.0:
        nx, ny, nz = -nx, -ny, -nz
    nx, ny, nz = (
        R[0, 0] * nx + R[0, 1] * ny + R[0, 2] * nz,
        R[1, 0] * nx + R[1, 1] * ny + R[1, 2] * nz,
        R[2, 0] * nx + R[2, 1] * ny + R[2, 2] * nz,
    )
    C = view.T_world_camera
    dx, dy, dz = (
        C[0, 0] * cx + C[0, 1] * cy + C[0, 2],
        C[1, 0] * cx + C[1, 1] * cy + C[1, 2],
        C[2, 0] * cx + C[2, 1] * cy + C[2, 2],
    )
    x, y, z = depth * dx + C[0, 3], depth * dy + C[1, 3], depth * dz + C[2, 3]
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    distance = depth * length
    dx, dy, dz = dx / length, dy / length, dz / length

    if material == _LEAF:  # a crown is lit as a round body more than as single cards
        nz = nz + 0.45
        scale = 1.0 / math.sqrt(nx * nx + ny * ny + nz * nz + 1e-9)
        nx, ny, nz = nx * scale, ny * scale, nz * scale
    shine = SHINE[material]
    f0, through = shine[0], shine[3]
    gloss = min(max(gloss + shine[1], 0.0), 1.0)
    if light.wetness > 0.0 and _WET[material] and nz > 0.6:
        wet = light.wetness
        puddle = _hash01(0, 0, 0) * 0.0 + 0.6
        dark = 1.0 - 0.45 * wet
        red, green, blue = red * dark, green * dark, blue * dark
        gloss = max(gloss, wet * puddle)
        f0 = max(f0, 0.035)

    # Sun, sky, ground, lamps.
    incidence = nx * light.sun[0] + ny * light.sun[1] + nz * light.sun[2]
    lit = 0.0
    if incidence > 0.0 or through > 0.0:
        ox, oy, oz = x + NORMAL_OFFSET * nx, y + NORMAL_OFFSET * ny, z + NORMAL_OFFSET * nz
        lit = sunlit(stage.still, ox, oy, oz, cosine, sine)
        if lit > 0.0:
            lit = lit * sunlit(stage.moving, ox, oy, oz, cosine, sine)
    sun = lit * (max(incidence, 0.0) if through == 0.0 else max(incidence, 0.0) * 0.7 + through * abs(incidence) + 0.1)
    open_sky, mirror_sky, lamps = gathered(stage.ambient, x, y, z, nx, ny, nz, dx, dy, dz)
    ground = occlusion * (0.5 - 0.5 * nz) * (0.25 + 0.75 * min(2.0 * open_sky + 0.3, 1.0))
    sky = occlusion * open_sky
    glow = occlusion * lamps
    head = 0.0
    if len(stage.spots) > 0:
        head = _spotlight(stage.spots, x, y, z, nx, ny, nz)
    base = 0.02 * occlusion
    er = sun * light.sun_color[0] + (sky + base) * light.sky_color[0] + ground * light.bounce_color[0]
    eg = sun * light.sun_color[1] + (sky + base) * light.sky_color[1] + ground * light.bounce_color[1]
    eb = sun * light.sun_color[2] + (sky + base) * light.sky_color[2] + ground * light.bounce_color[2]
    er, eg, eb = (
        er + glow * light.lamp_color[0] + head,
        eg + glow * light.lamp_color[1] + head * 0.96,
        eb + glow * light.lamp_color[2] + head * 0.88,
    )

    # Mirrored sky and sun.
    across = -(nx * dx + ny * dy + nz * dz)
    mr, mg, mb = 0.0, 0.0, 0.0
    if gloss > 0.22:
        fresnel = 1.0 - min(max(across, 0.0), 1.0)
        square = fresnel * fresnel
        fresnel = (f0 + (1.0 - f0) * square * square * fresnel) * min((gloss - 0.22) * 1.8, 1.0)
        qx, qy, qz = dx + 2.0 * across * nx, dy + 2.0 * across * ny, dz + 2.0 * across * nz
        seen = min(max(mirror_sky * 3.0 - 0.6, 0.0), 1.0) if qz > -0.05 else 0.0
        mr, mg, mb = radiance(stage.sky.mirrored, qx, qy, max(qz, 0.01))
        dull = 0.22 * occlusion * (open_sky + 0.1)
        mr = fresnel * (seen * mr + (1.0 - seen) * (dull * light.sky_color[0] + 0.2 * glow * light.lamp_color[0]))
        mg = fresnel * (seen * mg + (1.0 - seen) * (dull * light.sky_color[1] + 0.2 * glow * light.lamp_color[1]))
        mb = fresnel * (seen * mb + (1.0 - seen) * (dull * light.sky_color[2] + 0.2 * glow * light.lamp_color[2]))
        if lit > 0.0:
            towards = qx * light.sun[0] + qy * light.sun[1] + qz * light.sun[2]
            if towards > 0.8:
                power = 12.0 * math.exp(gloss * 4.5)
                spot = lit * fresnel * 0.12 * power * math.exp(power * (towards - 1.0))
                mr, mg, mb = (
                    mr + spot * light.sun_color[0],
                    mg + spot * light.sun_color[1],
                    mb + spot * light.sun_color[2],
                )
        metal = shine[2]
        if metal > 0.0:
            mr, mg, mb = (
                mr * (1.0 + metal * (3.0 * red - 1.0)),
                mg * (1.0 + metal * (3.0 * green - 1.0)),
                mb * (1.0 + metal * (3.0 * blue - 1.0)),
            )
        keep = 1.0 - fresnel
        er, eg, eb = er * keep, eg * keep, eb * keep
    r, g, b = red * er + mr, green * eg + mg, blue * eb + mb

    # What shines by itself.
    if material == _LAMP:
        own = 0.25 + 3.0 * light.darkness
        r, g, b = r + own * red, g + own * green, b + own * blue
    elif light.darkness > 0.0 and material == _GLASS and nz < 0.4 and layer // VARIANTS != _SHOP:
        chance = (looks[7] & 255) * (1.0 / 256.0)
        if chance < 0.38 * light.darkness:
            warm = ((looks[7] >> 8) & 255) * (1.0 / 256.0)
            own = light.darkness * (0.35 + 0.9 * warm) * (0.35 + 2.0 * green)
            r, g, b = r + own, g + own * (0.66 + 0.22 * warm), b + own * (0.34 + 0.4 * warm)
    if light.darkness > 0.0 and (layer // VARIANTS == _SHOP):
        own = 1.4 * light.darkness
        r, g, b = r + own * red, g + 0.92 * own * green, b + 0.78 * own * blue
    share, hr, hg, hb = _haze(light, dx, dy, dz, distance)
    return r + (hr - r) * share, g + (hg - g) * share, b + (hb - b) * share


@numba.njit(nogil=True, cache=True, error_model="numpy")
def shade_pixels(stage, view, rows, depth, samples, occlusion, seed, out):
    """Fill `out` (H, W, 3) float32, linear, from rows and depths (H, W, 5) of the samples of each pixel.

    `samples` (5, 2) float32: offsets from the middle (px); `occlusion` (H, W) float32: share of the sky's light
    that corners and contacts leave.
    """
    height, width = out.shape[0], out.shape[1]
    groups, exposure = stage.surfaces.groups, stage.light.exposure
    C = view.T_world_camera
    for y in range(height):
        for x in range(width):
            cx, cy = view.rays[y, x, 0], view.rays[y, x, 1]
            fx, fy = view.rays[y, x + 1, 0] - cx, view.rays[y, x + 1, 1] - cy
            gx, gy = view.rays[y + 1, x, 0] - cx, view.rays[y + 1, x, 1] - cy
            turn = 6.2831853 * _hash01(x, y, seed)
            cosine, sine = math.cos(turn), math.sin(turn)
            red, green, blue = 0.0, 0.0, 0.0
            done = 0
            for i in range(1, NUM_SAMPLES + 1):
                if done & (1 << i):
                    continue
                row = rows[y, x, i]
                count, sx, sy, inverse = 0, 0.0, 0.0, 0.0
                for j in range(i, NUM_SAMPLES + 1):
                    other = rows[y, x, j]
                    if other != row:
                        if other < 0 or row < 0 or groups[other] != groups[row] or done & (1 << j):
                            continue
                        if (
                            depth[y, x, j] > MERGED_DEPTH * depth[y, x, i]
                            or depth[y, x, i] > MERGED_DEPTH * depth[y, x, j]
                        ):
                            continue
                    elif done & (1 << j):
                        continue
                    done |= 1 << j
                    count += 1
                    sx, sy = sx + samples[j, 0], sy + samples[j, 1]
                    inverse += 1.0 / depth[y, x, j]
                sx, sy, inverse = sx / count, sy / count, inverse / count
                qx, qy = cx + sx * fx + sy * gx, cy + sx * fy + sy * gy
                if row < 0:
                    dx = C[0, 0] * qx + C[0, 1] * qy + C[0, 2]
                    dy = C[1, 0] * qx + C[1, 1] * qy + C[1, 2]
                    dz = C[2, 0] * qx + C[2, 1] * qy + C[2, 2]
                    scale = 1.0 / math.sqrt(dx * dx + dy * dy + dz * dz)
                    r, g, b = _sky_color(stage, dx * scale, dy * scale, dz * scale)
                else:
                    r, g, b = _shade(
                        stage, view, row, qx, qy, inverse, fx, fy, gx, gy, occlusion[y, x], cosine, sine
                    )  # fmt: skip
                weight = count * (1.0 / NUM_SAMPLES)
                red += weight * min(max(exposure * r, 0.0), BRIGHTEST)
                green += weight * min(max(exposure * g, 0.0), BRIGHTEST)
                blue += weight * min(max(exposure * b, 0.0), BRIGHTEST)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = red, green, blue
