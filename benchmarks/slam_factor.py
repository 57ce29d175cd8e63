"""Images in the odometry: a tunnel with niches and pillars, where they must help, and other drives, where not hurt.

Error along the axis: of the position, with the first poses laid onto each other, root mean square over the drive.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from benchmarks import clouds, slam_drives
from benchmarks.degeneracy import CORRIDOR, FLAGGED, count
from benchmarks.jobs import cores
from benchmarks.options import BenchOptions
from benchmarks.result import Result, Target, target
from benchmarks.slam_loops import LIMITS, add_loops, ate
from benchmarks.slam_run import BEV1, BEV8, LIO, LOOPS, VARIANTS, Outcome, run
from perception.core.geometry import inverse
from perception.core.trajectory import Trajectory
from perception.evaluation.association import poses_at

OTHERS = (slam_drives.OFFICE, slam_drives.STREET)
ALONG, ATE, DEGENERATE = "error along the axis", "ATE", "scans flagged degenerate"
TUNNEL = "tunnels, three seeds"
NOISY_TUNNEL = "tunnels, three seeds, 10x IMU noise"
BARE_TUNNEL = "bare tunnels, two seeds"
GROUPS = {
    TUNNEL: slam_drives.TUNNELS,
    BARE_TUNNEL: tuple(slam_drives.BARE_TUNNELS),
    NOISY_TUNNEL: slam_drives.NOISY_TUNNELS,
}
LESS, SHARE, LEAST = 0.7, 1.02, 0.005  # of the error without images; of the ATE elsewhere, or m more


def measure(options: BenchOptions, result: Result) -> None:
    """LIO, +BEV(1), +BEV(8) and +loops on every drive, two at a time: only accuracy counts here."""
    tunnels = tuple(name for names in GROUPS.values() for name in names)
    names = tunnels + OTHERS + ((slam_drives.TOWN,) if options.long else ())
    sources = {name: slam_drives.drive(options, name) for name in names}
    looping = (*slam_drives.TUNNELS, slam_drives.TOWN)
    work = [(name, variant) for name in names for variant in VARIANTS if variant != LOOPS or name in looping]
    options.say(f"factor: {len(work)} runs")

    def one(key: tuple[str, str]) -> Outcome:
        with tempfile.TemporaryDirectory(prefix="bench-factor") as folder:
            return run(sources[key[0]], key[1], Path(folder))

    with ThreadPoolExecutor(len(cores())) as pool:
        found = dict(zip(work, pool.map(one, work)))
    for (name, variant), outcome in found.items():
        reference = clouds.read(sources[name]).reference
        estimate = outcome.mapped if variant == LOOPS else outcome.odometry
        result.add(variant, name, ATE, ate(estimate, reference), "m")
        if name in tunnels:
            result.add(variant, name, ALONG, along(estimate, reference), "m")
            result.add(variant, name, DEGENERATE, 100.0 * outcome.degenerate / len(outcome.odometry), "%")
        if variant == LOOPS:
            add_loops(result, name, outcome, reference, LIMITS)
    flagged, registered = count("world", CORRIDOR)
    result.add(LIO, CORRIDOR, FLAGGED, 100.0 * flagged / registered, "%")


def targets(result: Result) -> list[Target]:
    """What images must do where geometry says too little, and must not do elsewhere."""
    found = []
    for variant in (BEV1, BEV8):
        for text, names in GROUPS.items():
            ratios = [_ratio(result, variant, name, ALONG) for name in names]
            mean = None if None in ratios else float(np.mean([value for value in ratios if value is not None]))
            found.append(target(f"{ALONG}, {variant} / {LIO}, mean of {text}", LESS, mean))
        for name in OTHERS:
            before, after = result.value(LIO, name, ATE), result.value(variant, name, ATE)
            bound = None if before is None else max(SHARE * before, before + LEAST)
            text = f"ATE, {variant}, {name}, against {LIO}"
            found.append(
                Target(text, "<= 2 % or 5 mm more", None, None)
                if bound is None
                else target(text, bound, after, unit="m")
            )
    return [*found, target(f"{FLAGGED}, {CORRIDOR}", 95.0, result.value(LIO, CORRIDOR, FLAGGED), ">=", "%")]


def along(estimate: Trajectory, reference: Trajectory) -> float | None:
    """Error (m) along x of the world, which is the axis of a tunnel."""
    if len(estimate) == 0:
        return None
    true = poses_at(reference, estimate.stamps_ns)
    moved = true[0] @ inverse(estimate.poses[0]) @ estimate.poses
    return float(np.sqrt(np.mean((moved[:, 0, 3] - true[:, 0, 3]) ** 2)))


def _ratio(result: Result, variant: str, name: str, metric: str) -> float | None:
    before, after = result.value(LIO, name, metric), result.value(variant, name, metric)
    return None if not before or after is None else after / before
