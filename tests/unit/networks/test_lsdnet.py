"""LSDNet: its table, its folding, its files, and the losses that it is trained on."""

from pathlib import Path

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="networks need the extra torch")
pytest.importorskip("safetensors", reason="weights need the extra torch")

from perception.core.errors import ModelError  # noqa: E402
from perception.inference.export import Description  # noqa: E402
from perception.inference.model_card import open_model  # noqa: E402
from perception.networks.blocks import folded  # noqa: E402
from perception.networks.config import LineLossConfig  # noqa: E402
from perception.networks.line_losses import LineTargets, angle_term, line_loss, taught_loss  # noqa: E402
from perception.networks.lsdnet import LsdNet, load_lsdnet, published_lsdnet, save_lsdnet  # noqa: E402
from perception.networks.lsdnet_graph import LsdNetConfig  # noqa: E402

FOLDED_PARAMETERS, TRAINED_PARAMETERS = 498_882, 500_322  # of the published network
SMALL = LsdNetConfig(base_width=4)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def used(seed: int = 0) -> LsdNet:
    """A small network whose norms have seen something."""
    torch.manual_seed(seed)
    network = LsdNet(SMALL)
    for _ in range(3):
        network.logits(torch.rand(2, 3, 32, 40))
    return network.eval()


def targets(batch: int = 2, side: int = 6, seed: int = 0) -> LineTargets:
    rng = torch.Generator().manual_seed(seed)
    heat = (torch.rand(batch, side, side, generator=rng) > 0.6).float()
    known = torch.rand(batch, side, side, generator=rng) > 0.2
    return LineTargets(heat, torch.rand(batch, side, side, generator=rng), known, (heat > 0) & known)


def test_the_published_network_has_the_published_number_of_parameters() -> None:
    network = LsdNet(LsdNetConfig())
    assert sum(value.numel() for value in network.parameters()) == TRAINED_PARAMETERS
    assert sum(value.numel() for value in folded(network).parameters()) == FOLDED_PARAMETERS


def test_maps_have_the_sides_of_the_image_and_folding_changes_nothing() -> None:
    network, images = used(), torch.rand(2, 3, 48, 32)
    with torch.no_grad():
        heat, angle = network(images)
        for name, want, have in zip(("heat", "angle"), (heat, angle), folded(network)(images)):
            assert want.shape == (2, 48, 32), name
            torch.testing.assert_close(have, want, atol=1e-5, rtol=0)
    assert float(heat.min()) > 0 and float(angle.max()) < 1


def test_only_the_third_concatenation_has_the_upsampled_features_first() -> None:
    """Weights of what is joined second are taken away; only then the deeper layers say nothing there."""
    network = folded(used())
    images = torch.rand(1, 3, 16, 16)
    for layer, deeper in ((7, slice(16, None)), (9, slice(8, None)), (11, slice(None, 8))):
        cut = folded(used())
        with torch.no_grad():
            cut.layers[layer].conv.weight[:, deeper] = 0.0
            before = cut.logits(images)
            cut.layers[6].conv.bias.add_(1.0)
            torch.testing.assert_close(cut.logits(images), before)
    with torch.no_grad():
        before = network.logits(images)
        network.layers[6].conv.bias.add_(1.0)
        assert (network.logits(images) - before).abs().max() > 1e-3


def test_weights_come_back_from_their_file_and_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    network = used()
    save_lsdnet(network, tmp_path / "small.safetensors")
    loaded = load_lsdnet(tmp_path / "small.safetensors")
    assert loaded.config == SMALL
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name
    with pytest.raises(ModelError, match="family"):
        load_lsdnet(open_model("osnet-objects").path("weights"))


def test_folded_convolutions_become_a_network_and_those_that_do_not_fit_are_named() -> None:
    plain = folded(used())
    convolutions = [*(unit.conv for unit in plain.layers), plain.head]
    weights, biases = ([getattr(c, name).detach().numpy() for c in convolutions] for name in ("weight", "bias"))
    network, images = published_lsdnet(weights, biases), torch.rand(1, 3, 16, 24)
    with torch.no_grad():
        torch.testing.assert_close(network.logits(images), plain.logits(images), atol=1e-5, rtol=1e-5)
    with pytest.raises(ModelError, match="array 2"):
        published_lsdnet([*weights[:2], weights[2][:, :1], *weights[3:]], biases)
    with pytest.raises(ModelError, match="expected 14"):
        published_lsdnet(weights[:-1], biases)


