"""Rows of `perception bench lines` about parity: maps, mask and segments against those of the published program."""

from typing import TYPE_CHECKING

import numpy as np

from benchmarks.lines_photos import FIXTURE, MISSING, PHOTOS, names, photos, stored
from benchmarks.lines_quality import MODEL
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

if TYPE_CHECKING:
    from perception.lines.detector import LineDetector

DATA, TWENTY = "fixture", "20 photos from their files"
CASES = (("input", "output"), ("noise_u8", "noise_output"), ("gray_u8", "gray_output"))
MAPS = ("img", "gray")  # prefixes of what belongs to the maps `output` and `gray_output`
HEAT_APART, ANGLE_APART = "heat, largest difference", "angle, largest difference"
MASK = "pixels of the support mask that differ"
QUADRANTS, ONE_PASS, INDEPENDENT = (
    "published segments within 1 px, grown in quadrants",
    "published segments within 1 px, grown in one pass",
    "segments of the one-pass reference within 1 px",
)
SWAP, NO_SWAP, TWENTY_ONE_PASS = (
    "published segments within 1 px, quadrants and axis swap",
    "published segments within 1 px, quadrants without axis swap",
    "published segments within 1 px, one pass",
)
NEAR = 1.0  # px of the map
BOUNDS = (
    (DATA, HEAT_APART, "<=", 1e-5, ""),
    (DATA, ANGLE_APART, "<=", 5e-4, ""),
    (DATA, MASK, "<=", 0.0, ""),
    (DATA, QUADRANTS, ">=", 99.0, "%"),
    (DATA, ONE_PASS, ">=", 95.0, "%"),
    (DATA, INDEPENDENT, ">=", 99.0, "%"),
    (TWENTY, SWAP, ">=", 99.0, "%"),
)


def measure(options: BenchOptions, result: Result) -> None:
    """Compare stage by stage."""
    from perception.inference.model_card import open_model
    from perception.lines.config import LinesConfig
    from perception.lines.detector import LineDetector

    for path in (FIXTURE, PHOTOS):
        if not path.is_file():
            result.add(OURS, DATA, path.stem, None, MISSING.format(path.name))
            return
    detector = LineDetector(open_model(MODEL), LinesConfig(precision="f32"))
    apart = np.array([_apart(detector, *case) for case in CASES]).max(axis=0)
    for metric, value in zip((HEAT_APART, ANGLE_APART), apart.tolist()):
        result.add(OURS, DATA, metric, value, "")
    result.add(OURS, DATA, MASK, float(sum(_mask_apart(prefix) for prefix in MAPS)), "")
    for metric, value in _shares().items():
        result.add(OURS, DATA, metric, 100.0 * value, "%")
    options.say("parity: the 20 photos")
    for metric, value in _photo_shares(detector).items():
        result.add(OURS, TWENTY, metric, 100.0 * value, "%")
    detector.close()


def targets(result: Result) -> list[Target]:
    """What the spec states."""
    return [
        target(f"{metric}, {data}", bound, result.value(OURS, data, metric), sense, unit)
        for data, metric, sense, bound, unit in BOUNDS
    ]


def share_within(found: np.ndarray, wanted: np.ndarray, distance: float = NEAR) -> float:
    """Share of `wanted` (N, 4) whose ends both lie within `distance` of those of one of `found` (M, 4), undirected."""
    if len(wanted) == 0:
        return 1.0
    if len(found) == 0:
        return 0.0
    ends = found.reshape(-1, 2, 2)
    apart = [
        np.linalg.norm(wanted.reshape(-1, 1, 2, 2) - way[None], axis=3).max(axis=2) for way in (ends, ends[:, ::-1])
    ]
    return float((np.minimum(*apart).min(axis=1) <= distance).mean())


def _apart(detector: "LineDetector", given: str, wanted: str) -> list[float]:
    """Largest differences of heat and angle."""
    image = stored()[given]
    is_photo = image.dtype == np.uint8
    tensor = detector.prepare(image) if is_photo else np.ascontiguousarray(image.transpose(0, 3, 1, 2))
    outputs = detector.runtime.infer({detector.card.inputs[0].name: tensor})
    maps = stored()[wanted]
    return [float(np.abs(outputs[name] - maps[..., k]).max()) for k, name in enumerate(("heat", "angle"))]


def _maps(prefix: str) -> tuple[np.ndarray, np.ndarray]:
    maps = stored()["output" if prefix == "img" else "gray_output"][0]
    return np.ascontiguousarray(maps[..., 0]), np.ascontiguousarray(maps[..., 1])


def _mask_apart(prefix: str) -> int:
    from perception.lines.config import RegionsConfig
    from perception.lines.segments import local_threshold

    heat, config = _maps(prefix)[0], RegionsConfig()
    mask = (local_threshold(heat, config) != 0) & (heat > np.float32(config.heat_threshold))
    return int(np.count_nonzero(mask != (stored()[f"{prefix}_roi"] != 0)))


def _shares() -> dict[str, float]:
    """Of the stored maps: the smaller share of both images."""
    from perception.lines.config import RegionsConfig
    from perception.lines.segments import segments_from_maps

    shares: dict[str, list[float]] = {QUADRANTS: [], ONE_PASS: [], INDEPENDENT: []}
    for prefix in MAPS:
        whole = stored()[f"{prefix}_seg288"][~stored()[f"{prefix}_seg288_degenerate"], :4]
        alone = segments_from_maps(*_maps(prefix), RegionsConfig()).segments
        parts = segments_from_maps(*_maps(prefix), RegionsConfig(has_quadrants=True)).segments
        shares[QUADRANTS].append(share_within(parts, whole))
        shares[ONE_PASS].append(share_within(alone, whole))
        shares[INDEPENDENT].append(share_within(alone, stored()[f"{prefix}_seg288_onepass_indep"][:, :4]))
    return {metric: min(values) for metric, values in shares.items()}


def _photo_shares(detector: "LineDetector") -> dict[str, float]:
    """From the files of the photos to segments of the map, over all 20."""
    from perception.lines.config import RegionsConfig
    from perception.lines.segments import segments_from_maps

    ways = {
        SWAP: RegionsConfig(has_quadrants=True, has_axis_swap=True),
        NO_SWAP: RegionsConfig(has_quadrants=True),
        TWENTY_ONE_PASS: RegionsConfig(),
    }
    hits, total = dict.fromkeys(ways, 0.0), 0
    for name, photo in zip(names(), photos(), strict=True):
        outputs = detector.runtime.infer({detector.card.inputs[0].name: detector.prepare(photo)})
        wanted = stored(PHOTOS.name)[f"pred_{name}"][:, :4]
        total += len(wanted)
        for metric, config in ways.items():
            found = segments_from_maps(outputs["heat"][0], outputs["angle"][0], config).segments
            hits[metric] += share_within(found, wanted) * len(wanted)
    return {metric: value / total for metric, value in hits.items()}
