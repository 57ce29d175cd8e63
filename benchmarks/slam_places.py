"""Places found again: our network beside polar heights (as Scan Context) and MapClosures, on the same level clouds.

Held-out worlds are driven there, and back on the other side of the street; the real drive is one with local maps of
+-5 keyframes. What looks most alike counts within 5 m (3 m), and a threshold must tell right from wrong.
"""

import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.detection_peers import cache_folder, data_folder
from benchmarks.drives import SHARED
from benchmarks.environment import python_with_peers
from benchmarks.jobs import JobFailed, child, cores
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target
from benchmarks.slam_peers import MAP_CLOSURES, REQUIREMENTS
from perception.evaluation.places import PlaceScores
from perception.place.places import Place, PlaceConfig, PlaceDescriber
from perception.training.place_evaluation import (
    RADIUS,
    REAL_RADIUS,
    Drive,
    by_network,
    by_polar_heights,
    described,
    recorded_keyframes,
    reranked,
    scores_of,
    there_and_back,
)
from perception.training.place_worlds import PlaceViews, read_views, write_views

FOLDER = "slam-places"
WORLDS = (("district", 1_000_000), ("campus", 1_000_001), ("office", 1_000_002))
MORE_WORLDS = (("district", 1_000_010), ("campus", 1_000_011), ("office", 1_000_012))
SPACING, KEYFRAMES = 4.0, 100  # m between keyframes, and of a world at most, both ways
GENERATED, REAL = "held-out drives, there and back", "livox_keyframes_hku2"
ALONE, POLAR = f"{OURS}, descriptors alone", "polar heights"
RECALL, FULL, LOW, HIGH = "recall@1", "recall at precision 1", "recall@1, 95 % from", "recall@1, 95 % to"
LEVELS = tuple(k / 10 for k in range(1, 11))
WANTED_RECALL, WANTED_FULL = 95.0, 60.0  # %


def precision_at(level: float) -> str:
    """The metric of one point of the curve."""
    return f"precision at recall {level:.1f}"


def measure(options: BenchOptions, result: Result) -> None:
    """Every method on the generated drives and on the real one, both at a time."""
    python = python_of_peers()
    with ThreadPoolExecutor(len(cores())) as pool:
        worlds = (*WORLDS, *(MORE_WORLDS if options.long else ()))
        held_out = list(pool.map(lambda world: _world(options, *world), worlds))
        sets = [(GENERATED, held_out, RADIUS)]
        if (SHARED / REAL).is_dir():
            sets.append((REAL, [recorded_keyframes(SHARED / REAL)], REAL_RADIUS))
        else:
            result.add(OURS, REAL, RECALL, None, "not measured: it is not beside this checkout")
        for part in pool.map(lambda one: scored(options, python, *one), sets):
            result.rows += part.rows


def targets(result: Result) -> list[Target]:
    """What place recognition must reach."""
    rival = [result.value(method, REAL, RECALL) for method in (POLAR, MAP_CLOSURES)]
    best = max((value for value in rival if value is not None), default=None)
    ours = result.value(OURS, REAL, RECALL)
    found = [
        target(f"{RECALL} at 5 m, {GENERATED}", WANTED_RECALL, result.value(OURS, GENERATED, RECALL), ">=", "%"),
        target(f"{FULL}, {GENERATED}", WANTED_FULL, result.value(OURS, GENERATED, FULL), ">=", "%"),
    ]
    name = f"{RECALL} at 3 m, {REAL}, against the best peer"
    found.append(
        Target(name, "> best peer", ours, None) if None in rival or best is None else target(name, best, ours, ">", "%")
    )
    return found


def python_of_peers() -> str | JobFailed:
    """The interpreter with the peers, or why there is none."""
    try:
        return python_with_peers(REQUIREMENTS)
    except JobFailed as failure:
        return failure


