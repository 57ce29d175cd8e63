"""The peers of the line benchmark, in their environment: `python -m benchmarks.lines_peers IMAGES.npz CORE`.

OpenCV's LSD, EDLines and FastLineDetector, and pytlsd, each with its own defaults; grey images are made inside, as for
ours. Scores are what a method tells about its segments, else their lengths.
"""

import sys

import cv2
import numpy as np

from benchmarks.lines_turns import Work, pin, read_images, serve

REFINEMENTS = {"cv2 LSD, none": cv2.LSD_REFINE_NONE, "cv2 LSD, standard": cv2.LSD_REFINE_STD}
ADVANCED, EDLINES, FLD, PYTLSD = "cv2 LSD, advanced", "EDLines", "FastLineDetector", "pytlsd"
NAMES = (*REFINEMENTS, ADVANCED, EDLINES, FLD, PYTLSD)


def methods() -> dict[str, Work | str]:
    """Every peer, or why it is not there."""
    cv2.setNumThreads(1)
    found: dict[str, Work | str] = {name: _lsd(refine) for name, refine in REFINEMENTS.items()}
    found[ADVANCED] = _lsd(cv2.LSD_REFINE_ADV)
    try:
        drawing, fast = cv2.ximgproc.createEdgeDrawing(), cv2.ximgproc.createFastLineDetector()
        found |= {EDLINES: lambda image: _edlines(drawing, image), FLD: lambda image: _rows(fast.detect(_grey(image)))}
    except AttributeError:
        found |= dict.fromkeys((EDLINES, FLD), "this OpenCV has no ximgproc")
    try:
        import pytlsd

        found[PYTLSD] = lambda image: _rows(pytlsd.lsd(_grey(image))[:, :4])
    except ImportError as error:
        found[PYTLSD] = f"no wheel for this Python ({error})"
    return found


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def _lsd(refine: int) -> Work:
    detector = cv2.createLineSegmentDetector(refine)

    def work(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        lines, _, _, log_nfa = detector.detect(_grey(image))
        segments, scores = _rows(lines)
        return segments, scores if log_nfa is None else log_nfa.reshape(-1)

    return work


def _edlines(drawing: object, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    drawing.detectEdges(_grey(image))  # type: ignore[attr-defined]
    return _rows(drawing.detectLines())  # type: ignore[attr-defined]


def _rows(lines: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    segments = np.zeros((0, 4), dtype=np.float32) if lines is None else np.asarray(lines, np.float32).reshape(-1, 4)
    return segments, np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])


def main(source: str, core: str) -> None:
    """Answer until the input ends."""
    pin(core)
    serve(methods(), read_images(source))


if __name__ == "__main__":
    main(*sys.argv[1:])
