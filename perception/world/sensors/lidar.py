"""LiDAR scans of a generated world: the pattern of the beams, where they hit, and which of them come back.

Every beam leaves from where the moving sensor is at its own time, and meets what moves where that is at the time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from perception.core.geometry import inverse
from perception.core.stamps import NS_PER_MS
from perception.core.types import Scan
from perception.world.config import BeamConfig, Lidar
from perception.world.geometry.raycast import Accelerator, Hits, Rays, cast
from perception.world.materials import REFLECTIVITY
from perception.world.motion import Vehicle, lever
from perception.world.movers import Mover
from perception.world.scene import Scene

SWEEP_NS = 100 * NS_PER_MS
TOP_DEG, BOTTOM_DEG = 20.0, -25.0  # of the spinning pattern, evenly spaced
LIVOX_FIRINGS, LIVOX_LINES = 4000, 6  # per sweep, and beams of each
LIVOX_HALF_FOV = np.radians(35.2)
LIVOX_PRISM_HZ = (121.57, -77.73)  # two prisms turning against each other; no common period within minutes
LIVOX_LINE_STEP = np.radians(0.19)
NUM_STEPS = 20  # places of moving objects per sweep: a car at 10 m/s moves 5 cm between two of them
REFERENCE_REFLECTIVITY = 0.1
STEPS_PER_M = np.float32(512.0)  # of coordinates: sensors count in millimetres, and rounded numbers pack better
STEEPNESS = 2.0  # of the loss of beams around the limit of the link budget
MAX_TANGENT = 8.0  # of the incidence, for the noise
NOISE_STREAM = 1  # random streams of one seed, see `ImuSimulator` for the other


@dataclass(frozen=True, slots=True, eq=False)
class Pattern:
    """The beams of one sweep in the frame of the sensor."""

    offsets_ns: np.ndarray  # (F,) int64, time of each firing after the start of the sweep
    directions: np.ndarray  # (F, B, 3) float32, unit, of the B beams of each firing


@dataclass(frozen=True, slots=True, eq=False)
class LidarScan:
    """A scan with what a driver adds to the points, and what only a generated world knows."""

    scan: Scan
    intensities: np.ndarray  # (N,) float32, 0 to 255
    rings: np.ndarray  # (N,) uint16, number of the beam, from below
    rows: np.ndarray  # (N,) int32, triangle of `Accelerator.mesh` that was hit


def pattern(kind: Lidar, sweep: int, beams: BeamConfig) -> Pattern:
    """The beams of sweep number `sweep`; the spinning pattern is the same in each, the rosette never repeats."""
    return _rosette(sweep) if kind == "livox" else _spinning(beams.num_rings, beams.num_columns)


class LidarSimulator:
    """Makes the scans of one recording, each on its own and from any thread."""

    def __init__(
        self, scene: Scene, world: Accelerator, vehicle: Vehicle, T_base_lidar: np.ndarray, beams: BeamConfig, seed: int
    ) -> None:
        self.scene, self.world, self.vehicle = scene, world, vehicle
        self.T_base_lidar, self.beams, self.seed = T_base_lidar, beams, seed

    def scan(self, kind: Lidar, sweep: int, epoch_ns: int, frame_id: str) -> LidarScan:
        """Sweep number `sweep` of a recording that starts at `epoch_ns`."""
        start_ns = sweep * SWEEP_NS
        beams = pattern(kind, sweep, self.beams)
        rays, T_mover_world = self._rays(beams, start_ns)
        hits = cast(self.world, rays, T_mover_world, self.beams.max_range)
        rng = np.random.default_rng([self.seed, NOISE_STREAM, sweep])
        reflectivity = REFLECTIVITY[self.world.mesh.material_ids[np.maximum(hits.rows, 0)]]
        returned = returns(hits, reflectivity, self.beams, rng)
        ranges = noisy_ranges(hits, self.beams, rng)
        intensities = _intensities(hits, reflectivity, rng)
        points = beams.directions.reshape(-1, 3)[returned] * ranges[returned, None]
        points = np.round(points * STEPS_PER_M) / STEPS_PER_M
        num_beams = beams.directions.shape[1]
        return LidarScan(
            Scan(epoch_ns + start_ns, frame_id, points, beams.offsets_ns[rays.firings[returned]], SWEEP_NS),
            intensities[returned],
            (np.flatnonzero(returned) % num_beams).astype(np.uint16),
            hits.rows[returned],
        )

    def _rays(self, beams: Pattern, start_ns: int) -> tuple[Rays, np.ndarray]:
        """All beams in world axes, and the places of the movers that are near."""
        state = lever(self.vehicle.state(start_ns + beams.offsets_ns), self.T_base_lidar)
        num_firings, num_beams = beams.directions.shape[:2]
        origins = self.scene.wrapped(state.position, state.position[0, 0])
        directions = np.matmul(beams.directions, np.swapaxes(state.R_world_body, 1, 2).astype(np.float32))
        steps = np.minimum(beams.offsets_ns * NUM_STEPS // SWEEP_NS, NUM_STEPS - 1).astype(np.int32)
        rays = Rays(
            origins.astype(np.float32),
            directions.reshape(-1, 3),
            np.repeat(np.arange(num_firings, dtype=np.int32), num_beams),
            steps,
        )
        times_ns = start_ns + (2 * np.arange(NUM_STEPS) + 1) * SWEEP_NS // (2 * NUM_STEPS)
        return rays, mover_transforms(self.scene, self.scene.movers, times_ns, float(state.position[0, 0]))


def mover_transforms(scene: Scene, movers: Sequence[Mover], times_ns: np.ndarray, x: float) -> np.ndarray:
    """`T_mover_world` (S, M, 3, 4) float32 for `cast`, seen from a sensor at `x` in a world that may repeat."""
    T = np.zeros((len(times_ns), len(movers), 3, 4), dtype=np.float32)
    for m, mover in enumerate(movers):
        T_world_mover = mover.motion.poses(times_ns)
        T_world_mover[:, :3, 3] = scene.wrapped_mover(T_world_mover[:, :3, 3], x)
        T[:, m] = inverse(T_world_mover)[:, :3]
    return T


def returns(hits: Hits, reflectivity: np.ndarray, config: BeamConfig, rng: np.random.Generator) -> np.ndarray:
    """Which beams come back (N,) bool: enough light returns (lidar equation for a diffuse target), and no bad luck."""
    chance = rng.random(len(hits.ranges), dtype=np.float32)
    with np.errstate(divide="ignore"):
        signal = reflectivity / REFERENCE_REFLECTIVITY * hits.cosines * (config.range_at_10_percent / hits.ranges) ** 2
        detected = (1.0 - config.dropout) / (1.0 + signal**-STEEPNESS)
    return (chance < detected) & (hits.ranges >= config.min_range) & (hits.ranges <= config.max_range)


def noisy_ranges(hits: Hits, config: BeamConfig, rng: np.random.Generator) -> np.ndarray:
    """Ranges (N,) float32 as the sensor measures them."""
    sigma = range_sigma(hits.ranges, hits.cosines, config).astype(np.float32)
    return hits.ranges + sigma * rng.standard_normal(len(sigma), dtype=np.float32)


def range_sigma(ranges: np.ndarray, cosines: np.ndarray, config: BeamConfig) -> np.ndarray:
    """Standard deviation (N,) of ranges (m); grows with the range and at a grazing angle (|cos| of the incidence)."""
    cosines = np.maximum(cosines, 1e-3)
    tangent = np.minimum(np.sqrt(np.maximum(1.0 - cosines**2, 0.0)) / cosines, MAX_TANGENT)
    far = config.far_noise * np.minimum(ranges, config.max_range)
    return np.sqrt(config.range_noise**2 + (config.grazing_noise * tangent) ** 2 + far**2)


def _intensities(hits: Hits, reflectivity: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Range-corrected brightness, whole numbers from 0 to 255, with 5 % speckle."""
    speckle = 1.0 + 0.05 * rng.standard_normal(len(reflectivity), dtype=np.float32)
    return np.clip(np.round(255.0 * reflectivity * np.sqrt(hits.cosines) * speckle), 0.0, 255.0).astype(np.float32)


