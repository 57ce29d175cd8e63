"""Scans of generated worlds to learn places from: each place seen several times, from near it, by other sensors.

Only what stands still is cast, and only for LiDARs: a world takes seconds. Clouds are level (gravity is known on a
robot), thinned, and lie in the frame of the sensor with x ahead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from pydantic import Field

from perception.core.config import Config
from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.core.geometry import exp_so3
from perception.kernels.voxels import VoxelScratch, voxel_indices
from perception.world.config import Route, SceneConfig, WorldConfig
from perception.world.geometry.raycast import Accelerator, Rays, build_accelerator, cast, no_movers
from perception.world.layout import INDOOR
from perception.world.motion import Course
from perception.world.scene import build_scene

STEPS_PER_M = 100.0  # of stored coordinates
MAX_STORED = 320.0  # m
REACH = 60.0  # m: what an image of 40 m to each side may show at any heading
THINNED = 0.2  # m: half a voxel of the images
PLACES_STREAM = 1  # of random numbers
INDOOR_SCATTER = 0.4  # m
SCENE = SceneConfig(leaves_per_tree=80, clutter=0.5, num_pedestrians=0, num_animals=0, num_moving_cars=0)


class PlaceWorldsConfig(Config):
    """Which worlds, and how they are seen."""

    routes: tuple[Route, ...] = Field(
        ("district", "campus", "office", "tunnel"), min_length=1, description="One after another."
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of the first world; from 1 000 000 on: held-out ones.")
    spacing: float = Field(8.0, ge=2.0, le=100.0, description="Distance (m) between places along the course.")
    views: int = Field(3, ge=1, le=16, description="Scans of each place.")
    scatter: float = Field(
        2.5, ge=0.0, le=10.0, description="Largest offset (m) of a view from its place, along and across."
    )
    max_places: int = Field(48, ge=2, le=10_000, description="Places of a world at most.")
    is_one_sensor: bool = Field(False, description="A 64-beam sensor on a roof for all views, instead of any.")


@dataclass(frozen=True, slots=True, eq=False)
class PlaceViews:
    """Scans of the places of one world."""

    clouds: list[np.ndarray]  # V of (N, 3) float32, m, level, x ahead
    poses: np.ndarray  # (V, 3) float64: x, y (m) and heading (rad) in the world
    places: np.ndarray  # (V,) int64, number of the place
    name: str

    def __len__(self) -> int:
        return len(self.clouds)


@dataclass(frozen=True, slots=True)
class Sensor:
    """A spinning LiDAR."""

    num_rings: int
    num_columns: int
    top: float  # rad, of the highest ring
    bottom: float
    height: float  # m above the ground
    noise: float  # m

    def directions(self) -> np.ndarray:
        """Unit vectors (columns * rings, 3) float32."""
        azimuth = np.linspace(0.0, 2.0 * np.pi, self.num_columns, endpoint=False)
        a, e = np.meshgrid(azimuth, np.linspace(self.bottom, self.top, self.num_rings), indexing="ij")
        found = np.stack([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)], axis=-1)
        return found.reshape(-1, 3).astype(np.float32)


ROOF = Sensor(64, 720, np.radians(20.0), np.radians(-25.0), 1.85, 0.015)


def any_sensor(rng: np.random.Generator) -> Sensor:
    """A sensor as robots carry them."""
    rings = int(rng.choice([16, 24, 32, 48]))
    top, bottom = np.radians(rng.uniform(2.0, 25.0)), np.radians(rng.uniform(-28.0, -14.0))
    return Sensor(rings, int(rng.integers(400, 800)), top, bottom, rng.uniform(0.4, 2.2), rng.uniform(0.005, 0.03))


def generate(config: PlaceWorldsConfig, num_worlds: int, folder: Path) -> Iterator[Path]:
    """Write one file per world into `folder`; those that are there are kept. Yields each file."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(num_worlds):
        route = config.routes[number % len(config.routes)]
        path = folder / f"{route}-{config.seed + number}.npz"
        if not path.exists():
            write_views(see_world(config, route, config.seed + number), path)
        yield path


