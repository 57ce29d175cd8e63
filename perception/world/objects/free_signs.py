"""Signs of any shape, colours and picture, for training: no list of designs can be learnt by heart."""

from dataclasses import replace

import numpy as np

from perception.core.classes import Class
from perception.world.materials import Material, Texture
from perception.world.objects.colours import any_tint, contrasting
from perception.world.objects.glyphs import Polygons, draw_glyph, draw_outline, inner_half
from perception.world.objects.shapes import Parts, Stuff, Tint, beam, loft, rod, rotated, vec
from perception.world.variety import Variety

LAYER = 0.002  # m between what is painted over each other
STRONG: tuple[Tint, ...] = (
    (240, 240, 236), (24, 25, 28), (200, 26, 30), (24, 74, 160), (20, 112, 66), (244, 200, 24), (238, 112, 24),
    (116, 72, 42),
)  # fmt: skip
LARGE_SHARE = 0.15  # direction boards
PICTURE_SHARE = 0.15  # show a texture instead of colours and glyphs


def add_free_sign(parts: Parts, rng: np.random.Generator, variety: Variety) -> None:
    """One to three plates, on one side or on both, on a post or two."""
    is_large = rng.random() < LARGE_SHARE
    top = rng.uniform(2.6, 3.6) if is_large else rng.uniform(1.1, 3.1)
    at, width = top, 0.0
    for k in range(1 if is_large else int(rng.choice([1, 2, 3], p=(0.68, 0.24, 0.08)))):
        half = rng.uniform(0.6, 1.3) if is_large else rng.uniform(0.2, 0.5) * (1.0 if k == 0 else 0.7)
        outline = _fitting(draw_outline(rng), half)
        low, high = outline[:, 1].min(), outline[:, 1].max()
        if k == 0:
            at = top = max(top, float(high - low) + 0.4)
        elif at - high + low < 0.5:
            break
        _add_plate(parts, rng, variety, outline, at - high)
        at -= high - low + rng.uniform(0.0, 0.12)
        width = max(width, float(outline[:, 0].max()))
    _add_posts(parts, rng, top - rng.uniform(0.02, 0.3), 0.7 * width if is_large or rng.random() < 0.08 else 0.0)


def _fitting(outline: np.ndarray, half: float) -> np.ndarray:
    """The outline with half the root of its area at `half` m."""
    size = np.ptp(outline, axis=0)
    return outline * half * 2.0 / float(np.sqrt(size[0] * size[1]))


def _add_plate(parts: Parts, rng: np.random.Generator, variety: Variety, outline: np.ndarray, height: float) -> None:
    """A plate whose middle is at `height`, with what is painted on it; at times the same on its back."""
    depth, own = rng.uniform(0.01, 0.06), Parts(parts.kind)
    ring = np.column_stack([np.full(len(outline), 0.04), outline[:, 0], outline[:, 1] + height])
    body = loft(np.stack([ring, ring + vec(depth, 0.0, 0.0)]))
    gray = int(rng.uniform(70, 190))
    back = Stuff(Material.METAL, (gray, gray, gray) if rng.random() < 0.8 else any_tint(rng))
    face = Stuff(Material.SIGN, _strong(rng))
    front, x = body[-len(outline) :], 0.04 + depth
    own.add(body[: -len(outline)], back)
    if rng.random() < PICTURE_SHARE:
        family = Texture.SIGN if rng.random() < 0.6 else Texture.POSTER
        uvs = 0.5 + 0.5 * (front[..., 1:] - [0.0, height]) / np.abs(outline).max(axis=0)
        look = variety.layer(rng, family)
        tint = (255, 255, 255) if rng.random() < 0.5 else any_tint(rng)
        own.add(front, Stuff(Material.SIGN, tint, look), uvs=uvs.astype(np.float32).clip(0.0, 1.0))
    else:
        own.add(front, face)
        _paint(own, rng, outline, (x, height), face.tint)
    mesh = own.mesh()
    parts.join(mesh)
    if rng.random() < 0.12:
        parts.join(replace(mesh, triangles=rotated(mesh.triangles, 2, np.pi).astype(np.float32)))


def _strong(rng: np.random.Generator) -> Tint:
    return STRONG[int(rng.integers(len(STRONG)))] if rng.random() < 0.6 else any_tint(rng)


def _paint(own: Parts, rng: np.random.Generator, outline: np.ndarray, at: tuple[float, float], tint: Tint) -> None:
    """Up to two fields within each other, glyphs on the inner one, a bar across."""
    x, z = at
    for _ in range(int(rng.choice([0, 1, 2], p=(0.25, 0.55, 0.2)))):
        outline, tint, x = outline * rng.uniform(0.66, 0.94), contrasting(rng, tint, 60.0), x + LAYER
        if rng.random() < 0.5:
            tint = max(STRONG, key=lambda t: abs(sum(t) - sum(tint)) + rng.uniform(0, 500))
        _add_polygons(own, [outline], (x, z), tint)
    if rng.random() < 0.12:
        return
    ink = contrasting(rng, tint)
    box = inner_half(outline) * rng.uniform(0.7, 0.98)
    count = int(np.clip(round(box[0] / box[1]), 1, 4)) if rng.random() < 0.7 else 1
    cell = box / [count, 1.0] if box[0] > box[1] else np.array([box[0], min(box[1], 1.4 * box[0])])
    for k in range(count):
        shift = np.array([(2.0 * k + 1.0) * cell[0] - box[0], 0.0]) if count > 1 else np.zeros(2)
        _add_polygons(own, [p * cell * 0.9 + shift for p in draw_glyph(rng)], (x + LAYER, z), ink)
    if rng.random() < 0.12:
        bar = np.array([(-1.0, -1.0), (-0.7, -1.0), (1.0, 1.0), (0.7, 1.0)]) * box
        _add_polygons(own, [bar], (x + 2.0 * LAYER, z), contrasting(rng, tint, 40.0))


def _add_polygons(own: Parts, polygons: Polygons, at: tuple[float, float], tint: Tint) -> None:
    """Convex polygons that look along +x."""
    rings = [np.column_stack([np.full(len(p), at[0]), p + np.array([0.0, at[1]])]) for p in polygons]
    triangles = [ring[[0, k, k + 1]] for ring in rings for k in range(1, len(ring) - 1)]
    own.add(np.array(triangles), Stuff(Material.SIGN, tint))


def _add_posts(parts: Parts, rng: np.random.Generator, top: float, spread: float) -> None:
    """One post, or two at +-`spread` m."""
    gray, radius = int(rng.uniform(60, 200)), rng.uniform(0.02, 0.05)
    stuff = Stuff(Material.METAL, (gray, gray, gray) if rng.random() < 0.8 else any_tint(rng))
    is_round = rng.random() < 0.7
    for y in (-spread, spread) if spread else (0.0,):
        a, b = (0.0, y, -0.1), (0.0, y, top)
        post = rod(a, b, radius) if is_round else beam(a, b, 1.8 * radius, 1.8 * radius)
        parts.add_as(Class.MANMADE, post, stuff, smooth=is_round)
