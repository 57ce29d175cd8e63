"""Straight lines inside the textures of flat bodies: those of pictures, stripes and chequers of floors and walls."""

from collections.abc import Iterable

import numpy as np

from perception.world.geometry.mesh import Mesh
from perception.world.materials import UNIT_TEXTURES, VARIANTS
from perception.world.render.textures.bank import REPEAT
from perception.world.render.textures.edges import LUMA, grid_lines_of, segments_of
from perception.world.render.textures.mipmaps import linear_of, srgb_of

MIN_STEP = 12.0  # grey levels
GRAZE = 1e-9  # share of a repeat, by which a line must pass inside a triangle
SAME_PLACE = 200.0  # per m: triangles whose pictures lie at the same place to 5 mm show the same picture

Pieces = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Starts and stops (E, 3) float64 in the frame of the body, and widths (E,) of the bands beside each line, m."""


def picture_lines(mesh: Mesh, rows: np.ndarray) -> Pieces:
    """Lines inside the unit textures on triangles `rows`."""
    is_unit = np.isin(mesh.texture_ids[rows] // VARIANTS, [int(texture) for texture in UNIT_TEXTURES])
    rows = rows[is_unit & ~mesh.is_smooth[rows]]
    return _joined(
        found
        for texture_id in np.unique(mesh.texture_ids[rows])
        for found in _lines_of_one(mesh, rows[mesh.texture_ids[rows] == texture_id], int(texture_id))
    )


def grid_lines(mesh: Mesh, rows: np.ndarray) -> Pieces:
    """Borders of the stripes and chequers on triangles `rows`, each piece within one triangle."""
    rows = rows[~mesh.is_smooth[rows]]
    return _joined(
        found
        for texture_id in np.unique(mesh.texture_ids[rows])
        for found in _grids_of_one(mesh, rows[mesh.texture_ids[rows] == texture_id], int(texture_id))
    )


def _joined(parts: Iterable[Pieces]) -> Pieces:
    starts, stops, widths = zip((np.zeros((0, 3)), np.zeros((0, 3)), np.zeros(0)), *parts, strict=True)
    return np.concatenate(starts), np.concatenate(stops), np.concatenate(widths)


def _grids_of_one(mesh: Mesh, rows: np.ndarray, texture_id: int) -> list[Pieces]:
    """Stripes and chequers of one look."""
    lines, repeat = grid_lines_of(texture_id), float(REPEAT[texture_id // VARIANTS])
    shades = srgb_of(linear_of(mesh.tints[rows])).astype(np.float32) @ LUMA / 255.0
    out = []
    for axis, place, step, width in zip(*lines, strict=True):
        strong = rows[step * shades >= MIN_STEP]
        at = (mesh.uvs[strong, :, axis].astype(np.float64) - place) / repeat
        order = np.argsort(at, axis=1)
        corners = np.take_along_axis(mesh.triangles[strong].astype(np.float64), order[..., None], axis=1)
        low, middle, high = np.take_along_axis(at, order, axis=1).T
        firsts = np.ceil(low + GRAZE).astype(np.int64)
        counts = np.maximum(np.floor(high - GRAZE).astype(np.int64) - firsts + 1, 0)
        owners = np.repeat(np.arange(len(strong)), counts)
        k = firsts[owners] + np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
        a, b, c, corners = low[owners], middle[owners], high[owners], corners[owners]
        far = corners[:, 0] + ((k - a) / (c - a))[:, None] * (corners[:, 2] - corners[:, 0])
        is_lower = (k < b)[:, None]
        start, stop = np.where(is_lower, corners[:, 0], corners[:, 1]), np.where(is_lower, corners[:, 1], corners[:, 2])
        share = np.where(k < b, (k - a) / np.maximum(b - a, GRAZE), (k - b) / np.maximum(c - b, GRAZE))
        out.append((far, start + share[:, None] * (stop - start), np.full(len(k), 0.5 * width)))
    return out


def _lines_of_one(mesh: Mesh, rows: np.ndarray, texture_id: int) -> list[Pieces]:
    """Lines of one look on each of the faces that show it; a face is all triangles with the picture at one place."""
    lines = segments_of(texture_id)
    frames = _picture_frames(mesh.triangles[rows].astype(np.float64), mesh.uvs[rows].astype(np.float64))
    is_known = np.isfinite(frames).all(axis=(1, 2))
    rows, frames = rows[is_known], frames[is_known]
    keys = np.rint(frames.reshape(-1, 9) * SAME_PLACE).astype(np.int64)
    _, kept, faces = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    tint = linear_of(mesh.tints)
    out = []
    for face, k in enumerate(kept):
        origin, du, dv = frames[k]
        shade = float(srgb_of(tint[rows[k]]).astype(np.float32) @ LUMA) / 255.0
        is_strong = lines.steps * shade >= MIN_STEP
        ends = lines.segments[is_strong].astype(np.float64).reshape(-1, 2, 2)
        low, high = _spans(ends, mesh.uvs[rows[faces.reshape(-1) == face]].astype(np.float64))
        way = ends[:, 1] - ends[:, 0]
        cut = np.stack([ends[:, 0] + low[:, None] * way, ends[:, 0] + high[:, None] * way], axis=1)[high > low]
        places = origin + cut @ np.stack([du, dv])
        scale = min(float(np.linalg.norm(du)), float(np.linalg.norm(dv)))
        out.append((places[:, 0], places[:, 1], lines.widths[is_strong][high > low] * scale))
    return out


def _picture_frames(triangles: np.ndarray, uvs: np.ndarray) -> np.ndarray:
    """Place of u = v = 0 and the ways along u and v (N, 3, 3) of pictures on triangles; NaN where they have none."""
    a, b = uvs[:, 1] - uvs[:, 0], uvs[:, 2] - uvs[:, 0]
    p, q = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    area = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    area = np.where(np.abs(area) > 1e-9, area, np.nan)[:, None]
    du, dv = (b[:, 1:] * p - a[:, 1:] * q) / area, (a[:, :1] * q - b[:, :1] * p) / area
    origin = triangles[:, 0] - uvs[:, 0, :1] * du - uvs[:, 0, 1:] * dv
    return np.stack([origin, du, dv], axis=1)


def _spans(ends: np.ndarray, uvs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares (L,) of each line (L, 2, 2) at which it enters and leaves the convex union of triangles (T, 3, 2)."""
    low, high = np.full(len(ends), np.inf), np.full(len(ends), -np.inf)
    way = ends[:, 1] - ends[:, 0]
    for corners in uvs:
        a, b = corners[1] - corners[0], corners[2] - corners[0]
        turn = np.sign(a[0] * b[1] - a[1] * b[0])
        enter, leave = np.zeros(len(ends)), np.ones(len(ends))
        for k in range(3):
            side = corners[(k + 1) % 3] - corners[k]
            inward = turn * np.array([-side[1], side[0]])
            here, rate = (ends[:, 0] - corners[k]) @ inward, way @ inward
            with np.errstate(divide="ignore", invalid="ignore"):
                at = -here / rate
            enter = np.where(rate > 1e-12, np.maximum(enter, at), enter)
            leave = np.where(rate < -1e-12, np.minimum(leave, at), leave)
            leave = np.where((np.abs(rate) <= 1e-12) & (here < -1e-9), -1.0, leave)
        is_hit = leave > enter
        low = np.where(is_hit, np.minimum(low, enter), low)
        high = np.where(is_hit, np.maximum(high, leave), high)
    return np.where(np.isfinite(low), low, 0.0), np.where(np.isfinite(high), high, 0.0)
