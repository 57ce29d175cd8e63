"""Rows of `perception bench lines` about what is found in the 20 re-annotated photos, ours and the peers'."""

import numpy as np

from benchmarks.lines_ours import CLASSIC, line_models, network_name
from benchmarks.lines_peers import ADVANCED, EDLINES, FLD, REFINEMENTS
from benchmarks.lines_peers import NAMES as PEER_NAMES
from benchmarks.lines_photos import MISSING, PHOTOS, in_photo, judged, photos, published
from benchmarks.lines_players import players
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

DATA = "20 re-annotated photos"
BEST, ALL = "F^H, best threshold", "F^H, all segments"
PROGRAM, PROGRAM_FLOATS = "published program", "published program, before rounding"
PLAIN, QUADRANTS = "lsdnet, ends scaled, not pixels", "lsdnet, as the published program"
MODEL = "lsdnet"
CLASSIC_ADVANCED = list(CLASSIC)[-1]
HALF_WIDTH = 8  # channels of the first layer
WANTED, WANTED_HALF, WANTED_SCRATCH = 86.6, 84.0, 78.0  # %
WHOLE = (*CLASSIC, *PEER_NAMES)  # that take images, beside the networks
KNOWN = dict(zip((*REFINEMENTS, ADVANCED, EDLINES, FLD), (70.0, 70.6, 74.1, 69.3, 66.9)))  # %, all segments
TOLERANCE = 0.5  # points
PROGRAM_F, PROGRAM_TOLERANCE = 86.2, 0.3  # %, points


def measure(options: BenchOptions, result: Result) -> None:
    """F^H, AP^H and sAP of every method that can be had."""
    if not PHOTOS.is_file():
        result.add(OURS, DATA, "all", None, MISSING.format(PHOTOS.name))
        return
    options.say("quality: the published program, and ways to scale and round")
    for name, found in _stored_and_variants().items():
        add_scores(result, name, found, is_heat=True)
    heats = [name for model in line_models() for name in (network_name(model), network_name(model, "bf16"))]
    with players(result, DATA, list(photos())) as found:
        for player in found:
            for name in player.usable:
                if name in WHOLE or name in heats:
                    options.say(f"quality: {name}")
                    add_scores(result, name, player.found(name), is_heat=name in heats)


def add_scores(result: Result, name: str, found: list[tuple[np.ndarray, np.ndarray]], is_heat: bool) -> None:
    """Rows of one method."""
    from perception.evaluation.lines import HEAT_THRESHOLDS, heat_f_score, structural_ap, thresholds_for

    images = judged(found)
    heat = heat_f_score(images, HEAT_THRESHOLDS if is_heat else thresholds_for(images))
    result.add(name, DATA, BEST, 100.0 * heat.f_score, "%")
    result.add(name, DATA, "threshold of it", float(heat.thresholds[heat.best]), "")
    result.add(name, DATA, ALL, 100.0 * float(heat.f_scores[0]), "%")
    result.add(name, DATA, "AP^H", 100.0 * heat.average_precision, "%")
    for limit, value in structural_ap(images).items():
        result.add(name, DATA, f"sAP{limit:g}", 100.0 * value, "%")
    result.add(name, DATA, "segments of a photo, mean", float(np.mean([len(i.segments) for i in images])), "")


def targets(result: Result) -> list[Target]:
    """What is asked of the quality."""
    network = result.value(network_name(MODEL), DATA, BEST)
    program = result.value(PROGRAM, DATA, BEST)
    asked = [
        target(f"F^H, {MODEL}, {DATA}", WANTED, network, ">=", "%"),
        target(
            f"F^H against {PROGRAM_F}, {PROGRAM}, {DATA}", PROGRAM_TOLERANCE, _apart(program, PROGRAM_F), unit="points"
        ),
    ]
    for name, known in KNOWN.items():
        apart = _apart(result.value(name, DATA, ALL), known)
        asked.append(target(f"F^H against {known}, {name}, {DATA}", TOLERANCE, apart, unit="points"))
    ours, theirs = (result.value(name, DATA, ALL) for name in (CLASSIC_ADVANCED, ADVANCED))
    loss = None if ours is None or theirs is None else theirs - ours
    asked.append(target(f"F^H that {CLASSIC_ADVANCED} lacks of {ADVANCED}", TOLERANCE, loss, unit="points"))
    for what, models, bound in (
        ("trained here on generated images", generated_models(), WANTED_SCRATCH),
        ("half width", half_width_models(), WANTED_HALF),
    ):
        values = [result.value(network_name(model), DATA, BEST) for model in models]
        best = max((value for value in values if value is not None), default=None)
        asked.append(target(f"F^H, {what}, {DATA}", bound, best, ">=", "%"))
    return asked


def generated_models() -> list[str]:
    """Packaged networks that have seen generated images alone."""
    return [name for name, card in line_models().items() if card.is_generated_data]


def half_width_models() -> list[str]:
    """Packaged networks of half the published width."""
    return [name for name, card in line_models().items() if card.network.get("base_width") == HALF_WIDTH]


def _apart(value: float | None, known: float) -> float | None:
    return None if value is None else abs(value - known)


def _stored_and_variants() -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """What the published program found, and our own ways that differ from the detector's."""
    from perception.inference.model_card import open_model
    from perception.lines.config import LinesConfig, RegionsConfig
    from perception.lines.detector import ANGLE, HEAT, LineDetector
    from perception.lines.segments import segments_from_maps

    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {
        PROGRAM: published(is_whole=True),
        PROGRAM_FLOATS: published(is_whole=False),
        PLAIN: [],
        QUADRANTS: [],
    }
    ways = ((PLAIN, RegionsConfig(), False), (QUADRANTS, RegionsConfig(has_quadrants=True, has_axis_swap=True), True))
    detector = LineDetector(open_model(MODEL), LinesConfig(precision="f32"))
    for photo in photos():
        outputs = detector.runtime.infer({detector.card.inputs[0].name: detector.prepare(photo)})
        for name, config, is_whole in ways:
            lines = segments_from_maps(outputs[HEAT][0], outputs[ANGLE][0], config)
            found[name].append((in_photo(lines.segments, photo.shape, is_whole), lines.scores))
    detector.close()
    return found
