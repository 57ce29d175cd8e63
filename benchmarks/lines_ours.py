"""Our line detectors on one core: `python -m benchmarks.lines_ours IMAGES.npz CORE`."""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.lines_turns import Work, pin, read_images, serve

POST_288, POST_VGA = "regions, 288x288", "regions, 640x480"
MAP = (480, 640)  # px, of the maps of the second
CLASSIC = {f"perception LSD, {refine}": refine for refine in ("none", "standard", "advanced")}
TASK = "lines"


def line_models() -> dict[str, Any]:
    """Cards of the packaged networks of lines by name."""
    from perception.inference.model_card import PACKAGED, read_card

    cards = (read_card(path) for path in sorted(PACKAGED.glob("*.json")))
    return {card.name: card for card in cards if card.task == TASK}


def network_name(model: str, precision: str = "f32") -> str:
    """How a whole detector with a network is called in the tables."""
    return f"{model} {precision}"


def alone_name(model: str, precision: str = "f32") -> str:
    """How the network of a detector alone is called."""
    return f"{model} {precision}, network alone"


def methods() -> dict[str, Work | str]:
    """Networks with all that is around them, their second half alone, and classic LSD."""
    import cv2

    from perception.inference.hardware import has_amx

    cv2.setNumThreads(1)
    found: dict[str, Work | str] = {}
    for model in line_models():
        for precision in ("f32", "bf16") if has_amx() else ("f32",):
            found[network_name(model, precision)] = _opened(partial(_network, model, precision))
            found[alone_name(model, precision)] = _opened(partial(_alone, model, precision))
    found |= {name: _opened(partial(_classic, refine)) for name, refine in CLASSIC.items()}
    found |= {POST_288: _opened(partial(_regions, None)), POST_VGA: _opened(partial(_regions, MAP))}
    return found


def _opened(make: Callable[[], Work]) -> Work | str:
    from perception.core.errors import PerceptionError

    try:
        return make()
    except PerceptionError as error:
        return str(error)


def _network(model: str, precision: str) -> Work:
    """All segments, those of low scores, too: choosing is left to whoever judges them."""
    from perception.lines.config import LinesConfig

    return _detector(LinesConfig(model=model, precision=precision, num_threads=1, score_threshold=0.0))


def _classic(refine: str) -> Work:
    from perception.lines.config import LinesConfig

    return _detector(LinesConfig.model_validate({"detector": "lsd", "lsd": {"refine": refine}}))


def _detector(config: Any) -> Work:
    from perception.lines.detector import open_line_detector

    detector = open_line_detector(config, MAP)

    def work(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        found = detector.detect(image)
        return found.segments, found.scores

    return work


def _alone(model: str, precision: str) -> Work:
    """The network alone; images are prepared when they come for the first time."""
    from perception.inference.model_card import open_model
    from perception.lines.config import LinesConfig
    from perception.lines.detector import LineDetector

    detector = LineDetector(open_model(model), LinesConfig(model=model, precision=precision, num_threads=1))
    detector.warm_up(MAP)
    name, prepared = detector.card.inputs[0].name, {}
    nothing = np.zeros((0, 4), dtype=np.float32), np.zeros(0, dtype=np.float32)

    def work(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if id(image) not in prepared:
            prepared[id(image)] = detector.prepare(image).copy()
        detector.runtime.infer({name: prepared[id(image)]})
        return nothing

    return work


def _regions(size: tuple[int, int] | None) -> Work:
    """From maps to segments. The maps, of `size` or as usual, are made when an image comes for the first time."""
    from perception.inference.model_card import open_model
    from perception.lines.config import LinesConfig
    from perception.lines.detector import LineDetector
    from perception.lines.segments import RegionFinder
    from perception.networks.lsdnet_input import stretched

    config = LinesConfig(precision="f32", num_threads=1, backend="onnx")
    detector, finder = LineDetector(open_model(config.model), config), RegionFinder(config.regions)
    name, maps = detector.card.inputs[0].name, {}

    def work(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if id(image) not in maps:
            given = detector.prepare(image) if size is None else stretched(image, size)[None]
            outputs = detector.runtime.infer({name: given})
            maps[id(image)] = [outputs[key][0].copy() for key in ("heat", "angle")]
        found = finder.find(*maps[id(image)])
        return found.segments, found.scores

    return work


def main(source: str, core: str) -> None:
    """Answer until the input ends."""
    pin(core)
    serve(methods(), read_images(source))


if __name__ == "__main__":
    main(*sys.argv[1:])
