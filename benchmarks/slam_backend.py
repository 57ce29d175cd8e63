"""The back end: pose graphs, updates, the front end beside them, maps and kills, many recordings.

Rows of `updates` are one graph of 5 000 keyframes with loops; `beside` times a loop of NumPy and Numba work, as a
front end does it every 100 ms, with and without the process of the pose graph at work on the optimum of 3 000 of them.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil

from benchmarks.drives import SHARED
from benchmarks.jobs import ROOT, environment
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target
from tests.unit.slam.graphs import Laps, laps
from tests.unit.slam.maps_made import append, made, straight

if TYPE_CHECKING:
    from slam.graph.process import GraphProcess

GRAPHS = ("intel", "kitti_00", "parking-garage", "sphere2500")
SMALL_GRAPHS = ("intel", "parking-garage")  # the others are fed 50 poses at a time but with --long
GROUP = 50  # poses
GROWN, IMPORTED_CHI2 = "chi2 above the optimum, as fed", "chi2 above the optimum, map import"
NUM_KEYFRAMES, PER_LAP, EVERY = 5000, 500, 25
UPDATES, BESIDE, FOLDER = f"{NUM_KEYFRAMES} keyframes", "front end", "map folder"
FLEET = "4 x kitti_raw_0005"
NUM_SCANS, PERIOD = 200, 0.1  # of the front end beside; s
NUM_KILLS = 50


def targets(result: Result) -> list[Target]:
    """Every target of the back end; those without a measured row are undecided."""
    found = [
        target(f"{metric}, {name}", 0.1, result.value(OURS, name, metric), unit="%")
        for name in GRAPHS
        for metric in (GROWN, IMPORTED_CHI2)
    ]
    found.append(
        target("iSAM2 update p95 at 5 000 keyframes", 50.0, result.value(OURS, UPDATES, "update p95"), "<", "ms")
    )
    found.append(target("front end p95 beside the graph", 10.0, result.value(OURS, BESIDE, "p95 rise"), "<=", "%"))
    found.append(target("keyframes lost by a kill, at most", 1.0, result.value(OURS, FOLDER, "lost, most"), "<="))
    return found


def graphs(options: BenchOptions, result: Result) -> None:
    """The public pose graphs: fed edge by edge or in groups of new poses, settled, and imported as maps."""
    from slam.graph.config import IMPORTED
    from slam.graph.g2o import read_g2o
    from slam.graph.pose_graph import PoseGraph
    from slam.maps.importing import import_g2o

    best = json.loads((SHARED / "pose_graphs/reference_costs.json").read_text())
    for name in SMALL_GRAPHS if options.is_quick else GRAPHS:
        source, group = SHARED / f"pose_graphs/{name}.g2o", 1 if options.long or name in SMALL_GRAPHS else GROUP
        file, graph, took = read_g2o(source), PoseGraph(IMPORTED), []
        graph.add_first(file.ids()[0], np.eye(4))
        for edge in file.in_order():
            newest = max(edge.from_id, edge.to_id)
            if newest not in graph and newest % group == 0:
                took.append(_timed(graph.update))
            graph.add(edge)
        took.append(_timed(graph.update))
        optimum = best[name]["chi2_best"]
        result.add(OURS, name, "poses in an update", group, "")
        result.add(OURS, name, GROWN, 100.0 * (graph.chi2() / optimum - 1.0), "%")
        result.add(OURS, name, "update p95", float(np.percentile(took, 95)), "ms")
        result.add(OURS, name, "settling", _timed(graph.settle), "ms")
        with tempfile.TemporaryDirectory(prefix="bench-graph") as folder:
            imported = import_g2o(source, Path(folder) / "map")
        result.add(OURS, name, IMPORTED_CHI2, 100.0 * (imported.chi2 / optimum - 1.0), "%")


def updates(options: BenchOptions, result: Result) -> None:
    """Keyframe by keyframe up to 5 000, with a loop at every 25th; the last 1 000 updates count."""
    from slam.graph.pose_graph import PoseGraph

    data = laps(NUM_KEYFRAMES, PER_LAP, every=EVERY)
    closures, graph = {loop.to_id: loop for loop in data.loops}, PoseGraph()
    graph.add_first(0, np.eye(4))
    times: dict[bool, list[float]] = {True: [], False: []}
    for edge in data.odometry:
        graph.add(edge)
        if edge.to_id in closures:
            graph.add(closures[edge.to_id])
        took = _timed(graph.update)
        if edge.to_id >= NUM_KEYFRAMES - 1000:
            times[edge.to_id in closures].append(took)
    everything = times[True] + times[False]
    for name, values in (("update", everything), ("update with a loop", times[True]), ("update without", times[False])):
        result.add(OURS, UPDATES, f"{name} median", float(np.median(values)), "ms")
        result.add(OURS, UPDATES, f"{name} p95", float(np.percentile(values, 95)), "ms")
        result.add(OURS, UPDATES, f"{name} max", float(np.max(values)), "ms")
    result.add(OURS, UPDATES, "loops undone, all true", len(graph.undone), "")


def beside(options: BenchOptions, result: Result) -> None:
    """What a scan costs the front end while the graph's process works all the time, and while it does nothing."""
    from perception.kernels.voxels import VoxelScratch, voxel_indices
    from slam.graph.process import GraphProcess

    points, scratch = np.random.default_rng(0).uniform(-50, 50, (60_000, 3)).astype(np.float32), VoxelScratch()
    data = laps(3000, PER_LAP, every=EVERY)

    def scans(step: Callable[[int], None]) -> np.ndarray:
        times = []
        for index in range(NUM_SCANS):
            begin = time.perf_counter()
            for _ in range(5):
                voxel_indices(points, 0.5, scratch)
            step(index)
            times.append(1e3 * (time.perf_counter() - begin))
            time.sleep(max(0.0, PERIOD / 4 - (time.perf_counter() - begin)))
        return np.array(times)

    scans(lambda index: None)
    alone = scans(lambda index: None)
    with GraphProcess() as graph:
        _feed(graph, data)
        graph.wait(600.0)

        def ask(index: int) -> None:
            graph.poll()
            if not graph.num_waiting:
                graph.settle()  # the optimum of all, again and again

        process = psutil.Process(graph.pid)
        process.cpu_percent()
        together = scans(ask)
        result.add(OURS, BESIDE, "CPU of the graph's process meanwhile", process.cpu_percent(), "% of a core")
        graph.wait(600.0)
    for name, values in (("alone", alone), ("beside", together)):
        result.add(OURS, BESIDE, f"{name} p95", float(np.percentile(values, 95)), "ms")
        result.add(OURS, BESIDE, f"{name} max", float(values.max()), "ms")
    result.add(OURS, BESIDE, "p95 rise", 100.0 * (np.percentile(together, 95) / np.percentile(alone, 95) - 1.0), "%")