def test_a_model_that_is_written_runs_as_torch_and_says_what_it_reads(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from perception.inference.lsdnet_export import write_lsdnet
    from perception.inference.runtime import RuntimeOptions, open_backend

    network = used()
    description = Description(name="lines-small", classes=(), licence="Apache-2.0", training_data="None.")
    write_lsdnet(network, description, tmp_path)
    model = open_model(str(tmp_path / "lines-small.json"))
    assert (model.card.task, model.card.family, model.card.multiples) == ("lines", "lsdnet", {"height": 8, "width": 8})
    images = np.random.default_rng(0).random((2, 3, 40, 48), dtype=np.float32)
    with torch.no_grad():
        expected = dict(zip(("heat", "angle"), (values.numpy() for values in network(torch.from_numpy(images)))))
    for backend in ("onnx", "torch"):
        runtime = open_backend(backend, model, RuntimeOptions(num_threads=1, precision="f32", device="cpu"))
        for name, values in runtime.infer({"images": images}).items():
            np.testing.assert_allclose(values, expected[name], atol=1e-5)
        runtime.close()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for row in range(3):
        color = np.full((60, 90, 3), 60, dtype=np.uint8)
        cv2.rectangle(color, (10 + 5 * row, 8), (60, 40), (220, 200, 180), -1)
        cv2.imwrite(str(tmp_path / "photos" / f"{row}.png"), color)
    return tmp_path / "photos"


@pytest.mark.parametrize("precision", ["f16", "int8"])
def test_the_packaged_network_is_exported_in_lower_precisions_with_nearly_the_same_maps(
    precision: str, photos: Path, tmp_path: Path
) -> None:
    pytest.importorskip("onnxruntime")
    from perception.inference.onnx import evaluator
    from perception.networks.lsdnet_input import stretched
    from perception.pipeline.export import ExportOptions, export

    model, said = open_model("lsdnet"), []
    calibration = photos if precision == "int8" else None
    options = ExportOptions(precision=precision, calibration=calibration, out=tmp_path / "out")
    made = open_model(str(export(model, options, said.append)))
    assert said and said[0].startswith(precision)
    photo = cv2.cvtColor(cv2.imread(str(photos / "0.png")), cv2.COLOR_BGR2RGB)
    images = {"images": stretched(photo, (96, 96))[None]}
    want, have = (
        evaluator(opened.read(role))(images) for opened, role in ((model, "onnx"), (made, f"onnx_{precision}"))
    )
    assert want["heat"].max() > 0.8
    assert np.abs(want["heat"] - have["heat"]).mean() < (1e-3 if precision == "f16" else 0.03)


def test_a_fixed_shape_is_exported_with_a_card_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    from perception.inference.runtime import RuntimeOptions, open_backend
    from perception.pipeline.export import ExportOptions, export

    made = open_model(str(export(open_model("lsdnet"), ExportOptions(shape=(64, 96), out=tmp_path), print)))
    assert made.card.inputs[0].shape == (1, 3, 64, 96) and made.card.outputs[0].shape == (1, 64, 96)
    runtime = open_backend("onnx", made, RuntimeOptions(num_threads=1, precision="f32", device="cpu"))
    assert runtime.infer({"images": np.zeros((1, 3, 64, 96), np.float32)})["angle"].shape == (1, 64, 96)
    runtime.close()


@pytest.mark.parametrize("dice", [0.0, 0.7])
def test_the_gradient_of_the_loss_is_that_of_its_differences(dice: float) -> None:
    logits = torch.randn(
        2, 2, 4, 4, dtype=torch.float64, requires_grad=True, generator=torch.Generator().manual_seed(1)
    )
    wanted, config = targets(side=4), LineLossConfig(dice_gain=dice)
    teacher = torch.randn(2, 2, 4, 4, generator=torch.Generator().manual_seed(2))
    # the loss computes in float32: central differences with a wide step
    for loss in (
        lambda values: line_loss(values, wanted, config).total,
        lambda values: taught_loss(values, teacher, wanted.is_known, config).total,
    ):
        (gradient,) = torch.autograd.grad(loss(logits), logits)
        step = 1e-2
        for place in np.ndindex(2, 2, 4, 4):
            shift = torch.zeros_like(logits)
            shift[place] = step
            with torch.no_grad():
                slope = (loss(logits + shift) - loss(logits - shift)) / (2 * step)
            assert float(gradient[place]) == pytest.approx(float(slope), abs=2e-3)


def test_only_known_pixels_and_only_directions_of_lines_count() -> None:
    logits = torch.randn(2, 2, 6, 6, generator=torch.Generator().manual_seed(1), requires_grad=True)
    wanted = targets()
    (gradient,) = torch.autograd.grad(line_loss(logits, wanted, LineLossConfig()).total, logits)
    assert (gradient[:, 0][~wanted.is_known] == 0).all() and (gradient[:, 0][wanted.is_known] != 0).all()
    assert (gradient[:, 1][~wanted.has_angle] == 0).all() and (gradient[:, 1][wanted.has_angle] != 0).all()


def test_directions_of_zero_and_one_are_the_same_and_half_is_the_opposite() -> None:
    sure = torch.tensor([[[-20.0, 20.0]]])  # 0 and 1 after the sigmoid
    ones = torch.ones(1, 1, 2)
    assert float(angle_term(sure, torch.zeros(1, 1, 2), ones)) == pytest.approx(0.0, abs=1e-6)
    assert float(angle_term(sure, torch.full((1, 1, 2), 0.5), ones)) == pytest.approx(2.0, abs=1e-6)


def test_a_perfect_answer_costs_nothing_and_lines_weigh_more_than_the_rest() -> None:
    heat = torch.tensor([[[1.0, 0.0]]])
    known = torch.ones(1, 1, 2, dtype=torch.bool)
    wanted = LineTargets(heat, torch.full((1, 1, 2), 0.3), known, heat > 0)
    right = torch.stack([(heat * 2 - 1) * 20, torch.logit(torch.full((1, 1, 2), 0.3))], dim=1)
    assert float(line_loss(right, wanted, LineLossConfig(dice_gain=1.0)).total) == pytest.approx(0.0, abs=1e-5)
    missed, invented = right.clone(), right.clone()
    missed[0, 0, 0, 0], invented[0, 0, 0, 1] = -2.0, 2.0
    terms = [float(line_loss(logits, wanted, LineLossConfig()).heat) for logits in (missed, invented)]
    assert terms[0] == pytest.approx(3 * terms[1], rel=1e-5)


def test_a_teacher_is_matched_by_its_own_answer() -> None:
    teacher = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    known = torch.ones(2, 8, 8, dtype=torch.bool)
    logits = teacher.clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(taught_loss(logits, teacher, known, LineLossConfig()).total, logits)
    assert float(gradient.abs().max()) < 1e-6
    other = (teacher + 0.5).requires_grad_(True)
    (gradient,) = torch.autograd.grad(taught_loss(other, teacher, known, LineLossConfig()).total, other)
    assert (gradient[:, 0] > 0).all()
