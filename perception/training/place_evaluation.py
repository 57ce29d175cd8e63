"""How well a place network finds places again: on held-out generated drives, and on recorded keyframes.

Every method sees the same level clouds. A generated drive goes round its course twice, the second time the other way
and on the other side of the street; keyframes of the second round are looked for among those of the first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception.evaluation.places import PlaceScores, judge_places
from perception.evaluation.polar_heights import polar_heights, polar_similarity
from perception.place.places import Place, PlaceConfig, PlaceDescriber, compare
from perception.training.place_worlds import ROOF, SCENE, scan, scatter_of
from perception.world.config import Route, WorldConfig
from perception.world.geometry.raycast import build_accelerator
from perception.world.scene import build_scene

STREAM = 2  # of random numbers
SIDE = 2.0  # m between the ways of both rounds, and the middle
RADIUS, REAL_RADIUS = 5.0, 3.0  # m
MIN_GAP = 40  # recorded keyframes between a query and what may be its place
AROUND = 5  # keyframes before and after that make a local map
INT16_STEPS = 0.005  # m


@dataclass(frozen=True, slots=True, eq=False)
class Drive:
    """Keyframes with true poses."""

    clouds: list[np.ndarray]  # (N, 3) float32, m, level
    poses: np.ndarray  # (V, 3): x, y (m), heading (rad)
    eligible: np.ndarray  # (V, V) bool: rows of queries, columns of what they may find


def there_and_back(route: Route, seed: int, spacing: float, max_keyframes: int = 120) -> Drive:
    """A generated drive with a keyframe every `spacing` metres, then the same way back on the other side."""
    scene = build_scene(WorldConfig(seed=seed, route=route, duration=1.0, scene=SCENE))
    world, course = build_accelerator(scene.static), scene.layout.course
    rng = np.random.default_rng([seed, STREAM])
    count = max(2, min(max_keyframes // 2, int(course.length / spacing)))
    stations = (np.arange(count) + 0.5) * spacing
    poses, clouds = [], []
    for turn, shift in ((0.0, 0.0), (np.pi, 0.5 * spacing)):
        values = course.derivative(stations + shift, 0)
        heading = values[:, 3] + turn
        side = scatter_of(route, SIDE) * rng.uniform(0.5, 1.0) * np.stack([np.sin(heading), -np.cos(heading)], axis=1)
        for row in np.column_stack([values[:, :2] + side, values[:, 2], heading]):
            poses.append(row)
            clouds.append(scan(world, row, ROOF, rng))
    is_second = np.arange(2 * count) >= count
    return Drive(clouds, np.array(poses)[:, [0, 1, 3]], is_second[:, None] & ~is_second[None, :])


def recorded_keyframes(folder: Path) -> Drive:
    """Keyframes of a folder of scans with poses, each as a level local map of the keyframes around it."""
    T = np.tile(np.eye(4), (len(list((folder / "scans").glob("*.npz"))), 1, 1))
    T[:, :3] = np.loadtxt(folder / "odom_poses.txt").reshape(-1, 3, 4)[: len(T)]
    scans = [_recorded(path) @ pose[:3, :3].T + pose[:3, 3] for path, pose in zip(_scans(folder), T)]
    headings = np.arctan2(T[:, 1, 0], T[:, 0, 0])
    clouds = []
    for k, heading in enumerate(headings):
        together = np.concatenate(scans[max(0, k - AROUND) : k + AROUND + 1]) - T[k, :3, 3]
        cosine, sine = np.cos(heading), np.sin(heading)
        clouds.append((together @ np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])).astype(np.float32))
    rows = np.arange(len(T))
    eligible = rows[:, None] - rows[None, :] >= MIN_GAP
    return Drive(clouds, np.column_stack([T[:, :2, 3], headings]), eligible)


def scores_of(drives: Sequence[Drive], similarity: Callable[[Drive], np.ndarray], radius: float) -> PlaceScores:
    """Scores of a method over several drives, each of which knows its own places only."""
    total = sum(len(drive.clouds) for drive in drives)
    values, distances = np.full((total, total), -np.inf), np.full((total, total), np.inf)
    eligible, first = np.zeros((total, total), dtype=bool), 0
    for drive in drives:
        part = slice(first, first + len(drive.clouds))
        values[part, part], eligible[part, part] = similarity(drive), drive.eligible
        distances[part, part] = np.linalg.norm(drive.poses[:, None, :2] - drive.poses[None, :, :2], axis=2)
        first += len(drive.clouds)
    return judge_places(values, distances, eligible, radius)


def by_network(places: Sequence[Place]) -> np.ndarray:
    """Similarity (V, V) by the global descriptors."""
    vectors = np.stack([place.descriptor for place in places])
    return vectors @ vectors.T


def reranked(
    drive: Drive, places: Sequence[Place], config: PlaceConfig, count: int, radius: float = RADIUS
) -> np.ndarray:
    """Similarity (V, V) by the global descriptors, but of the `count` best by how many keypoints agree in the plane.

    This is what a robot does: candidates by the index, then their images. A place that the alignment itself puts
    farther away than `radius` (m) is no answer to what lies within it.
    """
    similarity = by_network(places)
    found = similarity.copy()
    for query in np.flatnonzero(drive.eligible.any(axis=1)).tolist():
        columns = np.flatnonzero(drive.eligible[query])
        for row in columns[np.argsort(-similarity[query, columns], kind="stable")[:count]].tolist():
            match = compare(places[query].landmarks, places[row].landmarks, config)
            if match.score > 0.0 and np.linalg.norm(match.planar.shift) <= radius:
                found[query, row] = 1.0 + match.score
    return found


def by_polar_heights(drive: Drive) -> np.ndarray:
    """Similarity (V, V) by greatest heights in polar cells."""
    heights = np.stack([polar_heights(cloud) for cloud in drive.clouds])
    return polar_similarity(heights, heights)


def described(drive: Drive, describer: PlaceDescriber) -> list[Place]:
    """Every keyframe as a place."""
    return [describer.describe(cloud) for cloud in drive.clouds]


def _scans(folder: Path) -> list[Path]:
    return sorted((folder / "scans").glob("*.npz"))


def _recorded(path: Path) -> np.ndarray:
    with np.load(path, allow_pickle=False) as file:
        return np.cumsum(file["dxyz"], axis=1, dtype=np.int16).T * INT16_STEPS