def scored(options: BenchOptions, python: str | JobFailed, data: str, drives: list[Drive], radius: float) -> Result:
    """Rows of every method over some drives."""
    options.say(f"{data}: {sum(len(drive.clouds) for drive in drives)} keyframes")
    result, describer = Result(data), _describer()
    places = {id(drive): described(drive, describer) for drive in drives}
    methods: dict[str, Callable[[Drive], np.ndarray]] = {
        OURS: partial(_reranked, places, describer.config, radius),
        ALONE: partial(_alone, places),
        POLAR: by_polar_heights,
    }
    for method, similarity in methods.items():
        add_rows(result, method, data, scores_of(drives, similarity, radius))
    try:
        if isinstance(python, JobFailed):
            raise python
        add_rows(result, MAP_CLOSURES, data, scores_of(drives, partial(by_map_closures, python), radius))
    except JobFailed as failure:
        result.add(MAP_CLOSURES, data, RECALL, None, f"not measured: {failure}")
    return result


def add_rows(result: Result, method: str, data: str, scores: PlaceScores) -> None:
    """What the scores say, and the curve at ten recalls: the best precision at that recall or a larger one."""
    result.add(method, data, RECALL, 100.0 * scores.recall_at_1, "%")
    for name, bound in zip((LOW, HIGH), scores.interval):
        result.add(method, data, name, 100.0 * bound, "%")
    result.add(method, data, FULL, 100.0 * scores.recall_at_full_precision, "%")
    result.add(method, data, "queries", scores.num_queries, "")
    for level in LEVELS:
        reached = scores.precisions[scores.recalls >= level - 1e-9]
        result.add(method, data, precision_at(level), 100.0 * reached.max() if len(reached) else 0.0, "%")


def by_map_closures(python: str, drive: Drive) -> np.ndarray:
    """Similarity (V, V) by the inliers that MapClosures reports; ties, and pairs it says nothing of, by lot."""
    with tempfile.TemporaryDirectory(prefix="bench-closures") as folder:
        maps, out = Path(folder) / "maps.npz", Path(folder) / "out.npz"
        np.savez(maps, points=np.concatenate(drive.clouds), lengths=[len(cloud) for cloud in drive.clouds])
        child([python, "-m", "benchmarks.slam_peers", "closures", str(maps), str(out)])
        with np.load(out, allow_pickle=False) as file:
            inliers = file["inliers"].astype(np.float64)
    return inliers + np.random.default_rng(0).uniform(0.0, 1e-3, inliers.shape)


def _world(options: BenchOptions, route: str, seed: int) -> Drive:
    name = f"{route}-{seed}.npz"
    path = next((f / FOLDER / name for f in (data_folder(), cache_folder()) if (f / FOLDER / name).is_file()), None)
    if path is None:
        options.say(f"places: casting {route} {seed}")
        path = data_folder() / FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        child([sys.executable, "-m", "benchmarks.slam_places", str(path), route, str(seed)])
    views = read_views(path)
    is_second = views.places == 1
    return Drive(views.clouds, views.poses, is_second[:, None] & ~is_second[None, :])


def make(path: str, route: str, seed: str) -> None:
    """Cast one world and store its keyframes; place 1 is the way back."""
    drive = there_and_back(route, int(seed), SPACING, KEYFRAMES)  # type: ignore[arg-type]
    is_second = np.asarray(drive.eligible.any(axis=1), dtype=np.int64)
    write_views(PlaceViews(drive.clouds, drive.poses, is_second, f"{route}-{seed}"), Path(path))


def _describer() -> PlaceDescriber:
    from perception.place.descriptors import open_place_network

    config = PlaceConfig()
    return PlaceDescriber(config, open_place_network(config.network, config.bev.side))


def _reranked(places: dict[int, list[Place]], config: PlaceConfig, radius: float, drive: Drive) -> np.ndarray:
    return reranked(drive, places[id(drive)], config, config.index.candidates, radius)


def _alone(places: dict[int, list[Place]], drive: Drive) -> np.ndarray:
    return by_network(places[id(drive)])


if __name__ == "__main__":
    make(*sys.argv[1:])
