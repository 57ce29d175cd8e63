"""Lines inside pictures: those that were drawn and can still be seen, with their contrast."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.world.materials import VARIANTS, Texture
from perception.world.render.textures.bank import REPEAT
from perception.world.render.textures.easel import Easel
from perception.world.render.textures.edges import _visible_runs, grid_lines_of, segments_of
from perception.world.render.textures.looks import paint, swatch_of


def test_a_warning_sign_has_the_sides_of_its_two_triangles() -> None:
    segments, steps, _ = segments_of(Texture.SIGN.layer(1))
    lengths = np.hypot(*(segments[:, 2:] - segments[:, :2]).T)
    assert (lengths > 0.5).sum() >= 4
    assert (steps[lengths > 0.5] > 80).all()


def test_every_line_lies_on_a_step_of_the_picture() -> None:
    for texture_id in (Texture.POSTER.layer(5), Texture.DOOR.layer(0), Texture.SHOP.layer(2)):
        grey = paint(swatch_of(texture_id))[..., :3].astype(np.float64) @ [0.299, 0.587, 0.114]
        segments, steps, _ = segments_of(texture_id)
        assert len(segments) > 4
        middle = 0.5 * (segments[:, :2] + segments[:, 2:])
        along = segments[:, 2:] - segments[:, :2]
        across = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.hypot(*along.T)[:, None] * 3.0 / len(grey)
        a, b = (np.clip(((middle + s * across) * len(grey)).astype(int), 0, len(grey) - 1) for s in (1, -1))
        seen = np.abs(grey[a[:, 1], a[:, 0]] - grey[b[:, 1], b[:, 0]])
        assert np.corrcoef(seen, steps)[0, 1] > 0.7


def test_a_line_that_is_painted_over_ends_there() -> None:
    easel = Easel(256, (200, 200, 200))
    easel.rectangle(0.2, 0.2, 0.8, 0.8, (60, 60, 60))
    easel.rectangle(0.0, 0.0, 0.5, 1.0, (200, 200, 200))
    grey = easel.image[::-1, :, 0].astype(np.float32)
    upper = [run for edge in easel.swatch(1.0, 0.0).edges for run in _visible_runs(grey, edge.astype(np.float64))]
    upper = [run for run in upper if abs(run[0][1] - 0.8) < 0.01 and abs(run[0][3] - 0.8) < 0.01]
    assert len(upper) == 1
    assert sorted(np.round([upper[0][0][0], upper[0][0][2]], 2)) == pytest.approx([0.5, 0.8], abs=0.02)
    assert upper[0][1] == pytest.approx(140.0, abs=1.0)


def test_textures_in_metres_have_none_and_unknown_numbers_are_refused() -> None:
    assert len(segments_of(Texture.BRICK.layer(0)).segments) == 0
    with pytest.raises(InvalidInput, match="names no look"):
        segments_of(9999)


def test_chequers_have_lines_between_their_squares_and_even_looks_have_none() -> None:
    lines = grid_lines_of(Texture.LINOLEUM.layer(2))
    np.testing.assert_allclose(np.unique(lines.places), [0.0, 0.5, 1.0, 1.5])
    assert (lines.steps > 30).all()
    np.testing.assert_allclose(lines.widths, 0.5)
    assert len(grid_lines_of(Texture.PLASTER.layer(0)).places) == 0


def test_stripes_lie_where_the_picture_of_them_changes() -> None:
    for texture_id in (Texture.BRICK.layer(7), Texture.CURTAIN.layer(7), Texture.WALLPAPER.layer(1)):
        lines = grid_lines_of(texture_id)
        grey = paint(swatch_of(texture_id))[..., :3].astype(np.float64) @ [0.299, 0.587, 0.114]
        assert len(lines.places) >= 4
        for axis, place in zip(lines.axes, lines.places):
            profile = grey.mean(axis=0 if axis == 0 else 1)
            k = round(float(place) / float(REPEAT[texture_id // VARIANTS]) * len(grey))
            beside = np.arange(2, 6)
            step = profile[(k + beside) % len(grey)].mean() - profile[(k - 1 - beside) % len(grey)].mean()
            assert abs(step) > 12.0
