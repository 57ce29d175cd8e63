"""Segments from the stored maps of LSDNet, and those of the published program on twenty photos."""

import cv2
import numpy as np
import pytest

from perception.inference.model_card import open_model
from perception.inference.runtime import RuntimeOptions, open_backend
from perception.kernels import line_fit, line_support
from perception.kernels.line_input import scaled_reference
from perception.lines.classic import ClassicLsd
from perception.lines.config import LsdConfig, RegionsConfig
from perception.lines.segments import local_threshold, segments_from_maps
from tests.shared import shared

PHOTOS = {"img": "output", "gray": "gray_output"}
NEAR, PIXEL, SCORE = 0.1, 1.0, 2e-3  # px, px, heat


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(shared("parity/lsdnet.npz"), allow_pickle=False) as file:
        return dict(file)


def maps_of(stored, photo):
    return tuple(np.ascontiguousarray(stored[PHOTOS[photo]][0, :, :, channel]) for channel in range(2))


def share_found(have, want, limit):
    """Share of `want` (M, 4) with a segment of `have` (N, 4) whose ends are both nearer than `limit` px."""
    straight = np.abs(have[:, None] - want[None]).max(axis=-1)
    swapped = np.abs(have[:, None, [2, 3, 0, 1]] - want[None]).max(axis=-1)
    return (np.minimum(straight, swapped).min(axis=0) < limit).mean()


@pytest.mark.parametrize("photo", PHOTOS)
def test_the_mask_is_the_published_one_bit_for_bit(stored, photo):
    heat, _angle = maps_of(stored, photo)
    binary = local_threshold(heat, RegionsConfig())
    np.testing.assert_array_equal(binary, stored[f"{photo}_adaptive_bin"])
    np.testing.assert_array_equal((binary > 0) & (heat > np.float32(0.4)), stored[f"{photo}_roi"] > 0)


def fitted(stored, photo, bandwidth):
    """Segments (N, 5) of the stored regions, and the stored number of the region of each."""
    heat, _angle = maps_of(stored, photo)
    ids, rows, columns = stored[f"{photo}_regions_id_row_col"].astype(np.int32).T
    numbers, starts = np.unique(ids, return_index=True)
    assert (np.diff(ids) >= 0).all()
    fields = np.zeros((len(ids), line_support.NUM_FIELDS), dtype=np.float32)
    fields[:, line_support.HEAT] = heat[rows, columns]
    bounds = np.append(starts, len(ids)).astype(np.int32)
    out = np.empty((8 * len(numbers), 5), dtype=np.float32), np.empty(8 * len(numbers), dtype=np.int32)
    members = np.arange(len(ids), dtype=np.int32)
    work = np.empty((3, len(ids)))
    given = rows << 16 | columns, fields, members, bounds, len(numbers), bandwidth, False, work
    num = line_fit.fit(*given, *out)
    return out[0][:num], numbers[out[1][:num]]


@pytest.mark.parametrize("photo", PHOTOS)
def test_stored_regions_give_the_published_segments(stored, photo):
    have, owners = fitted(stored, photo, 1.0)
    want = stored[f"{photo}_seg288"][~stored[f"{photo}_seg288_degenerate"]]
    regions = stored[f"{photo}_seg288_region"][~stored[f"{photo}_seg288_degenerate"]]
    is_same = [
        share_found(have[owners == region, :4], row[None, :4], NEAR) == 1
        and np.abs(have[owners == region, 4] - row[4]).min() < SCORE
        for row, region in zip(want, regions)
    ]
    assert np.mean(is_same) >= 0.99
    whole, _owners = fitted(stored, photo, 0.0)
    assert share_found(whole[:, :4], stored[f"{photo}_seg288_nosplit"][:, :4], NEAR) >= 0.99


@pytest.mark.parametrize("photo", PHOTOS)
def test_maps_give_the_published_segments(stored, photo):
    whole = segments_from_maps(*maps_of(stored, photo), RegionsConfig()).segments
    quarters = segments_from_maps(*maps_of(stored, photo), RegionsConfig(has_quadrants=True)).segments
    published, one_pass = stored[f"{photo}_seg288"][:, :4], stored[f"{photo}_seg288_onepass_indep"][:, :4]
    assert share_found(whole, published, PIXEL) >= 0.95
    assert share_found(whole, one_pass, PIXEL) >= 0.99
    assert share_found(quarters, published, PIXEL) >= 0.99


def test_twenty_photos_give_the_published_segments_with_their_defect():
    pytest.importorskip("onnxruntime")
    runtime = open_backend("onnx", open_model("lsdnet"), RuntimeOptions(num_threads=1, precision="f32", device="cpu"))
    config = RegionsConfig(has_quadrants=True, has_axis_swap=True)
    found, total = 0.0, 0
    with np.load(shared("parity/lsdnet_tiny20.npz"), allow_pickle=False) as file:
        for name in (name[5:] for name in file.files if name.startswith("pred_")):
            photo = cv2.cvtColor(cv2.imdecode(file[f"jpg_{name}"], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
            image = scaled_reference(photo, (288, 288)).transpose(2, 0, 1)[None]
            outputs = runtime.infer({"images": np.ascontiguousarray(image)})
            want = file[f"pred_{name}"][:, :4]
            have = segments_from_maps(outputs["heat"][0], outputs["angle"][0], config).segments
            found += share_found(have, want, PIXEL) * len(want)
            total += len(want)
    runtime.close()
    assert found / total >= 0.995


@pytest.mark.parametrize(("refine", "stored_as"), [("none", "none"), ("standard", "std"), ("advanced", "adv")])
def test_classic_lsd_finds_about_as_many_segments_as_that_of_opencv(stored, refine, stored_as):
    found = ClassicLsd(LsdConfig(refine=refine)).detect(stored["gray_u8"])
    want = stored[f"classic_{stored_as}_lines"]
    assert abs(len(found) / len(want) - 1) < 0.1
    assert share_found(found.segments, want, 5.0) > 0.75
