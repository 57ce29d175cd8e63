"""What the odometry must reach, decided from the rows of a result. The only home of the bounds."""

from collections.abc import Iterator

from benchmarks.drives import GENERATED, KITTI, ROUTES
from benchmarks.peers import GICP, KISS, OURS, RKO, VGICP
from benchmarks.result import Result, Target, target

MEDIAN, P95 = "CPU time per scan, median", "CPU time per scan, p95"
FASTER_THAN_KISS, FASTER_THAN_GICP, FASTER_THAN_RKO = 8.0, 3.0, 2.0
P95_TO_MEDIAN = 2.0
KITTI_ATE = 0.21  # m
KITTI_SEGMENTS = {10: 2.0, 20: 1.8, 30: 1.7, 50: 1.2}  # m: %
PEERS = (KISS, RKO, GICP, VGICP)


def targets(result: Result) -> list[Target]:
    """Every target of the odometry; those without a measured row are undecided."""
    return [*_times(result), *_generated(result), *_kitti(result), *_single(result)]


def _times(result: Result) -> Iterator[Target]:
    for data in (GENERATED, KITTI):
        ours = result.value(OURS, data, MEDIAN)
        gicp = _least(result.value(method, data, MEDIAN) for method in (GICP, VGICP))
        kiss, p95 = result.value(KISS, data, MEDIAN), result.value(OURS, data, P95)
        yield target(f"CPU time of kiss-icp / ours, {data}", FASTER_THAN_KISS, ratio(kiss, ours), ">=")
        yield target(f"CPU time of the faster small_gicp / ours, {data}", FASTER_THAN_GICP, ratio(gicp, ours), ">=")
        if data == GENERATED:
            rko = result.value(RKO, data, MEDIAN)
            yield target(f"CPU time of rko-lio with IMU / ours, {data}", FASTER_THAN_RKO, ratio(rko, ours), ">=")
        yield target(f"p95 / median of our CPU time, {data}", P95_TO_MEDIAN, ratio(p95, ours))


def _generated(result: Result) -> Iterator[Target]:
    for route in ROUTES:
        drives = _drives(result, route)
        ours = _mean(result.value(OURS, drive, "ATE") for drive in drives)
        peers = {peer: _mean(result.value(peer, drive, "ATE") for drive in drives) for peer in PEERS}
        best = min((mean for mean in peers.values() if mean is not None), default=None)
        if best is None:
            yield Target(f"ATE, {route}, mean of the seeds", "<= best peer", ours, None)
            continue
        name = next(peer for peer, mean in peers.items() if mean == best)
        yield target(f"ATE, {route}, mean of {len(drives)} seeds, against {name}", best, ours, unit="m")
    all_drives = [drive for route in ROUTES for drive in _drives(result, route)]
    if all_drives:
        won = sum(_wins(result, drive) for drive in all_drives)
        yield target("generated drives on which our ATE is at most that of every peer", len(all_drives), won, ">=")


def _kitti(result: Result) -> Iterator[Target]:
    yield target(f"ATE, {KITTI}", KITTI_ATE, result.value(OURS, KITTI, "ATE"), unit="m")
    for length, percent in KITTI_SEGMENTS.items():
        metric = f"translation error over {length} m"
        yield target(f"{metric}, {KITTI}", percent, result.value(OURS, KITTI, metric), unit="%")


def _single(result: Result) -> Iterator[Target]:
    """Targets that one row decides: (data, metric, sense, bound, unit)."""
    bounds = (
        ("imu_euroc_v1_01", "position error after 1 s of prediction, median", "<=", 0.03, "m"),
        ("imu_euroc_v1_01", "attitude error after 1 s of prediction, median", "<=", 0.15, "deg"),
        ("imu_gps_kitti_00", "gyro against visual odometry per interval, rms", "<=", 0.1, "deg"),
        ("deskew_newer_college_06", "GICP cost of scan 2 on scan 0, de-skewed", "<=", 0.3, ""),
        ("endless_corridor", "scans flagged degenerate", ">=", 95.0, "%"),
        *((data, "scans flagged degenerate", "<=", 0.0, "%") for data in NOT_DEGENERATE),
        ("120 s recording", "real-time factor of replay", ">=", 10.0, "x"),
        ("streamed drive", "memory slope after warm-up", "<", 1.0, "MiB/min"),
        ("streamed drive", "memory peak", "<", 1024.0, "MiB"),
        ("live nodes", "clouds lost", "<=", 0.0, ""),
        ("live nodes", "cloud to odometry, p95", "<", 50.0, "ms"),
        ("start-up", "to the first pose, warm cache", "<", 3.0, "s"),
        ("start-up", "perception --help", "<", 0.3, "s"),
    )
    for data, metric, sense, bound, unit in bounds:
        yield target(f"{metric}, {data}", bound, result.value(OURS, data, metric), sense, unit)


NOT_DEGENERATE = (KITTI, "ouster_indoor_keyframes", "livox_keyframes_hku2")


def ratio(numerator: float | None, denominator: float | None) -> float | None:
    """The quotient; None where a part was not measured."""
    return None if numerator is None or not denominator else numerator / denominator


def _drives(result: Result, route: str) -> list[str]:
    return list(dict.fromkeys(row.data for row in result.rows if row.data.rpartition(" ")[0] == route))


def _wins(result: Result, drive: str) -> bool:
    ours = result.value(OURS, drive, "ATE")
    best = _least(result.value(peer, drive, "ATE") for peer in PEERS)
    return ours is not None and best is not None and ours <= best


def _least(values: Iterator[float | None]) -> float | None:
    return min((value for value in values if value is not None), default=None)


def _mean(values: Iterator[float | None]) -> float | None:
    """Mean of all values; None where one of them was not measured."""
    found = list(values)
    return None if not found or None in found else sum(found) / len(found)
