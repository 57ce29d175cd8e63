"""Rows of `perception bench lines` about generated images: what is found there, and what it is good for.

Found segments are judged against the true ones; attitude and segments in space against the true pose and surfaces.
"""

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.lines_ours import line_models
from benchmarks.lines_quality import BEST, CLASSIC_ADVANCED, MODEL, generated_models
from benchmarks.lines_world import SKY, HeldOut, held_out, scenes
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

if TYPE_CHECKING:
    from perception.lines.segments import FoundLines

DATA, USE = "generated images, held out", "use, generated images, held out"
ROLL, PITCH, ANSWERED = "roll error, median", "pitch error, median", "images with an attitude"
AT_10_M, ANYWHERE = "error of 3D ends at 8 to 12 m, median", "error of 3D ends, median"
LIFTED, MATCHED = "segments with a depth", "of these, beside a true segment"
NEAR_10_M = (8.0, 12.0)  # m
BESIDE, PARALLEL_DEG = 3.0, 5.0  # px and degrees: a found segment and the true one that it belongs to
AROUND = np.array([(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)])  # px
MAX_ROLL, MAX_ENDS = 1.0, 5.0  # deg, cm


def generated(options: BenchOptions, result: Result) -> None:
    """F^H of every packaged network and of classic LSD on held-out images."""
    from perception.evaluation.lines_run import LineOptions, evaluate_lines
    from perception.lines.config import LinesConfig

    folder = held_out(options)
    detectors = {name: LinesConfig(model=name, precision="f32") for name in line_models()}
    detectors[CLASSIC_ADVANCED] = LinesConfig(detector="lsd")
    for name, config in detectors.items():
        options.say(f"generated: {name}")
        found = evaluate_lines(LineOptions(folder / "lines.json", config, images=folder / "images"))
        result.add(name, DATA, BEST, 100.0 * found.heat.f_score, "%")
        result.add(name, DATA, "threshold of it", float(found.heat.thresholds[found.heat.best]), "")
        result.add(name, DATA, "AP^H", 100.0 * found.heat.average_precision, "%")
        result.add(name, DATA, "sAP10", 100.0 * found.structural[10], "%")
        result.add(name, DATA, "images", len(found.images), "")


def use(options: BenchOptions, result: Result) -> None:
    """Attitude and segments in space, with the default configuration."""
    from perception.io.datasets.opening import open_dataset
    from perception.lines.config import LinesConfig
    from perception.lines.detector import open_line_detector

    folder = held_out(options)
    truth = {frame.name: frame.views[0] for frame in open_dataset(folder / "lines.json", folder / "images").frames()}
    detector = open_line_detector(LinesConfig(precision="f32"), (480, 640))
    attitudes, ends, counts = [], [], []
    for scene in scenes(folder):
        view = truth[scene.name]
        found = detector.detect(view.pixels())
        attitudes.append(attitude_errors(scene, found))
        errors, num_lifted = end_errors(
            scene, found, view.lines.segments if view.lines is not None else found.segments[:0]
        )
        ends.append(errors)
        counts.append((len(found), num_lifted, len(errors)))
    detector.close()
    _add(
        result, np.array([a for a in attitudes if a is not None]).reshape(-1, 2), np.concatenate(ends), np.array(counts)
    )


def targets(result: Result) -> list[Target]:
    """What is asked on generated images."""
    packaged = result.value(MODEL, DATA, BEST)
    trained = [value for name in generated_models() if (value := result.value(name, DATA, BEST)) is not None]
    better = None if packaged is None or not trained else max(trained) - packaged
    return [
        target(f"F^H of training here above that of {MODEL}, {DATA}", 0.0, better, ">=", "points"),
        target(f"{ROLL}, {USE}", MAX_ROLL, result.value(OURS, USE, ROLL), unit="deg"),
        target(f"{AT_10_M}, {USE}", MAX_ENDS, result.value(OURS, USE, AT_10_M), unit="cm"),
    ]


def attitude_errors(scene: HeldOut, found: "FoundLines") -> tuple[float, float] | None:
    """Errors of roll and pitch, deg; None where the segments tell none."""
    from perception.lines.vanishing import attitude_of, vanishing_points

    attitude = vanishing_points(found.segments, scene.camera).attitude
    if attitude is None:
        return None
    roll, pitch = attitude_of(scene.T_world_camera)
    return float(np.degrees(abs(attitude.roll - roll))), float(np.degrees(abs(attitude.pitch - pitch)))


