"""Rows of `perception bench detection` about tracking: the tracker beside plain linking by IoU, on the same boxes.

Boxes come from a detector, or from labels that are degraded like those of one: boxes are missed, one by one and for a
while, hidden objects score low, sides wobble, and some boxes are invented.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.detection_peers import cache_folder, data_folder
from benchmarks.jobs import ROOT
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target
from perception.core.classes import DETECTED, TO_DETECTED, VOID
from perception.core.errors import PerceptionError
from perception.core.labels import ObjectLabels
from perception.detection.boxes import DetectedBoxes
from perception.detection.config import DetectionConfig
from perception.detection.tracking.config import TrackingConfig
from perception.evaluation.tracking import TrackingScores, scores
from perception.evaluation.tracking_run import Clip, Detect, Moment, clips_of, counted, detector, tracked
from perception.io.datasets.opening import open_dataset
from perception.kernels import tracking as kernels
from perception.kernels.tracking import overlaps

CLIPS, HELD_OUT, KITTI = "clips", "held-out clips", "kitti_raw_0005"
FIRST_SEED, NUM_CLIPS, SECONDS, RATE = 1_000_100, 4, 15.0, 10  # of the clips; pictures per second
SHARED = ROOT.parent / "shared" / "data"
IOU_LINKING, WITH_LOOKS = "IoU linking", "perception with looks"
DEGRADED = "labels, degraded"
IDF1_TARGET = 0.75
LINKING_IOU = 0.3  # least overlap with the box of the image before
LINKING_SCORE = 0.4  # boxes that are linked score higher; the best of 0.1, 0.2 ... 0.6 on generated worlds for training

Clips = Sequence[Clip]
Found = Sequence[DetectedBoxes]  # by image


@dataclass(frozen=True, slots=True)
class Degradation:
    """How the boxes of a clip differ from its labels. Shares are chances per box and image."""

    missed: float = 0.05
    begins_hiding: float = 0.02  # missed from here on, for a while
    ends_hiding: float = 0.25
    wobble: float = 0.03  # standard deviation of a side, in sizes of the box
    best_score: float = 0.85
    score_noise: float = 0.12  # standard deviation, varying over about five images
    invented: float = 1.0  # boxes per image


def measure(options: BenchOptions, result: Result) -> None:
    """IDF1 and HOTA of the tracker and of plain linking, on degraded labels and on what the detector finds."""
    config = DetectionConfig(num_threads=1)
    kernels.warm_up()
    for data, clips in ((HELD_OUT, held_out_clips(options)), (KITTI, kitti_clips(result))):
        if not clips:
            continue
        shaken = [degraded(clip, seed) for seed, clip in enumerate(clips)]
        compare(result, f"{data}: {DEGRADED}", clips, shaken, config.tracking)
        detect = opened(config, data, clips, result)
        if detect is not None:
            found = [[detect(moment.view.pixels()) for moment in clip if moment.view] for clip in clips]
            compare(result, data, clips, found, config.tracking)


def targets(result: Result) -> list[Target]:
    """What the tracker must reach on held-out clips."""
    ours, plain = (result.value(method, HELD_OUT, "IDF1") for method in (OURS, IOU_LINKING))
    above = None if ours is None or plain is None else ours - plain
    return [
        target("tracking: IDF1, held-out clips", IDF1_TARGET, ours, ">="),
        target("tracking: IDF1 above plain IoU linking", 0.0, above, ">"),
    ]


def opened(config: DetectionConfig, data: str, clips: Clips, result: Result) -> Detect | None:
    """The packaged detector; None where it is not there."""
    try:
        return detector(config, clips[0][0])
    except PerceptionError as error:
        result.add(OURS, data, "IDF1", None, f"not measured: {error}")
        return None


def held_out_clips(options: BenchOptions) -> list[list[Moment]]:
    """Drives of a camera through held-out worlds, every picture labelled. Made where missing, in some minutes."""
    from perception.world.picture_set import ANNOTATIONS, PictureSetConfig, write_picture_set

    per_world = round(SECONDS * RATE)  # every picture that the camera takes
    config = PictureSetConfig(first_seed=FIRST_SEED, num_worlds=NUM_CLIPS, per_world=per_world, duration=SECONDS)
    places = [folder / CLIPS for folder in (data_folder(), cache_folder())]
    out = next((place for place in places if (place / ANNOTATIONS).is_file()), None)
    if out is None:
        options.say(f"tracking: {NUM_CLIPS * per_world} pictures of {NUM_CLIPS} held-out drives")
        out = write_picture_set(places[0], config)
    return clips_of(open_dataset(out))


def kitti_clips(result: Result) -> list[list[Moment]]:
    """The real drive with boxes that are followed; none where it is not there."""
    if not (SHARED / KITTI).is_dir():
        result.add(OURS, KITTI, "IDF1", None, "not measured: ../shared is not there")
        return []
    return clips_of(open_dataset(SHARED / KITTI))


def compare(result: Result, data: str, clips: Clips, found: Sequence[Found], config: TrackingConfig) -> None:
    """Rows of the tracker and of plain linking on the same boxes."""
    tracked(clips[0][:2], found[0][:2], config)  # what is only done once is not timed
    start = time.process_time()
    ours = [tracked(clip, boxes, config) for clip, boxes in zip(clips, found)]
    seconds = time.process_time() - start
    plain = [linked(boxes) for boxes in found]
    for method, ids in ((OURS, ours), (IOU_LINKING, plain)):
        add_scores(result, method, data, scores(counted(zip(clips, found, ids))))
    num_images = sum(map(len, clips))
    add_with_looks(result, data, clips, found, config)
    result.add(OURS, data, "processor time per image", 1e3 * seconds / num_images, "ms")
    result.add(OURS, data, "boxes per image", sum(len(b) for boxes in found for b in boxes) / num_images, "")


def add_with_looks(result: Result, data: str, clips: Clips, found: Sequence[Found], config: TrackingConfig) -> None:
    """Rows of the tracker with the packaged embedding."""
    looks = config.appearance.model_copy(update={"is_enabled": True})
    settings = config.model_copy(update={"appearance": looks})
    try:
        ids = [tracked(clip, boxes, settings) for clip, boxes in zip(clips, found)]
    except PerceptionError as error:
        result.add(WITH_LOOKS, data, "IDF1", None, f"not measured: {error}")
        return
    add_scores(result, WITH_LOOKS, data, scores(counted(zip(clips, found, ids))))


def add_scores(result: Result, method: str, data: str, found: TrackingScores) -> None:
    """One row for each score."""
    values = {
        "IDF1": found.idf1,
        "HOTA": found.hota,
        "DetA": found.detection,
        "AssA": found.association,
        "MOTA": found.mota,
        "switches": found.switches,
    }
    for metric, value in values.items():
        result.add(method, data, metric, value, "")


def degraded(clip: Clip, seed: int, how: Degradation = Degradation()) -> list[DetectedBoxes]:
    """Boxes of each image as a detector might find them; classes are numbers in `DETECTED`."""
    rng = np.random.default_rng([seed, 0])
    noise: dict[int, float] = {}
    hidden: set[int] = set()
    found = []
    for moment in clip:
        boxes, scores, kinds = [], [], []
        for instance, kind, box, occlusion in _known(moment.labels):
            noise[instance] = 0.8 * noise.get(instance, 0.0) + 0.6 * how.score_noise * rng.standard_normal()
            _step(hidden, instance, rng.random(), how)
            shaken = box + how.wobble * np.tile(box[2:] - box[:2], 2) * rng.standard_normal(4)
            if rng.random() > how.missed and instance not in hidden:
                boxes.append(shaken)
                scores.append(how.best_score - 0.7 * occlusion + noise[instance])
                kinds.append(TO_DETECTED[kind])
        for _ in range(rng.poisson(how.invented)):
            low = rng.uniform(0, 500, 2)
            boxes.append(np.concatenate([low, low + rng.uniform(15, 100, 2)]))
            scores.append(rng.uniform(0.0, 0.5))
            kinds.append(rng.integers(len(DETECTED)))
        found.append(_detected(boxes, scores, kinds))
    return found


def _known(labels: ObjectLabels) -> Iterator[tuple[int, int, np.ndarray, float]]:
    occlusion = np.nan_to_num(labels.occlusion)
    for row in np.flatnonzero(TO_DETECTED[labels.class_ids] != VOID).tolist():
        yield int(labels.instance_ids[row]), int(labels.class_ids[row]), labels.boxes[row], float(occlusion[row])


def _step(hidden: set[int], instance: int, chance: float, how: Degradation) -> None:
    if instance in hidden and chance < how.ends_hiding:
        hidden.discard(instance)
    elif instance not in hidden and chance < how.begins_hiding:
        hidden.add(instance)


def _detected(boxes: list[np.ndarray], scores: list[float], kinds: list[int]) -> DetectedBoxes:
    order = np.argsort(-np.array(scores), kind="stable")
    return DetectedBoxes(
        np.array(boxes, dtype=np.float32).reshape(-1, 4)[order],
        np.clip(np.array(scores, dtype=np.float32), 0.0, 1.0)[order],
        np.array(kinds, dtype=np.int64)[order],
    )


def linked(found: Found, least_score: float = LINKING_SCORE) -> list[np.ndarray]:
    """Numbers by plain linking: each box goes on with the box of the image before that it overlaps most, best first."""
    ids, last = [], 0
    before, before_ids = np.zeros((0, 5)), np.zeros(0, dtype=np.int64)
    for boxes in found:
        own = np.zeros(len(boxes), dtype=np.int64)
        rows = np.flatnonzero(boxes.scores > least_score)
        here = np.column_stack([boxes.corners[rows], boxes.classes[rows]]).astype(np.float64)
        kinds, old_kinds = here[:, 4].astype(np.int64), before[:, 4].astype(np.int64)
        similarity = overlaps(before[:, :4].copy(), old_kinds, here[:, :4].copy(), kinds)
        for _ in range(min(similarity.shape)):
            row, column = np.unravel_index(similarity.argmax(), similarity.shape)
            if similarity[row, column] < LINKING_IOU:
                break
            own[rows[column]] = before_ids[row]
            similarity[row], similarity[:, column] = 0.0, 0.0
        for row in rows[own[rows] == 0]:
            own[row] = last = last + 1
        before, before_ids = here, own[rows]
        ids.append(own)
    return ids
