"""Letters and figures as strokes, so that signs, plates and posters do not depend on fonts."""

import cv2
import numpy as np

# Points of a grid of 3 columns (a to c) and 5 rows (1, on top, to 5); strokes are separated by blanks.
_STROKES = {
    "A": "a5a2b1c2c5 a3c3",
    "B": "a1b1c2b3a3a1a5b5c4b3",
    "C": "c1a1a5c5",
    "D": "a1b1c2c4b5a5a1",
    "E": "c1a1a5c5 a3b3",
    "F": "c1a1a5 a3b3",
    "G": "c2c1a1a5c5c3b3",
    "H": "a1a5 c1c5 a3c3",
    "I": "b1b5",
    "J": "c1c5a5a4",
    "K": "a1a5 c1a3c5",
    "L": "a1a5c5",
    "M": "a5a1b3c1c5",
    "N": "a5a1c5c1",
    "O": "a1c1c5a5a1",
    "P": "a5a1c1c3a3",
    "Q": "a1c1c5a5a1 b4c5",
    "R": "a5a1c1c3a3 b3c5",
    "S": "c1a1a3c3c5a5",
    "T": "a1c1 b1b5",
    "U": "a1a5c5c1",
    "V": "a1b5c1",
    "W": "a1a5b3c5c1",
    "X": "a1c5 c1a5",
    "Y": "a1b3c1 b3b5",
    "Z": "a1c1a5c5",
    "0": "a1c1c5a5a1",
    "1": "a2b1b5",
    "2": "a1c1c3a3a5c5",
    "3": "a1c1c5a5 b3c3",
    "4": "a1a3c3 c1c5",
    "5": "c1a1a3c3c5a5",
    "6": "c1a1a5c5c3a3",
    "7": "a1c1b5",
    "8": "a1c1c5a5a1 a3c3",
    "9": "c3a3a1c1c5a5",
}
_ADVANCE = 0.85  # of the height, from one letter to the next
_WIDTH = 0.55  # of the height
_SUBPIXEL_BITS = 4


def write(image: np.ndarray, text: str, box: tuple[float, float, float, float], color: tuple, weight: float) -> None:
    """Writes on an image (H, W, 3) uint8 or float32 into a box (left, top, right, bottom; px).

    `weight`: width of a stroke as a share of the height of the letters. Unknown letters are blanks.
    """
    left, top, right, bottom = box
    height = bottom - top
    step = (right - left) / max(_ADVANCE * (len(text) - 1) + _WIDTH, _WIDTH)
    mask = np.zeros(image.shape[:2], dtype=np.uint8)
    for k, letter in enumerate(text.upper()):
        for strokes in _STROKES.get(letter, "").split():
            at = np.array([("abc".index(c), "12345".index(r)) for c, r in zip(strokes[::2], strokes[1::2])])
            points = np.array([left + k * _ADVANCE * step, top]) + at * [0.5 * _WIDTH * step, 0.25 * height]
            whole = np.rint(points * (1 << _SUBPIXEL_BITS)).astype(np.int32)[:, None]
            width = max(1, round(weight * height))
            cv2.polylines(mask, [whole], False, 255, width, cv2.LINE_AA, _SUBPIXEL_BITS)
    margin = weight * height + 1.0
    rows = slice(max(int(top - margin), 0), int(bottom + margin) + 2)
    cols = slice(max(int(left - margin), 0), int(right + margin) + 2)
    part = image[rows, cols].astype(np.float32)
    part += (np.array(color, dtype=np.float32) - part) * (mask[rows, cols, None] * np.float32(1.0 / 255.0))
    image[rows, cols] = np.rint(part) if image.dtype == np.uint8 else part


def some_text(rng: np.random.Generator, length: int, letters: str = "ABCDEFGHIKLMNOPRSTUVZ") -> str:
    """Random letters."""
    return "".join(letters[i] for i in rng.integers(len(letters), size=length))
