"""The packaged LSDNet against the published network's inputs, outputs and statistics of its layers."""

from collections.abc import Mapping

import numpy as np
import pytest

from perception.inference.model_card import open_model
from perception.inference.runtime import RuntimeOptions, open_backend
from perception.networks.lsdnet_input import stretched
from tests.shared import shared

HEAT_TOLERANCE, ANGLE_TOLERANCE, LOGIT_TOLERANCE = 1e-5, 5e-4, 2e-3  # as the fixture states
STATISTIC_TOLERANCE = 1e-4  # of the means and deviations of layers, which are about 1
LIBRARIES = {"torch": "torch", "onnx": "onnxruntime", "openvino": "openvino"}


@pytest.fixture(scope="module")
def fixture() -> Mapping[str, np.ndarray]:
    with np.load(shared("parity/lsdnet.npz"), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


@pytest.mark.parametrize("backend", LIBRARIES)
def test_every_backend_gives_the_published_maps(fixture: Mapping[str, np.ndarray], backend: str) -> None:
    pytest.importorskip(LIBRARIES[backend])
    runtime = open_backend(backend, open_model("lsdnet"), RuntimeOptions(num_threads=1, precision="f32", device="cpu"))
    try:
        for image, maps in _cases(fixture).values():
            outputs = runtime.infer({"images": image})
            assert np.abs(outputs["heat"] - maps[..., 0]).max() < HEAT_TOLERANCE
            assert np.abs(outputs["angle"] - maps[..., 1]).max() < ANGLE_TOLERANCE
    finally:
        runtime.close()


def test_a_photo_is_stretched_as_the_published_program_does_it(fixture: Mapping[str, np.ndarray]) -> None:
    planes = stretched(fixture["image_rgb_u8"], (288, 288))
    np.testing.assert_allclose(planes.transpose(1, 2, 0), fixture["input"][0], atol=2e-7)


def test_every_layer_has_the_published_statistics(fixture: Mapping[str, np.ndarray]) -> None:
    torch = pytest.importorskip("torch")
    from perception.networks.blocks import folded
    from perception.networks.lsdnet import load_lsdnet

    network, taps = folded(load_lsdnet(open_model("lsdnet").path("weights"))), {}
    for row, unit in enumerate(network.layers):
        unit.register_forward_hook(lambda _unit, _inputs, output, row=row: taps.__setitem__(row, output[0].numpy()))
    with torch.no_grad():
        logits = network.logits(torch.from_numpy(fixture["input"]).permute(0, 3, 1, 2))[0].numpy()
    means, deviations = ([getattr(taps[row], kind)() for row in range(13)] for kind in ("mean", "std"))
    np.testing.assert_allclose(means, fixture["tap_mean"], atol=STATISTIC_TOLERANCE)
    np.testing.assert_allclose(deviations, fixture["tap_std"], atol=STATISTIC_TOLERANCE)
    np.testing.assert_allclose(taps[6], fixture["tap_06_bottleneck_chw"], atol=LOGIT_TOLERANCE)
    np.testing.assert_allclose(logits, fixture["logits_chw"], atol=LOGIT_TOLERANCE)


def _cases(fixture: Mapping[str, np.ndarray]) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Images (1, 3, 288, 288) and their maps (1, 288, 288, 2): as given, from noise, and from a grey photo."""
    noise = np.ascontiguousarray(fixture["noise_u8"].transpose(2, 0, 1)[None]).astype(np.float32) / np.float32(255)
    return {
        "photo": (np.ascontiguousarray(fixture["input"].transpose(0, 3, 1, 2)), fixture["output"]),
        "noise": (noise, fixture["noise_output"]),
        "grey": (stretched(fixture["gray_u8"], (288, 288))[None], fixture["gray_output"]),
    }