def see_world(config: PlaceWorldsConfig, route: Route, seed: int) -> PlaceViews:
    """The places along the course of a world."""
    scene = build_scene(WorldConfig(seed=seed, route=route, duration=1.0, scene=SCENE))
    world, course = build_accelerator(scene.static), scene.layout.course
    rng = np.random.default_rng([seed, PLACES_STREAM])
    count = max(2, min(config.max_places, int(course.length / config.spacing)))
    places = np.repeat(np.arange(count), config.views)
    stations = places * (course.length / count) + rng.uniform(-config.scatter, config.scatter, len(places))
    poses = _poses(course, stations, scatter_of(route, config.scatter), rng)
    sensors = [ROOF if config.is_one_sensor else any_sensor(rng) for _ in places]
    clouds = [scan(world, pose, sensor, rng) for pose, sensor in zip(poses, sensors)]
    return PlaceViews(clouds, poses[:, [0, 1, 3]], places, f"{route}-{seed}")


def scatter_of(route: Route, scatter: float) -> float:
    """How far (m) beside the course it is free of walls: a corridor is narrower than a street."""
    return min(scatter, INDOOR_SCATTER) if route in INDOOR else scatter


def scan(world: Accelerator, pose: np.ndarray, sensor: Sensor, rng: np.random.Generator) -> np.ndarray:
    """What a sensor sees from above `pose` (4,), x, y, z of the ground and heading: (N, 3) float32, thinned."""
    directions = sensor.directions()
    ahead = exp_so3(np.array([0.0, 0.0, pose[3]]))
    tilt = exp_so3(np.append(rng.normal(0.0, np.radians(0.5), 2), 0.0))  # what the filter does not know of gravity
    origin = (pose[:3] + np.array([0.0, 0.0, sensor.height])).astype(np.float32)
    turned = np.ascontiguousarray(directions @ (ahead @ tilt).T.astype(np.float32))
    columns = np.arange(sensor.num_columns, dtype=np.int32)
    rays = Rays(
        np.tile(origin, (len(columns), 1)), turned, np.repeat(columns, sensor.num_rings), np.zeros_like(columns)
    )
    hits = cast(world, rays, no_movers(), REACH + sensor.height)
    is_hit = np.isfinite(hits.ranges) & (hits.ranges > 0.8) & (rng.random(len(turned)) > 0.02)
    ranges = hits.ranges[is_hit] + rng.normal(0.0, sensor.noise, int(is_hit.sum())).astype(np.float32)
    points = directions[is_hit] * ranges[:, None]
    return points[voxel_indices(points, THINNED, VoxelScratch())].astype(np.float32)


def write_views(views: PlaceViews, path: Path) -> None:
    """Store views, coordinates to a centimetre."""
    file, lengths = BytesIO(), np.array([len(cloud) for cloud in views.clouds], dtype=np.int64)
    points = np.concatenate([*views.clouds, np.zeros((0, 3), dtype=np.float32)])
    stored = np.rint(np.clip(points, -MAX_STORED, MAX_STORED) * STEPS_PER_M).astype(np.int16)
    np.savez_compressed(file, points=stored, lengths=lengths, poses=views.poses, places=views.places)
    write_atomic(path, file.getvalue())


def read_views(path: Path) -> PlaceViews:
    """Read what `write_views` wrote. Raises `InvalidInput`."""
    try:
        with np.load(path, allow_pickle=False) as file:
            points, lengths, poses, places = (file[name] for name in ("points", "lengths", "poses", "places"))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise InvalidInput(f"{path}: is no file of places ({error}); make it again") from None
    if points.ndim != 2 or lengths.sum() != len(points) or not len(lengths) == len(poses) == len(places):
        raise InvalidInput(f"{path}: its arrays do not fit together; make it again")
    clouds = np.split(points.astype(np.float32) / np.float32(STEPS_PER_M), np.cumsum(lengths)[:-1])
    return PlaceViews(clouds, poses, places, path.stem)


def _poses(course: Course, stations: np.ndarray, scatter: float, rng: np.random.Generator) -> np.ndarray:
    """x, y, z of the ground and any heading (V, 4), up to `scatter` (m) beside stations along a course."""
    values = course.derivative(stations, 0)
    side = np.stack([-np.sin(values[:, 3]), np.cos(values[:, 3])], axis=1)
    offsets = rng.uniform(-scatter, scatter, len(stations))[:, None] * side
    heading = rng.uniform(-np.pi, np.pi, len(stations))
    return np.column_stack([values[:, :2] + offsets, values[:, 2], heading])
