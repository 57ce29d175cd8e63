"""From a map of heat and one of directions to line segments: the second half of LSD on the answer of a network.

Local threshold, seeds from the hottest pixel on, regions of like direction and heat, a weighted axis for each, and
regions of parallel lines divided. Coordinates are px of the map, pixel centres at integers.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from perception.kernels import line_fit, line_regions, line_support
from perception.lines.config import RegionsConfig

NUM_LEVELS = 255  # of heat in the local threshold
MAX_SIDE = 32_767  # px of a map: rows and columns share 32 bits
ROUNDING = 1e-5  # of sigmoids: that of ONNX Runtime may answer 1.0000001


@dataclass(frozen=True, slots=True, eq=False)
class FoundLines:
    """Segments found in one image or map, best first, in px with pixel centres at integers; undirected."""

    segments: np.ndarray  # (N, 4) float32: x, y of one end, x, y of the other
    scores: np.ndarray  # (N,) float32

    def __post_init__(self) -> None:
        check("segments", self.segments, (None, 4), np.float32)
        check("scores", self.scores, (len(self.segments),), np.float32)

    def __len__(self) -> int:
        return len(self.segments)


@dataclass(frozen=True, slots=True, eq=False)
class Regions:
    """Regions of a map: views of work space, good until its next use."""

    members: np.ndarray  # int32 numbers of pixels, region after region
    bounds: np.ndarray  # int32; region i is members[bounds[i] : bounds[i + 1]]
    count: int


class RegionFinder:
    """Finds segments in maps of one size after the other; its memory is reused. Serves one thread at a time."""

    def __init__(self, config: RegionsConfig) -> None:
        self.config = config
        self._limits = np.array([config.chord, config.heat_deviation, config.min_size], dtype=np.float32)
        self._shape = (0, 0)

    def find(self, heat: np.ndarray, angle: np.ndarray) -> FoundLines:
        """Segments of a map: heat (H, W) float32 in 0..1, angle (H, W) float32 in half turns, 0..1.

        Scores are mean heats. Raises `InvalidInput` for other maps.
        """
        check_maps(heat, angle)
        regions = self.regions(heat, angle)
        num = line_fit.fit(
            self._spots,
            self._fields,
            regions.members,
            regions.bounds,
            regions.count,
            self.config.bandwidth if self.config.is_split else 0.0,
            self.config.has_axis_swap,
            self._work,
            self._segments,
            self._region_of,
        )
        found = self._segments[:num]
        order = np.argsort(-found[:, 4], kind="stable")
        return FoundLines(found[order, :4], found[order, 4])

    def regions(self, heat: np.ndarray, angle: np.ndarray) -> Regions:
        """The regions of checked maps."""
        self._reserve(heat.shape)
        config = self.config
        heat, angle = np.ascontiguousarray(heat), np.ascontiguousarray(angle)
        binary = local_threshold(heat, config)
        cuts = np.array(heat.shape) // 2 if config.has_quadrants else np.zeros(2, dtype=np.int64)
        pixels = self._numbers, self._places, self._spots, self._fields
        firsts = line_support.gather(heat, angle, binary, np.float32(config.heat_threshold), cuts, *pixels)
        order = line_support.order_by_heat(self._fields, firsts[4], self._order, self._spare, self._digits)
        given = self._numbers, self._places, self._fields, order, firsts, self._limits
        count = line_regions.grow(*given, self._members, self._bounds, self._sums)
        if not config.has_quadrants:
            return Regions(self._members, self._bounds, count)
        ends = np.empty(count + 1, dtype=np.int32)
        grown = self._members, self._bounds, self._sums, count, self._limits[0]
        count = line_regions.join(
            self._places, heat.shape[1] + 2, cuts, *grown, self._numbers.reshape(-1), self._joined, ends
        )
        return Regions(self._joined, ends, count)

    def _reserve(self, shape: tuple[int, ...]) -> None:
        if shape == self._shape:
            return
        height, width = shape
        num = height * width + 2
        most = num // (self.config.min_size + 1) + 1
        self._numbers = np.zeros((height + 2, width + 2), dtype=np.int32)
        self._places = np.empty(num, dtype=np.uint32)
        self._spots, self._members = (np.empty(num, dtype=np.int32) for _ in range(2))
        self._joined = np.empty(num if self.config.has_quadrants else 0, dtype=np.int32)
        self._order, self._spare = (np.empty(num, dtype=np.uint64) for _ in range(2))
        self._fields = np.zeros((num, line_support.NUM_FIELDS), dtype=np.float32)
        self._digits = np.empty(line_support.NUM_DIGITS, dtype=np.int32)
        self._bounds = np.empty(most + 1, dtype=np.int32)
        self._sums = np.empty((most, 2), dtype=np.float32)
        self._work = np.empty((3, num))
        self._segments = np.empty((line_fit.MAX_PARTS * most, 5), dtype=np.float32)
        self._region_of = np.empty(line_fit.MAX_PARTS * most, dtype=np.int32)
        self._shape = shape[0], shape[1]


def segments_from_maps(heat: np.ndarray, angle: np.ndarray, config: RegionsConfig) -> FoundLines:
    """Segments of one map, see `RegionFinder.find`, which is faster for many."""
    return RegionFinder(config).find(heat, angle)


def local_threshold(heat: np.ndarray, config: RegionsConfig) -> np.ndarray:
    """(H, W) uint8, not 0 where heat exceeds the Gaussian mean of its window less the offset, both in 255 levels."""
    levels = cv2.convertScaleAbs(heat, alpha=NUM_LEVELS)
    method, kind = cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY
    return cv2.adaptiveThreshold(levels, NUM_LEVELS, method, kind, config.block, config.offset)


def check_maps(heat: np.ndarray, angle: np.ndarray) -> None:
    """Raise `InvalidInput` unless the maps have one shape, pixels, float32, and values in 0..1 up to rounding."""
    check("heat", heat, (None, None), np.float32)
    check("angle", angle, heat.shape, np.float32)
    if heat.size == 0:
        raise InvalidInput(f"heat: {heat.shape[1]}x{heat.shape[0]} px; give a map with pixels")
    if max(heat.shape) > MAX_SIDE:
        raise InvalidInput(f"heat: {heat.shape[1]}x{heat.shape[0]} px; give a map of {MAX_SIDE} at most")
    for name, values in (("heat", heat), ("angle", angle)):
        if not (values.min() >= -ROUNDING and values.max() <= 1 + ROUNDING):
            raise InvalidInput(f"{name}: has values outside 0 to 1, or not finite")


def warm_up() -> None:
    """Compile the kernels, or load them from the cache."""
    heat = np.zeros((16, 16), dtype=np.float32)
    heat[8, 2:15] = 1
    for config in (RegionsConfig(), RegionsConfig(has_quadrants=True, min_size=1)):
        finder = RegionFinder(config)
        finder.find(heat, np.zeros_like(heat))
