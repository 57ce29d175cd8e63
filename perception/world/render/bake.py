"""Makes the grid of `ambient.py`: which part of the sky each place sees, and which lamps light it."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np

from perception.world.geometry.raycast import Accelerator, Rays, cast
from perception.world.render.ambient import Ambient, looked_up
from perception.world.render.lamps import Lamp
from perception.world.render.shadows import depth_along

NUM_DIRECTIONS = 40
MAP_SIZE = 768  # px
MAX_CELLS = 2_500_000
FINEST = 0.5  # m, edge of a cell
HEIGHT = 32.0  # m above the lowest point; above that all is open
BIAS = 0.25  # m
LAMP_SIZE = 0.3  # m: nearer to a lamp the light grows no more
LAMP_BODY = 0.6  # m around a lamp, where its own post and shade are: they stop no light
NUM_THREADS = 2
ONE_SIDED = 0.85  # of the light of one lamp in the vector; the rest is the constant


@dataclass(frozen=True, slots=True, eq=False)
class Cells:
    """A grid over the world."""

    low: np.ndarray  # (3,) float64, m, middle of the first cell
    step: float  # m
    shape: tuple[int, int, int]  # cells along z, y, x

    @property
    def high(self) -> np.ndarray:
        """Middle (3,) of the last cell, m."""
        return self.low + self.step * (np.array(self.shape[::-1]) - 1.0)


def bake_sky(world: Accelerator, low: np.ndarray, high: np.ndarray) -> Ambient:
    """The light of the sky on the still part of a world between two corners (3,), m; without lamps."""
    cells = _cells(low, high)
    none = np.zeros((1, 1, 1, 4), dtype=np.float32)
    low = tuple(float(x) for x in cells.low)
    return Ambient(_sky(world, cells), none, low, (1.0 / cells.step,) * 3)


def bake_lamps(world: Accelerator, ambient: Ambient, lamps: list[Lamp]) -> Ambient:
    """The same with the light of lamps."""
    if not lamps:
        return ambient
    cells = Cells(np.array(ambient.low), 1.0 / ambient.steps[0], ambient.sky.shape[:3])
    return ambient._replace(lamps=_lit(world, cells, lamps))


def sky_at(ambient: Ambient, point: np.ndarray) -> float:
    """Share of the sky that a point (3,) sees."""
    return 2.0 * float(looked_up(ambient.sky, ambient.low, ambient.steps, *(float(x) for x in point))[0])


def lamps_at(ambient: Ambient, point: np.ndarray) -> float:
    """Light of lamps at a point (3,), on a surface that faces them."""
    light = looked_up(ambient.lamps, ambient.low, ambient.steps, *(float(x) for x in point))
    return float(light[0] + np.linalg.norm(light[1:]))


def _cells(low: np.ndarray, high: np.ndarray) -> Cells:
    high = np.array([high[0], high[1], min(high[2] + 1.0, low[2] + HEIGHT)])
    step = max(FINEST, float(np.prod(high - low) / MAX_CELLS) ** (1.0 / 3.0))
    counts = np.maximum(np.ceil((high - low) / step).astype(int), 2)
    return Cells(low + 0.5 * step, step, (int(counts[2]), int(counts[1]), int(counts[0])))


def _sky(world: Accelerator, cells: Cells) -> np.ndarray:
    """Constant and vector (Z, Y, X, 4) float32 of the light of an even sky."""
    parts = np.array_split(_dome(NUM_DIRECTIONS), NUM_THREADS)

    def over(directions: np.ndarray) -> np.ndarray:
        out = np.zeros((*cells.shape, 4), dtype=np.float32)
        for direction in directions:
            _add_open(
                depth_along(world, direction, MAP_SIZE, cells.low, cells.high), direction, cells.low, cells.step, out
            )
        return out

    with ThreadPoolExecutor(NUM_THREADS) as pool:
        total = sum(pool.map(over, parts))
    return np.ascontiguousarray(total * np.array([0.5, 1.0, 1.0, 1.0], dtype=np.float32) / np.float32(NUM_DIRECTIONS))


def _dome(count: int) -> np.ndarray:
    """Directions (N, 3) spread evenly over the upper half of the sphere."""
    z = (np.arange(count) + 0.5) / count
    angle = np.pi * (1.0 + np.sqrt(5.0)) * np.arange(count)
    flat = np.sqrt(1.0 - z * z)
    return np.stack([flat * np.cos(angle), flat * np.sin(angle), z], axis=1)


@numba.njit(nogil=True, cache=True, error_model="numpy")
def _add_open(seen, direction, low, step, out):
    """Add 1 and `direction` to the cells from which nothing hides the sky there."""
    T, depth = seen.to_map, seen.depth
    dx, dy, dz = np.float32(direction[0]), np.float32(direction[1]), np.float32(direction[2])
    for k in range(out.shape[0]):
        z = low[2] + k * step
        for j in range(out.shape[1]):
            y = low[1] + j * step
            for i in range(out.shape[2]):
                x = low[0] + i * step
                column = int(T[0, 0] * x + T[0, 1] * y + T[0, 2] * z + T[0, 3] + 0.5)
                row = int(T[1, 0] * x + T[1, 1] * y + T[1, 2] * z + T[1, 3] + 0.5)
                far = T[2, 0] * x + T[2, 1] * y + T[2, 2] * z + T[2, 3] - BIAS
                is_inside = 0 <= row < depth.shape[0] and 0 <= column < depth.shape[1]
                if is_inside and depth[row, column] < far:
                    continue
                out[k, j, i, 0] += np.float32(1.0)
                out[k, j, i, 1] += dx
                out[k, j, i, 2] += dy
                out[k, j, i, 3] += dz


def _lit(world: Accelerator, cells: Cells, lamps: list[Lamp]) -> np.ndarray:
    """Constant and vector (Z, Y, X, 4) float32 of the light of the lamps."""
    out = np.zeros((*cells.shape, 4), dtype=np.float32)
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        for part, light in pool.map(lambda lamp: _lit_by(world, cells, lamp), lamps):
            out[part] += light
    return out


def _lit_by(world: Accelerator, cells: Cells, lamp: Lamp) -> tuple[tuple[slice, slice, slice], np.ndarray]:
    """Light (z, y, x, 4) of one lamp on the part of the grid that it reaches."""
    first = np.floor((lamp.place - lamp.reach - cells.low) / cells.step).astype(int)
    last = np.ceil((lamp.place + lamp.reach - cells.low) / cells.step).astype(int) + 1
    first, last = np.clip(first, 0, cells.shape[::-1]), np.clip(last, 0, cells.shape[::-1])
    axes = [cells.low[a] + cells.step * np.arange(first[a], last[a]) for a in range(3)]
    z, y, x = np.meshgrid(axes[2], axes[1], axes[0], indexing="ij")
    to_lamp = lamp.place - np.stack([x, y, z], axis=-1)
    distance = np.maximum(np.linalg.norm(to_lamp, axis=-1), 1e-3)
    to_lamp /= distance[..., None]
    falloff = np.clip(1.0 - (distance / lamp.reach) ** 4, 0.0, 1.0) ** 2
    down = np.clip(-(-to_lamp @ np.array([0.0, 0.0, -1.0])), -1.0, 1.0)
    strength = lamp.power * falloff * (0.25 + 0.75 * np.clip(-down, 0.0, 1.0)) / (distance**2 + LAMP_SIZE**2)
    strength *= _sees(world, lamp, -to_lamp.reshape(-1, 3), distance.reshape(-1), falloff.reshape(-1)).reshape(x.shape)
    light = np.concatenate(
        [(1.0 - ONE_SIDED) * strength[..., None], ONE_SIDED * strength[..., None] * to_lamp], axis=-1
    )
    part = tuple(slice(first[a], last[a]) for a in (2, 1, 0))
    return part, light.astype(np.float32)


def _sees(world: Accelerator, lamp: Lamp, directions: np.ndarray, distances: np.ndarray, falloff: np.ndarray):
    """True (N,) where nothing still is between the cells, `directions` from the lamp, and its surroundings."""
    near = np.flatnonzero((falloff > 1e-3) & (distances > LAMP_BODY))
    out = falloff > 1e-3
    if len(near):
        cells = (lamp.place + distances[near, None] * directions[near]).astype(np.float32)
        firings, steps = np.arange(len(near), dtype=np.int32), np.zeros(len(near), dtype=np.int32)
        rays = Rays(cells, np.ascontiguousarray(-directions[near], dtype=np.float32), firings, steps)
        movers = np.zeros((1, len(world.roots) - 1, 3, 4), dtype=np.float32)
        movers[..., 3] = 1e6  # out of the way
        out[near] = cast(world, rays, movers, lamp.reach).ranges > distances[near] - LAMP_BODY
    return out