@cache
def _spinning(num_rings: int, num_columns: int) -> Pattern:
    """Beams above each other that fire together, `num_columns` times a turn, clockwise from the back."""
    azimuth = np.pi - 2.0 * np.pi * np.arange(num_columns) / num_columns
    elevation = np.radians(np.linspace(BOTTOM_DEG, TOP_DEG, num_rings))
    directions = _directions(np.broadcast_to(azimuth[:, None], (num_columns, num_rings)), elevation[None])
    return Pattern(np.arange(num_columns, dtype=np.int64) * SWEEP_NS // num_columns, directions)


def _rosette(sweep: int) -> Pattern:
    """Two turning prisms bend a fan of beams: circles within a circle that drift on without end."""
    offsets_ns = np.arange(LIVOX_FIRINGS, dtype=np.int64) * SWEEP_NS // LIVOX_FIRINGS
    seconds = (sweep * SWEEP_NS + offsets_ns) * 1e-9
    first, second = (2.0 * np.pi * np.mod(rate * seconds, 1.0) for rate in LIVOX_PRISM_HZ)
    reach = 0.5 * (LIVOX_HALF_FOV - LIVOX_LINES * LIVOX_LINE_STEP / 2)
    lines = LIVOX_LINE_STEP * (np.arange(LIVOX_LINES) - (LIVOX_LINES - 1) / 2)
    azimuth = reach * (np.cos(first) + np.cos(second))
    elevation = reach * (np.sin(first) + np.sin(second))[:, None] + lines
    return Pattern(offsets_ns, _directions(np.broadcast_to(azimuth[:, None], elevation.shape), elevation))


def _directions(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    x, y = np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth)
    return np.stack([x, y, np.broadcast_to(np.sin(elevation), x.shape)], axis=-1).astype(np.float32)