def end_errors(scene: HeldOut, found: "FoundLines", truth: np.ndarray) -> tuple[np.ndarray, int]:
    """True depth (m) and error (m) of the ends (N, 2) of segments in space, and how many segments got a depth.

    The true point of an end is where its foot on the true segment beside it meets the nearest surface there; ends of
    segments without a true one beside are left out.
    """
    from perception.core.types import LineSegments
    from perception.lines.segments3d import lift_segments

    lines = LineSegments(0, "camera", (scene.camera.width, scene.camera.height), found.segments, found.scores)
    lifted = lift_segments(lines, scene.camera, scene.points, np.eye(4))
    rows = []
    for segment, ends in zip(found.segments[lifted.rows].astype(np.float64), lifted.ends, strict=True):
        feet = feet_of(segment, truth.astype(np.float64))
        for foot, end in zip(feet, ends, strict=False):
            point = surface_point(scene, foot)
            if point is not None:
                rows.append((point[2], np.linalg.norm(point - end)))
    return np.array(rows).reshape(-1, 2), len(lifted)


def feet_of(segment: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Feet (2, 2) of the ends of a segment (4,) on the nearest true one beside it; (0, 2) where there is none."""
    starts, steps = truth[:, :2], truth[:, 2:] - truth[:, :2]
    lengths = np.maximum(np.hypot(*steps.T), 1e-9)
    along = steps / lengths[:, None]
    ends = segment.reshape(2, 2)
    from_start = ends[None] - starts[:, None]  # (N, 2, 2)
    places = np.einsum("nei,ni->ne", from_start, along)
    across = np.abs(from_start[..., 0] * along[:, None, 1] - from_start[..., 1] * along[:, None, 0]).max(axis=1)
    step = ends[1] - ends[0]
    turn = np.abs(step[0] * along[:, 1] - step[1] * along[:, 0]) / max(float(np.hypot(*step)), 1e-9)
    is_on = (places >= -BESIDE).all(axis=1) & (places <= lengths[:, None] + BESIDE).all(axis=1)
    is_beside = is_on & (across <= BESIDE) & (turn <= np.sin(np.radians(PARALLEL_DEG)))
    if not is_beside.any():
        return np.zeros((0, 2))
    row = int(np.where(is_beside, across, np.inf).argmin())
    return starts[row] + places[row][:, None] * along[row]


def surface_point(scene: HeldOut, pixel: np.ndarray) -> np.ndarray | None:
    """The point (3,) where the ray of a pixel meets the nearest of the surfaces seen around it; None: only sky."""
    height, width = scene.surfaces.shape
    around = np.rint(pixel[::-1]).astype(int) + AROUND
    around = around[((around >= 0) & (around < (height, width))).all(axis=1)]
    rows = np.unique(scene.surfaces[around[:, 0], around[:, 1]])
    planes = scene.planes[rows[rows != SKY]]
    ray = scene.camera.rays(pixel[None])[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        depths = planes[:, 3] / (planes[:, :3] @ ray)
    depths = depths[np.isfinite(depths) & (depths > 0.0)]
    return ray * depths.min() if len(depths) else None


def _add(result: Result, attitudes: np.ndarray, ends: np.ndarray, counts: np.ndarray) -> None:
    """Rows from errors of attitudes (I, 2), of ends (N, 2), and counts by image (I, 3)."""
    num_found, num_lifted, num_ends = counts.sum(axis=0).tolist()
    near = ends[(ends[:, 0] >= NEAR_10_M[0]) & (ends[:, 0] <= NEAR_10_M[1]), 1]
    for metric, values, unit in (
        (ROLL, attitudes[:, 0], "deg"),
        (PITCH, attitudes[:, 1], "deg"),
        (AT_10_M, 100.0 * near, "cm"),
        (ANYWHERE, 100.0 * ends[:, 1], "cm"),
    ):
        value = float(np.median(values)) if len(values) else None
        result.add(OURS, USE, metric, value, unit if len(values) else "not measured: none was found")
    result.add(OURS, USE, "roll error, 90 % of images", _percentile(attitudes[:, 0]), "deg")
    result.add(OURS, USE, "ends at 8 to 12 m", len(near), "")
    for metric, part, whole in (
        (ANSWERED, len(attitudes), len(counts)),
        (LIFTED, num_lifted, num_found),
        (MATCHED, num_ends / 2, num_lifted),
    ):
        result.add(OURS, USE, metric, 100.0 * part / whole if whole else None, "%")


def _percentile(values: np.ndarray) -> float | None:
    return float(np.percentile(values, 90.0)) if len(values) else None
