import cv2
import numpy as np
import pytest

from perception.core.config import validated
from perception.core.errors import ConfigError, InvalidInput
from perception.kernels import line_fit, line_support
from perception.lines.config import RegionsConfig
from perception.lines.segments import RegionFinder, local_threshold, segments_from_maps
from tests.unit.lines import definitions

SIZE = 96, 120


def drawn(lines, size=SIZE, width=3, noise=0.02, seed=0):
    """Maps of heat and direction with lines (x1, y1, x2, y2) in them, later ones on top."""
    random = np.random.default_rng(seed)
    heat = np.zeros(size, dtype=np.float32)
    angle = random.uniform(0, 1, size).astype(np.float32)
    for x1, y1, x2, y2 in lines:
        stroke = np.zeros(size, dtype=np.uint8)
        cv2.line(stroke, (round(x1), round(y1)), (round(x2), round(y2)), 1, width)
        angle[stroke > 0] = np.arctan2(y2 - y1, x2 - x1) / np.pi % 1
        heat[stroke > 0] = 0.9
    heat = cv2.GaussianBlur(heat, (0, 0), 0.8) + random.normal(0, noise, size)
    angle += random.normal(0, noise / 4, size)
    return heat.clip(0, 1).astype(np.float32), (angle % 1).clip(0, 1).astype(np.float32)


def tangle(seed, num=14, size=SIZE):
    random = np.random.default_rng(seed)
    limits = np.array([size[1], size[0]] * 2) - 1
    return drawn(random.uniform(0, 1, (num, 4)) * limits, size, width=int(random.integers(1, 5)), seed=seed)


def distances(have, want):
    """(M,) largest distance of an end of each of `want` (M, 4) from the nearest of `have` (N, 4), undirected."""
    straight = np.abs(have[:, None] - want[None]).max(axis=-1)
    swapped = np.abs(have[:, None, [2, 3, 0, 1]] - want[None]).max(axis=-1)
    return np.minimum(straight, swapped).min(axis=0)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("config", [RegionsConfig(), RegionsConfig(block=15, offset=-3, heat_threshold=0.1)])
def test_the_mask_is_the_local_threshold_but_where_rounding_decides(seed, config):
    heat, _angle = tangle(seed)
    want, is_close = definitions.mask(heat, config)
    have = (local_threshold(heat, config) > 0) & (heat > np.float32(config.heat_threshold))
    np.testing.assert_array_equal(have[~is_close], want[~is_close])
    assert want.any()


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("is_split", [True, False])
def test_regions_and_segments_are_those_of_the_definition(seed, is_split):
    heat, angle = tangle(seed, num=20)
    config = RegionsConfig(is_split=is_split, min_size=3, bandwidth=0.4)
    pixels = (local_threshold(heat, config) > 0) & (heat > np.float32(config.heat_threshold))
    want = definitions.regions(heat, angle, pixels, config)
    finder = RegionFinder(config)
    regions = finder.regions(heat, angle)
    assert regions.count == len(want) > 10
    for row, region in enumerate(want):
        spots = finder._spots[regions.members[regions.bounds[row] : regions.bounds[row + 1]]]
        np.testing.assert_array_equal(np.stack([spots >> 16, spots & 0xFFFF], axis=1), region)
    fitted = np.concatenate([definitions.segments(region, heat, config) for region in want])
    found = finder.find(heat, angle)
    away = distances(found.segments, fitted[:, :4])
    assert (away < 1e-3).mean() > (0.9 if is_split else 0.9999)  # rounding decides where two points are a minimum
    np.testing.assert_allclose(found.scores.max(), fitted[:, 4].max(), atol=1e-6)
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize("has_swap", [False, True])
def test_one_pixel_wide_lines_parallel_to_a_side(has_swap):
    heat, angle = np.zeros(SIZE, dtype=np.float32), np.zeros(SIZE, dtype=np.float32)
    heat[20, 10:40] = heat[50:80, 60] = 0.9
    angle[50:80, 60] = 0.5
    found = segments_from_maps(heat, angle, RegionsConfig(has_axis_swap=has_swap)).segments
    if has_swap:
        assert len(found) >= 2
        assert (np.abs(found[:, 2:] - found[:, :2]).max(axis=1) < 1e-3).all()
    else:
        assert distances(found, np.array([[10, 20, 39, 20], [60, 50, 60, 79]])).max() < 1e-4


def test_two_parallel_lines_that_touch_are_divided():
    heat, angle = np.zeros(SIZE, dtype=np.float32), np.zeros(SIZE, dtype=np.float32)
    heat[30:33, 10:100] = heat[38:41, 10:100] = 0.9
    heat[33:38, 50] = 0.9
    config = RegionsConfig(offset=200)
    found = segments_from_maps(heat, angle, config).segments
    whole = segments_from_maps(heat, angle, RegionsConfig(offset=200, is_split=False)).segments
    assert len(whole) == 1
    assert sorted(np.round(found[:, 1])) == [31, 39]


@pytest.mark.parametrize("seed", range(3))
def test_quarters_are_joined_to_nearly_the_same_segments(seed):
    heat, angle = tangle(seed, num=8, size=(160, 160))
    whole = segments_from_maps(heat, angle, RegionsConfig(min_size=20))
    quarters = segments_from_maps(heat, angle, RegionsConfig(min_size=20, has_quadrants=True))
    assert (distances(quarters.segments, whole.segments) < 1.5).mean() > 0.6
    crosses = (whole.segments[:, 0] > 79.5) != (whole.segments[:, 2] > 79.5)
    assert (distances(quarters.segments, whole.segments)[crosses] < 1.5).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (2, 3), (17, 31), (300, 5)])
