"""The benchmark of the generated world: `perception bench world`. Speed of its images, exactness of its labels."""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import world_labels
from benchmarks.environment import pins, python_with_peers
from benchmarks.groups import check_only, measure_groups
from benchmarks.jobs import ROOT, child, environment
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, machine, target, versions

if TYPE_CHECKING:
    from perception.world.recording import SyntheticRecording
    from perception.world.sensors.cameras import Exposure

PEERS, OPEN3D = "bench-world", "open3d"
ROUTE, SEED, WEATHER = "district", 3, "day"
VIEW = f"{ROUTE}, 704x256"
NUM_FRAMES = 36  # six moments of six cameras
NUM_THREADS = 2
NUM_VIEWS = 4  # compared with the peer
BRIEF, SHORT, LONG = 1.0, 9.0, 60.0  # s of recording
ALL_SENSORS = "recording, all sensors"
FRAME_RATE, MINUTES, MEMORY, SIZE = 15.0, 15.0, 3.0, 1.5  # images/s; for 60 s: minutes, GB, GB
AGREEING = 99.9  # % of pixels off silhouettes


def run(options: BenchOptions) -> Result:
    """Measure the groups that were asked for. Raises `ConfigError` for an unknown group."""
    result = Result("world", machine(), versions(["numpy", "numba", "opencv-python-headless"]) | pins(PEERS))
    groups: dict[str, Callable[[BenchOptions, Result], None]] = {
        "frames": frames,
        "raycast": raycast,
        "labels": world_labels.measure,
        "recording": recording,
    }
    check_only(groups, options)
    measure_groups(groups, options, result)
    asked = targets(result)
    result.targets = [t for t in asked if t.met is not None] if options.only else asked
    return result


def targets(result: Result) -> list[Target]:
    """Every target of the world; those without a measured row are undecided."""
    bounds = (
        (VIEW, "images per second, two threads", ">=", FRAME_RATE, "1/s"),
        (VIEW, "triangle as the peer has it, off silhouettes", ">=", AGREEING, "%"),
        (VIEW, "depth as the peer has it, off silhouettes", ">=", AGREEING, "%"),
        (ALL_SENSORS, "wall time of 60 s", "<", MINUTES, "min"),
        (ALL_SENSORS, "memory peak", "<", MEMORY, "GB"),
        (ALL_SENSORS, "size of 60 s", "<=", SIZE, "GB"),
        *world_labels.BOUNDS,
    )
    return [target(f"{m}, {d}", bound, result.value(OURS, d, m), sense, unit) for d, m, sense, bound, unit in bounds]


