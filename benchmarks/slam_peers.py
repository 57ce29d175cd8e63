"""The peers of the mapping benchmark, in their environment: KISS-SLAM over a drive, MapClosures over local maps.

`python -m benchmarks.slam_peers slam CLOUDS OUT` or `... closures MAPS.npz OUT`. Both with their own defaults.
"""

import contextlib
import sys
import time
from pathlib import Path

import numpy as np

REQUIREMENTS = "bench-slam"
KISS_SLAM, MAP_CLOSURES = "kiss-slam", "map_closures"
MAX_RANGE, MIN_RANGE = 100.0, 1.0  # m, as ours
ASKED = 200  # closures of a query at most


def run_slam(folder: str, out: str) -> None:
    """KISS-SLAM over a drive as its own pipeline does it: poses after its last optimisation, CPU time, closures."""
    from kiss_slam.config import load_config
    from kiss_slam.slam import KissSLAM

    from benchmarks import clouds
    from perception.core.geometry import inverse

    drive, config = clouds.read(Path(folder)), load_config(None)
    config.odometry.preprocessing.max_range, config.odometry.preprocessing.min_range = MAX_RANGE, MIN_RANGE
    config.odometry.registration.max_num_threads = 1
    method, spent, starts, ends = KissSLAM(config), 0, [], []
    for i in range(len(drive)):
        scan = drive.scan(i)
        span = max(scan.end_ns - scan.stamp_ns, 1)
        begin = time.process_time_ns()
        method.process_scan(scan.points.astype(np.float64), scan.offsets_ns / span)
        spent += time.process_time_ns() - begin
        starts.append(scan.stamp_ns)
        ends.append(scan.end_ns)
    begin = time.process_time_ns()
    method.generate_new_node()
    method.local_map_graph.erase_last_local_map()
    poses, _ = method.fine_grained_optimization()
    spent += time.process_time_ns() - begin
    found = np.array(poses)[: len(starts)] @ inverse(drive.rig.T_base_lidar)
    np.savez(out, starts_ns=starts, ends_ns=ends, poses=found, cpu_ns=spent, closures=len(method.closures))


def run_closures(maps: str, out: str) -> None:
    """Inliers (Q, Q) of each map's closures with earlier ones; the maps are offered in their order."""
    from map_closures.config import MapClosuresConfig
    from map_closures.map_closures import MapClosures

    with np.load(maps, allow_pickle=False) as file:
        clouds = np.split(file["points"].astype(np.float64), np.cumsum(file["lengths"])[:-1])
    method = MapClosures(MapClosuresConfig())
    inliers = np.zeros((len(clouds), len(clouds)), dtype=np.int64)
    begin = time.process_time_ns()
    for query, cloud in enumerate(clouds):
        for closure in method.get_top_k_closures(query, cloud, ASKED):
            inliers[query, closure.source_id] = closure.number_of_inliers
    np.savez(out, inliers=inliers, cpu_ns=time.process_time_ns() - begin)


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):  # the peers print as they go
        {"slam": run_slam, "closures": run_closures}[sys.argv[1]](*sys.argv[2:])
