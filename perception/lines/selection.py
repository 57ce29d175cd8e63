"""Which of the segments that were found are kept."""

from dataclasses import dataclass

import numpy as np

from perception.lines.segments import FoundLines


@dataclass(frozen=True, slots=True)
class Selection:
    """What a segment must be like; the default keeps all."""

    min_score: float = -np.inf
    min_length: float = 0.0  # px
    max_segments: int = 1_000_000
    is_merged: bool = False


def selected(found: FoundLines, selection: Selection) -> FoundLines:
    """The segments that satisfy `selection`, best first as before."""
    keep = found.scores >= np.float32(selection.min_score)
    if selection.min_length > 0:
        steps = found.segments[:, 2:] - found.segments[:, :2]
        keep &= np.hypot(steps[:, 0], steps[:, 1]) >= selection.min_length
    if keep.all() and len(found) <= selection.max_segments:
        return found
    rows = np.flatnonzero(keep)[: selection.max_segments]
    return FoundLines(found.segments[rows], found.scores[rows])
