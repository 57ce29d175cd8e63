"""Windows: pixels and boxes belong together, whatever was drawn."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.training.augment import Augmenter, Focus, Tile, painted, recoloured, tiled_boxes
from perception.training.config import AugmentConfig
from perception.training.pictures import Boxes, PictureList

GREEN, SIDE = (20, 230, 20), 120
PLAIN = {"hue": 0.0, "saturation": 0.0, "value": 0.0}
EDGE_BLUR = 2.0  # px of the window by which interpolation moves an edge, at the scales used here


def rectangles(boxes: list[list[float]], ignored: tuple[int, ...] = ()) -> tuple[PictureList, list[np.ndarray]]:
    """One picture for each box, with a green rectangle where the box is."""
    colors = []
    for x1, y1, x2, y2 in np.array(boxes, dtype=int):
        color = np.zeros((SIDE * 3 // 4, SIDE, 3), dtype=np.uint8)
        color[y1:y2, x1:x2] = GREEN
        colors.append(color)
    rows = len(boxes)
    found = Boxes(
        np.array(boxes, np.float32), np.arange(rows) % 2, np.array([row in ignored for row in range(rows)], dtype=bool)
    )
    sizes = np.tile([SIDE, SIDE * 3 // 4], (rows, 1))
    return PictureList(tuple(Path(str(row)) for row in range(rows)), sizes, np.arange(rows + 1), found), colors


BOXES = [[30.0, 20.0, 80.0, 60.0], [10.0, 10.0, 50.0, 80.0], [60.0, 5.0, 110.0, 45.0], [20.0, 40.0, 100.0, 70.0]]


def green(color: np.ndarray) -> np.ndarray:
    return (color[..., 1] > 150) & (color[..., 0] < 100)


@pytest.mark.parametrize("layout", ["canvas", "crops"])
@given(seed=st.integers(0, 10_000), mosaic=st.sampled_from([0.0, 1.0]), stretch=st.sampled_from([1.0, 1.6]))
@settings(max_examples=40, deadline=None)
def test_boxes_of_a_window_frame_exactly_the_pixels_of_their_objects(
    layout: str, seed: int, mosaic: float, stretch: float
) -> None:
    pictures, colors = rectangles(BOXES)
    shapes = {"layout": layout, "mosaic": mosaic, "stretch": stretch, "min_scale": 0.7, "focus": 0.5}
    config = AugmentConfig(height=96, width=128, picture_side=SIDE, **shapes, **PLAIN)
    window = Augmenter(pictures, colors.__getitem__, config).window(0, np.random.default_rng(seed))
    shown = green(window.color)
    covered = np.zeros_like(shown)
    for x1, y1, x2, y2 in window.boxes.corners:
        high_y, high_x = max(round(y2 - EDGE_BLUR), 0), max(round(x2 - EDGE_BLUR), 0)
        assert shown[round(y1 + EDGE_BLUR) : high_y, round(x1 + EDGE_BLUR) : high_x].all()
        low_y, low_x = max(int(y1 - EDGE_BLUR), 0), max(int(x1 - EDGE_BLUR), 0)
        covered[low_y : int(y2 + EDGE_BLUR) + 1, low_x : int(x2 + EDGE_BLUR) + 1] = True
    assert not (shown & ~covered).any()


@given(seed=st.integers(0, 10_000), layout=st.sampled_from(["canvas", "crops"]))
@settings(max_examples=40, deadline=None)
def test_boxes_stay_inside_the_window_and_what_is_learned_is_large_enough(seed: int, layout: str) -> None:
    pictures, colors = rectangles(BOXES, ignored=(2,))
    config = AugmentConfig(height=64, width=64, layout=layout, picture_side=SIDE, min_side=5.0, translate=0.5)
    boxes = Augmenter(pictures, colors.__getitem__, config).window(1, np.random.default_rng(seed)).boxes
    assert (boxes.corners >= 0).all() and (boxes.corners <= 64).all()
    sides = boxes.corners[:, 2:] - boxes.corners[:, :2]
    assert (sides > 0).all()
    assert (sides[~boxes.is_ignored] > 5.0).all()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_every_part_of_a_focused_mosaic_shows_a_whole_object(seed: int) -> None:
    pictures, colors = rectangles(BOXES)
    config = AugmentConfig(
        height=96,
        width=96,
        layout="crops",
        mosaic=1.0,
        grid=3,
        focus=1.0,
        picture_side=SIDE,
        min_visible=0.999,
        **PLAIN,
    )
    boxes = Augmenter(pictures, colors.__getitem__, config).window(0, np.random.default_rng(seed)).boxes
    assert (~boxes.is_ignored).sum() >= 3 * 3


def test_stretched_cut_outs_change_the_shape_of_objects_within_the_limit() -> None:
    pictures, colors = rectangles([[40.0, 30.0, 60.0, 50.0]])
    config = AugmentConfig(
        height=96, width=96, layout="crops", mosaic=0.0, focus=1.0, stretch=2.0, picture_side=SIDE, **PLAIN
    )
    augmenter = Augmenter(pictures, colors.__getitem__, config)
    corners = np.concatenate([augmenter.window(0, np.random.default_rng(seed)).boxes.corners for seed in range(60)])
    ratios = (corners[:, 2] - corners[:, 0]) / (corners[:, 3] - corners[:, 1])
    assert ratios.max() > 1.7 and ratios.min() < 1 / 1.7
    assert ratios.max() < 2.001 and ratios.min() > 0.499


def test_a_share_of_the_windows_is_grey() -> None:
    pictures, colors = rectangles(BOXES)
    augmenter = Augmenter(
        pictures, colors.__getitem__, AugmentConfig(height=64, width=64, picture_side=SIDE, grey=0.5, **PLAIN)
    )
    windows = [augmenter.window(0, np.random.default_rng(seed)).color for seed in range(60)]
    share = np.mean([not np.ptp(color.astype(int), axis=2).any() for color in windows])
    assert 0.3 < share < 0.7


def test_a_window_depends_on_its_generator_alone() -> None:
    pictures, colors = rectangles(BOXES)
    augmenter = Augmenter(pictures, colors.__getitem__, AugmentConfig(height=64, width=64, picture_side=SIDE))
    one, same, other = (augmenter.window(0, np.random.default_rng(seed)) for seed in (5, 5, 6))
    assert np.array_equal(one.color, same.color) and np.array_equal(one.boxes.corners, same.boxes.corners)
    assert not np.array_equal(one.color, other.color)


def test_what_is_cut_to_less_than_a_share_is_ignored_and_what_is_outside_is_dropped() -> None:
    pictures, _ = rectangles(BOXES)
    config = AugmentConfig(min_visible=0.5, min_side=0.0)
    tiles = [Tile(0, (1.0, 1.0), (0.0, 0.0), (0, 0, 64, 64)), Tile(1, (1.0, 1.0), (64.0, 0.0), (64, 0, 80, 64))]
    boxes = tiled_boxes(tiles, pictures, config)
    assert boxes.corners.tolist() == [[30.0, 20.0, 64.0, 60.0], [74.0, 10.0, 80.0, 64.0]]
    assert boxes.is_ignored.tolist() == [False, True]
    assert len(tiled_boxes([Tile(0, (1.0, 1.0), (0.0, 0.0), (0, 0, 20, 64))], pictures, config)) == 0


def test_a_tile_at_scale_one_keeps_every_pixel() -> None:
    color = np.random.default_rng(0).integers(0, 255, (90, 120, 3), dtype=np.uint8)
    shown = painted([Tile(0, (1.0, 1.0), (-7.0, -3.0), (8, 16, 64, 64))], lambda _: color, (64, 96))
    assert np.array_equal(shown[16:64, 8:64], color[19:67, 15:71])
    assert (shown[:16] == 114).all() and (shown[:, 64:] == 114).all()


def test_rare_classes_are_looked_at_more_often_than_they_come() -> None:
    classes = np.array([0] * 99 + [1])
    boxes = Boxes(np.tile(np.array([[0, 0, 9, 9]], np.float32), (100, 1)), classes, np.zeros(100, dtype=bool))
    pictures = PictureList((Path("a"),), np.array([[100, 100]]), np.array([0, 100]), boxes)
    focus, rng = Focus.of(pictures), np.random.default_rng(0)
    share = np.mean([classes[focus.draw(rng)] for _ in range(2000)])
    assert share == pytest.approx(1 / (1 + 99**0.5), abs=0.02)


def test_colours_change_within_their_limits_and_not_at_all_without_any() -> None:
    color = np.random.default_rng(1).integers(60, 180, (32, 32, 3), dtype=np.uint8)
    same = recoloured(color, np.random.default_rng(2), AugmentConfig(**PLAIN))
    assert np.abs(same.astype(int) - color).max() <= 8  # HSV with 8 bit
    darker = recoloured(color, np.random.default_rng(2), AugmentConfig(hue=0.0, saturation=0.0, value=0.4))
    ratio = darker.max(axis=2).mean() / color.max(axis=2).mean()
    assert 0.6 <= ratio <= 1.4 and abs(ratio - 1) > 0.01
