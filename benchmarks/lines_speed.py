"""Rows of `perception bench lines` about time on one core: whole detectors, their parts, and the peers in turn."""

import numpy as np

from benchmarks.detection_accuracy import NO_AMX, pictures
from benchmarks.lines_ours import POST_288, POST_VGA, network_name
from benchmarks.lines_peers import ADVANCED
from benchmarks.lines_photos import PHOTOS, photos
from benchmarks.lines_players import players
from benchmarks.lines_quality import CLASSIC_ADVANCED, MODEL, half_width_models
from benchmarks.options import BenchOptions
from benchmarks.result import Result, Target, target

AS_THEY_ARE, LARGE = "photos as they are, one core", "photos of 640x480, one core"
SIZE = (640, 480)  # px
ROUNDS, LONG_ROUNDS = 6, 40  # of all methods over all images
FASTEST, MEDIAN = "fastest of each image, mean", "median"
RATIO = f"times the time of {ADVANCED}"
NUM_PICTURES = 12  # where there are no photos
MAX_POST, MAX_BF16, MAX_HALF = 2.5, 16.0, 9.3  # ms


def measure(options: BenchOptions, result: Result) -> None:
    """Times of every method; all take turns, round after round."""
    import cv2

    images = list(photos()) if PHOTOS.is_file() else pictures(options, NUM_PICTURES)
    large = [cv2.resize(image, SIZE, interpolation=cv2.INTER_LINEAR) for image in images]
    for data, given in ((AS_THEY_ARE, images), (LARGE, large)):
        _measure(options, result, data, given)


def _measure(options: BenchOptions, result: Result, data: str, images: list[np.ndarray]) -> None:
    from perception.inference.hardware import has_amx

    rounds = LONG_ROUNDS if options.long else ROUNDS
    seconds: dict[str, list[list[float]]] = {}
    with players(result, data, images) as found:
        for turn in range(rounds + 1):
            options.say(f"speed: {data}, round {turn} of {rounds}")
            for player in found:
                for name in player.usable:
                    took = player.seconds(name)
                    if turn:  # the first only warms up
                        seconds.setdefault(name, []).append(took)
    for name, rows in seconds.items():
        add_times(result, data, name, 1e3 * np.array(rows))
    if not has_amx():
        result.add(network_name(MODEL, "bf16"), data, FASTEST, None, NO_AMX)
    theirs = result.value(ADVANCED, data, FASTEST)
    if theirs:
        for name in seconds:
            result.add(name, data, RATIO, (result.value(name, data, FASTEST) or 0.0) / theirs, "x")


def add_times(result: Result, data: str, name: str, milliseconds: np.ndarray) -> None:
    """Rows of one method: `milliseconds` (rounds, images)."""
    result.add(name, data, FASTEST, float(milliseconds.min(axis=0).mean()), "ms")
    result.add(name, data, MEDIAN, float(np.median(milliseconds)), "ms")


def targets(result: Result) -> list[Target]:
    """What is asked of the speed."""
    asked = [
        target(f"{name}, {LARGE}", MAX_POST, result.value(name, LARGE, FASTEST), unit="ms")
        for name in (POST_VGA, POST_288)
    ]
    asked += [
        target(f"{CLASSIC_ADVANCED}, {RATIO}, {data}", 1.0, result.value(CLASSIC_ADVANCED, data, RATIO))
        for data in (AS_THEY_ARE, LARGE)
    ]
    bf16 = network_name(MODEL, "bf16")
    asked.append(target(f"{bf16}, whole, {LARGE}", MAX_BF16, result.value(bf16, LARGE, FASTEST), unit="ms"))
    asked += [
        target(f"{name}, whole, {LARGE}", MAX_HALF, _fastest(result, name), unit="ms") for name in half_width_models()
    ]
    return asked


def _fastest(result: Result, model: str) -> float | None:
    """Of all precisions that were measured."""
    found = (result.value(network_name(model, precision), LARGE, FASTEST) for precision in ("f32", "bf16"))
    return min((value for value in found if value is not None), default=None)
