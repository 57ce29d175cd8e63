"""Rows of `perception bench lines` about generated images: what is found there, and what it is good for.

Found segments are judged against the true ones; attitude and segments in space against the true poses and surfaces.
"""

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.lines_ours import line_models
from benchmarks.lines_quality import BEST, CLASSIC_ADVANCED, MODEL, generated_models
from benchmarks.lines_world import LIST, drives, held_out
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

if TYPE_CHECKING:
    from perception.evaluation.lines_use import EndPointErrors, RollErrors

DATA, USE = "generated images, held out", "use, generated drives, held out"
ROLL, AT_10_M = "roll error, median", "error of 3D ends at 8 to 12 m, median"
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
        found = evaluate_lines(LineOptions(folder / LIST, config, images=folder / "images"))
        result.add(name, DATA, BEST, 100.0 * found.heat.f_score, "%")
        result.add(name, DATA, "threshold of it", float(found.heat.thresholds[found.heat.best]), "")
        result.add(name, DATA, "AP^H", 100.0 * found.heat.average_precision, "%")
        result.add(name, DATA, "sAP10", 100.0 * found.structural[10], "%")
        result.add(name, DATA, "images", len(found.images), "")


def use(options: BenchOptions, result: Result) -> None:
    """Attitude and segments in space with the default configuration, with motion from the odometry."""
    from perception.evaluation.lines_use import EndPointErrors, RollErrors, end_point_errors, roll_errors
    from perception.lines.config import LinesConfig

    rolls, ends, config = RollErrors(), EndPointErrors(), LinesConfig(precision="f32")
    for folder in drives(options):
        options.say(f"use: {folder.name}")
        rolls.extend(roll_errors(folder, config))
        ends.extend(end_point_errors(folder, config))
    add_use(result, rolls, ends)


def add_use(result: Result, rolls: "RollErrors", ends: "EndPointErrors") -> None:
    """Rows from the errors of all drives."""
    rows = [
        ("images", rolls.num_images, ""),
        ("images that tell an attitude", 100.0 * len(rolls.roll) / max(rolls.num_images, 1), "%"),
        (ROLL, rolls.median_roll, "deg"),
        ("roll error, 90 % of these images", _percentile(rolls.roll), "deg"),
        ("pitch error, median", rolls.median_pitch, "deg"),
        (AT_10_M, 100.0 * ends.median(), "cm"),
        ("ends at 8 to 12 m", ends.count(), ""),
        ("error of 3D ends at any depth, median", 100.0 * ends.median(0.0, np.inf), "cm"),
        ("segments that get a depth", 100.0 * ends.num_lifted / max(ends.num_segments, 1), "%"),
        (
            "of these, along a true segment whose depth is certain",
            50.0 * ends.count(0.0, np.inf) / max(ends.num_lifted, 1),
            "%",
        ),
    ]
    for metric, value, unit in rows:
        result.add(OURS, USE, metric, value, unit)


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


def _percentile(errors: list[float]) -> float:
    return float(np.percentile(np.abs(errors), 90.0)) if errors else float("nan")
