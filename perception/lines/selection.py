"""Which of the segments that were found are kept: by score, false alarms, length and number; neighbours joined."""

import math
from dataclasses import dataclass

import numpy as np

from perception.kernels import line_checks, lsd
from perception.lines.segments import FoundLines

MERGE_SINE = math.sin(math.radians(3.0))  # of the angle between segments that are joined
MERGE_LATERAL = 1.5  # px from the line of the longer
MERGE_GAP = 0.05  # of the length of the longer
TEST_HALF_WIDTH = 1.5  # px about a segment in which directions are tested


@dataclass(frozen=True, slots=True)
class Selection:
    """What a segment must be like; the default keeps all."""

    min_score: float = -math.inf
    min_length: float = 0.0  # px
    max_segments: int = 1_000_000
    is_merged: bool = False


def selected(found: FoundLines, selection: Selection) -> FoundLines:
    """The segments that satisfy `selection`, best first."""
    found = _where(found, found.scores >= np.float32(selection.min_score))
    if selection.is_merged:
        found = merged(found)
    if selection.min_length > 0:
        found = _where(found, lengths(found.segments) >= selection.min_length)
    if len(found) > selection.max_segments:
        found = FoundLines(found.segments[: selection.max_segments], found.scores[: selection.max_segments])
    return found


def merged(found: FoundLines) -> FoundLines:
    """Collinear neighbours joined: under 3 degrees, 1.5 px aside, and a twentieth of the longer's length apart."""
    segments, scores = found.segments.astype(np.float64), found.scores.astype(np.float64)
    is_left = np.empty(len(found), dtype=np.bool_)
    line_checks.merge(segments, scores, MERGE_SINE, MERGE_LATERAL, MERGE_GAP, is_left)
    rows = np.flatnonzero(is_left)
    rows = rows[np.argsort(-scores[rows], kind="stable")]
    return FoundLines(segments[rows].astype(np.float32), scores[rows].astype(np.float32))


def validated(found: FoundLines, angle: np.ndarray, chord: float, min_log_nfa: float) -> FoundLines:
    """The segments whose -log10 of false alarms on the map of directions exceeds `min_log_nfa`; all in px of the map.

    `angle` (H, W) float32 in half turns. A pixel is aligned by chance with p = 0.071 for a squared chord of 0.05.
    """
    values = np.empty(len(found))
    log_tests = 2.5 * math.log10(angle.size) + math.log10(lsd.NUM_SIDES)
    angle, segments = np.ascontiguousarray(angle), np.ascontiguousarray(found.segments)
    line_checks.log_nfas(angle, segments, TEST_HALF_WIDTH, chord, log_tests, values)
    return _where(found, values > min_log_nfa)


def lengths(segments: np.ndarray) -> np.ndarray:
    """px (N,) of segments (N, 4)."""
    return np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])


def _where(found: FoundLines, keep: np.ndarray) -> FoundLines:
    return found if keep.all() else FoundLines(found.segments[keep], found.scores[keep])


def warm_up() -> None:
    """Compile the kernels, or load them from the cache."""
    line_checks.warm_up()