def folder(options: BenchOptions, result: Result) -> None:
    """Adding a keyframe, opening a map, and what random kills of its writer cost."""
    from slam.maps.folder import MapFolder

    with tempfile.TemporaryDirectory() as name:
        place, times = Path(name) / "map", []
        with MapFolder.create(place) as opened:
            append(opened, straight(201), 200, lambda number: times.append(time.perf_counter()), num_points=8000)
        took = 1e3 * np.diff(times)
        result.add(OURS, FOLDER, "keyframe of 8 000 points, on the disk, p95", float(np.percentile(took, 95)), "ms")
        size = sum(info.size for info in MapFolder(place).keyframes.values()) / 200
        result.add(OURS, FOLDER, "bytes per point", size / 8000, "B")
        result.add(OURS, FOLDER, "opening 200 keyframes", _timed(lambda: MapFolder(place)), "ms")
        lost = _killed(Path(name) / "killed", NUM_KILLS if options.long else 8)
        result.add(OURS, FOLDER, "kills", len(lost), "")
        result.add(OURS, FOLDER, "lost, most", max(lost), "keyframes")


def fleet(options: BenchOptions, result: Result) -> None:
    """Four replays of a recording, one after the other and two at a time."""
    from perception.pipeline.batch import FINISHED, jobs_of, run_batch

    took = {}
    for workers in (1, 2):
        with tempfile.TemporaryDirectory() as name:
            jobs = jobs_of([SHARED / "kitti_raw_0005"] * 4, Path(name))
            start = time.perf_counter()
            outcomes = run_batch(jobs, workers)
            took[workers] = time.perf_counter() - start
            failed = [outcome.reason for outcome in outcomes if outcome.status != FINISHED]
            if failed:
                raise RuntimeError(failed[0])
        result.add(OURS, FLEET, f"{workers} at a time", took[workers], "s")
    result.add(OURS, FLEET, "speed-up of two", took[1] / took[2], "x")


def _killed(place: Path, kills: int) -> list[int]:
    """Keyframes that each kill cost, of those whose number the writer had told, plus the one in work."""
    from slam.maps.folder import MapFolder

    made(place, 2)
    rng, lost = np.random.default_rng(0), []
    command = [sys.executable, "-m", "tests.unit.slam.maps_made", str(place), "300"]
    for _ in range(kills):
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment(), cwd=ROOT, text=True) as writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.1))
            os.kill(writer.pid, signal.SIGKILL)
            told = [int(line) for line in writer.stdout.read().split("\n")[:-1] if line]
        lost.append(max(0, (told[-1] + 2 if told else 0) - len(MapFolder(place))))
    return lost


def _feed(graph: "GraphProcess", data: Laps) -> None:
    """Hand over keyframes with their loops."""
    graph.add_first(0, np.eye(4))
    closures = {loop.to_id: loop for loop in data.loops}
    for edge in data.odometry:
        graph.add(edge)
        if edge.to_id in closures:
            graph.add(closures[edge.to_id])


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds that `work` takes."""
    start = time.perf_counter()
    work()
    return 1e3 * (time.perf_counter() - start)