@pytest.mark.parametrize("has_quadrants", [False, True])
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_maps_of_one_value_and_of_any_shape_pass(shape, has_quadrants, value):
    heat = np.full(shape, value, dtype=np.float32)
    found = segments_from_maps(heat, np.ones_like(heat), RegionsConfig(has_quadrants=has_quadrants))
    assert np.isfinite(found.segments).all()
    assert value or not len(found)


def test_noise_in_every_pixel_passes():
    random = np.random.default_rng(0)
    config = RegionsConfig(min_size=1, heat_threshold=0.0, chord=1.9, offset=255)
    heat, angle = random.uniform(0, 1, (2, 64, 65)).astype(np.float32)
    assert len(segments_from_maps(heat, angle, config)) > 0


def test_a_finder_repeats_itself_after_maps_of_other_sizes_and_keeps_what_it_gave():
    finder = RegionFinder(RegionsConfig())
    maps = tangle(1)
    first = finder.find(*maps)
    before = first.segments.copy(), first.scores.copy()
    finder.find(*tangle(2, size=(50, 200)))
    second = finder.find(*maps)
    np.testing.assert_array_equal(first.segments, second.segments)
    np.testing.assert_array_equal(first.segments, before[0])
    np.testing.assert_array_equal(first.scores, before[1])


def test_maps_in_memory_of_any_order_and_read_only_give_the_same():
    heat, angle = tangle(3)
    want = segments_from_maps(heat, angle, RegionsConfig()).segments
    both = np.stack([heat, angle], axis=-1)
    both.flags.writeable = False
    np.testing.assert_array_equal(segments_from_maps(both[..., 0], both[..., 1], RegionsConfig()).segments, want)


@pytest.mark.parametrize(
    ("heat", "angle"),
    [
        (np.full((4, 4), np.nan, dtype=np.float32), np.zeros((4, 4), dtype=np.float32)),
        (np.zeros((4, 4), dtype=np.float32), np.full((4, 4), np.inf, dtype=np.float32)),
        (np.full((4, 4), 1.5, dtype=np.float32), np.zeros((4, 4), dtype=np.float32)),
        (np.zeros((4, 4)), np.zeros((4, 4))),
        (np.zeros((4, 4), dtype=np.float32), np.zeros((4, 5), dtype=np.float32)),
        (np.zeros((0, 4), dtype=np.float32), np.zeros((0, 4), dtype=np.float32)),
        (np.zeros((1, 4, 4), dtype=np.float32), np.zeros((1, 4, 4), dtype=np.float32)),
        (np.zeros((1, 32_768), dtype=np.float32), np.zeros((1, 32_768), dtype=np.float32)),
    ],
)
def test_impossible_maps_are_refused(heat, angle):
    with pytest.raises(InvalidInput):
        segments_from_maps(heat, angle, RegionsConfig())


def test_an_even_window_is_refused():
    with pytest.raises(ConfigError, match=r"block: .*odd"):
        validated(RegionsConfig, {"block": 10})


def test_doubled_directions_are_cosine_and_sine():
    angles = np.concatenate([np.linspace(0, 1, 4001), [0.125, 0.375, 0.625, 0.875]]).astype(np.float32)
    fields = np.zeros((len(angles) + 1, line_support.NUM_FIELDS), dtype=np.float32)
    fields[1:, line_support.COS] = angles
    line_support._double(fields, len(fields))
    np.testing.assert_allclose(fields[1:, :2], line_support.doubled_directions_reference(angles), atol=3e-7)


@pytest.mark.parametrize("count", [0, 1, 2, 5000])
@pytest.mark.parametrize("low", [0.0, 0.4, 0.9999])
def test_pixels_are_ordered_by_heat_and_equals_as_they_come(count, low):
    heats = np.random.default_rng(count).uniform(low, 1, count).astype(np.float32)
    heats[::3] = heats[: len(heats[::3])]
    fields = np.zeros((count + 1, line_support.NUM_FIELDS), dtype=np.float32)
    fields[1:, line_support.HEAT] = heats
    work = np.empty((2, count + 1), dtype=np.uint64)
    order = line_support.order_by_heat(fields, count + 1, *work, np.empty(line_support.NUM_DIGITS, dtype=np.int32))
    have = (order[:count][::-1] & np.uint64(0xFFFFFFFF)).astype(np.int32) - 1
    np.testing.assert_array_equal(have, line_support.order_reference(heats))


@pytest.mark.parametrize("seed", range(20))
def test_the_walk_over_counts_is_that_over_sorted_values(seed):
    random = np.random.default_rng(seed)
    counts = random.integers(0, 3, line_fit.NUM_POINTS) * random.integers(0, 2, line_fit.NUM_POINTS)
    counts[0] += 1
    want, at = np.zeros_like(counts), 0
    for bin_ in np.repeat(np.arange(len(counts)), counts):
        at += bin_ > at
        want[at] += 1
    line_fit._walk(counts)
    np.testing.assert_array_equal(counts, want)