def frames(options: BenchOptions, result: Result) -> None:
    """Images with everything on, and what each stage takes."""
    world = _world()
    renderer = world.renderer
    result.add(OURS, VIEW, "triangles", len(world.world.mesh), "")
    exposures = [world.exposure(camera, 10 * k) for k in range(NUM_FRAMES // 6) for camera in world.cameras]
    for exposure in exposures[: len(world.cameras)]:
        renderer.render(exposure)  # reads the compiled kernels and makes the tables of each lens
    stages: dict[str, list[float]] = {}
    for exposure in exposures[::3]:
        for name, seconds in renderer.render_timed(exposure)[1].items():
            stages.setdefault(name, []).append(seconds)
    for name, seconds in stages.items():
        result.add(OURS, VIEW, f"stage: {name}", 1e3 * statistics.mean(seconds), "ms")
    total = sum(statistics.mean(seconds) for seconds in stages.values())
    result.add(OURS, VIEW, "one image, one thread", 1e3 * total, "ms")
    _outputs(world, exposures[::3], result)
    start = time.perf_counter()
    with ThreadPoolExecutor(NUM_THREADS) as pool:
        list(pool.map(renderer.render, exposures))
    result.add(OURS, VIEW, "images per second, two threads", len(exposures) / (time.perf_counter() - start), "1/s")


def _outputs(world: "SyntheticRecording", exposures: "list[Exposure]", result: Result) -> None:
    """What each label and each file takes beside the image, one thread."""
    from perception.io.datasets.pictures import write_classes, write_depth, write_instances, write_jpeg
    from perception.world.truth.instances import ObjectTruth, semantics_of
    from perception.world.truth.lines import LineTruth

    objects, lines = ObjectTruth(world.scene, world.world), LineTruth(world.scene, world.world)
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="bench-world") as folder:
        jpeg, png = Path(folder) / "image.jpg", Path(folder) / "map.png"
        for exposure in exposures:
            frame = world.renderer.render(exposure)
            labels = objects.labels(exposure, frame.rows)
            for name, make in {
                "boxes and masks": partial(objects.labels, exposure, frame.rows),
                "lines": partial(lines.segments, exposure, frame.rows, frame.depth),
                "JPEG": partial(write_jpeg, jpeg, frame.color),
                "PNG of depth": partial(write_depth, png, frame.depth),
                "PNG of classes": partial(write_classes, png, semantics_of(world.world, frame.rows)),
                "PNG of instances": partial(write_instances, png, labels.instance_map),
            }.items():
                start = time.perf_counter()
                make()
                seconds.setdefault(name, []).append(time.perf_counter() - start)
    for name, times in seconds.items():
        result.add(OURS, VIEW, f"output: {name}", 1e3 * statistics.median(times), "ms")


def raycast(options: BenchOptions, result: Result) -> None:
    """What the rasteriser sees and how long it takes, against a ray caster, on the same views, one thread each."""
    from perception.world.render.visibility import rasterise

    python, world = python_with_peers(PEERS), _world(leaves=False)
    tallies = np.zeros(4)
    ours, theirs = [], []
    for number in range(NUM_VIEWS):
        exposure = world.exposure(world.cameras[0], 20 * number)
        camera, T_world_camera = exposure.camera.model, exposure.T_world_camera[1]
        rasterise(world.world, camera, T_world_camera, exposure.T_world_mover[1])
        start = time.perf_counter()
        seen = rasterise(world.world, camera, T_world_camera, exposure.T_world_mover[1])
        ours.append(time.perf_counter() - start)
        found = _cast_by_peer(python, world_labels.triangles_at(world, exposure), world_labels.pixel_rays(exposure))
        theirs.append(float(found["seconds"]))
        tallies += world_labels.agreement(world, exposure, seen, found)
    same_row, same_depth, same_normal, num = tallies
    result.add(OURS, VIEW, "what is seen, five samples a pixel", 1e3 * statistics.median(ours), "ms")
    result.add(OPEN3D, VIEW, "what is seen, one sample a pixel", 1e3 * statistics.median(theirs), "ms")
    ratio = statistics.median(theirs) / statistics.median(ours)
    result.add(OURS, VIEW, "time of one cast of the peer / time of five samples of ours", ratio, "x")
    result.add(OURS, VIEW, "triangle as the peer has it, off silhouettes", 100.0 * same_row / num, "%")
    result.add(OURS, VIEW, "depth as the peer has it, off silhouettes", 100.0 * same_depth / num, "%")
    result.add(OURS, VIEW, "normal as the peer has it, off silhouettes", 100.0 * same_normal / num, "%")


def recording(options: BenchOptions, result: Result) -> None:
    """`perception synth` with seven cameras, LiDAR and IMU as a process of its own.

    Two short recordings tell the start from what every second takes; with --long a whole minute is recorded.
    """
    start, _ = _synth(BRIEF)
    seconds = LONG if options.long else SHORT
    wall, size = _synth(seconds)
    rate = (wall - start) / (seconds - BRIEF)
    result.add(OURS, ALL_SENSORS, "length", seconds, "s")
    result.add(OURS, ALL_SENSORS, "wall time", wall, "s")
    result.add(OURS, ALL_SENSORS, "wall time of each second", rate, "s")
    result.add(OURS, ALL_SENSORS, "wall time of 60 s", (wall + (LONG - seconds) * rate) / 60.0, "min")
    result.add(OURS, ALL_SENSORS, "size of 60 s", size * LONG / seconds / 1e9, "GB")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9
    result.add(OURS, ALL_SENSORS, "memory peak", peak, "GB")


def _synth(seconds: float) -> tuple[float, int]:
    """Wall time (s) and size (bytes) of a recording with all sensors."""
    with tempfile.TemporaryDirectory(prefix="bench-world") as folder:
        out = Path(folder) / "recording"
        chosen = ["--cameras", "all", "--route", ROUTE, "--seed", str(SEED), "--weather", WEATHER]
        command = [sys.executable, "-m", "perception", "synth", str(out), "--duration", str(seconds), *chosen]
        start = time.perf_counter()
        subprocess.run(command, cwd=ROOT, env=environment(), check=True, capture_output=True)
        wall = time.perf_counter() - start
        return wall, sum(file.stat().st_size for file in out.rglob("*") if file.is_file())


@cache
def _world(leaves: bool = True) -> "SyntheticRecording":
    from perception.core.config import validated
    from perception.world.config import WorldConfig
    from perception.world.recording import SyntheticRecording

    scene = {} if leaves else {"scene": {"leaves_per_tree": 0}}
    values = {"route": ROUTE, "seed": SEED, "duration": 10.0, "weather": WEATHER, "cameras": {"num_surround": 6}}
    return SyntheticRecording(validated(WorldConfig, values | scene))


def _cast_by_peer(python: str, triangles: np.ndarray, rays: np.ndarray) -> dict[str, np.ndarray]:
    with tempfile.TemporaryDirectory(prefix="bench-rays") as folder:
        source, out = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(source, triangles=triangles, rays=rays)
        child([python, "-m", "benchmarks.raycast_peer", str(source), str(out)])
        with np.load(out, allow_pickle=False) as arrays:
            return dict(arrays)
