import math

import pytest

torch = pytest.importorskip("torch")

from perception.networks.blocks import ConvShape, ConvUnit, folded  # noqa: E402
from perception.networks.costs import layer_costs, num_parameters, operations  # noqa: E402
from perception.networks.leyolo import LeYolo  # noqa: E402
from perception.networks.leyolo_graph import LeYoloConfig  # noqa: E402

UNFOLDED = {  # GFLOP by side of a square input, spec section 1
    "nano": {256: 0.427, 320: 0.668, 416: 1.128, 480: 1.502, 512: 1.709, 640: 2.671, 768: 3.846},
    "small": {256: 0.726, 320: 1.134, 416: 1.916, 480: 2.551, 512: 2.902, 640: 4.535, 768: 6.531},
    "medium": {256: 0.936, 320: 1.462, 416: 2.471, 480: 3.289, 512: 3.742, 640: 5.847, 768: 8.420},
}
PART_FOLDED = {  # only units without a bias, as published
    "nano": {320: 0.660, 480: 1.486, 640: 2.641, 768: 3.803},
    "small": {320: 1.126, 480: 2.534, 640: 4.506, 768: 6.488},
    "large": {320: 1.454, 480: 3.273, 640: 5.818, 768: 8.378},
}
CONVOLUTIONS_640 = {"nano": 2.465, "small": 4.261, "medium": 5.510}
GIGA = 1e9


def network(**fields) -> LeYolo:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    return LeYolo(LeYoloConfig(**fields)).eval()


def with_statistics(**fields) -> LeYolo:
    """A network whose norms are not the identity."""
    made = network(**fields)
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.2)
            module.running_var.uniform_(0.5, 2.0)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    return made


def counted_at(made: LeYolo, sides) -> dict[int, float]:
    """GFLOP by side; they grow with the area, which another test shows."""
    per_pixel = operations(made, 320, 320) / 320**2
    return {side: per_pixel * side**2 / GIGA for side in sides}


@pytest.mark.parametrize(
    ("size", "trained", "part_folded"),
    [
        ("nano", 1_120_480, 1_119_040),
        ("small", 1_917_440, 1_915_952),
        ("medium", 2_402_744, 2_401_256),
        ("large", 2_402_744, 2_401_256),
    ],
)
def test_parameters_are_as_published(size, trained, part_folded):
    made = network(size=size)
    assert num_parameters(made) == trained
    assert num_parameters(folded(made, has_bias=False)) == part_folded


@pytest.mark.parametrize(("taps", "trained"), [((28, 35, 40), 2_384_312), ((29, 35, 41), 2_388_920)])
def test_other_taps_change_the_head_alone(taps, trained):
    assert num_parameters(network(size="medium", taps=taps)) == trained


@pytest.mark.parametrize("size", ["nano", "small", "medium"])
def test_operations_are_as_published_within_half_a_percent(size):
    made = network(size=size)
    counted = counted_at(made, UNFOLDED[size])
    assert counted == pytest.approx(UNFOLDED[size], rel=5e-3)
    costs = [cost.operations for cost in layer_costs(made, 320, 320) if not cost.is_norm]
    assert 4 * sum(costs) / GIGA == pytest.approx(CONVOLUTIONS_640[size], rel=1e-3)


@pytest.mark.parametrize("size", ["nano", "small", "large"])
def test_operations_of_part_folded_networks_are_as_published_within_half_a_percent(size):
    made = folded(network(size=size), has_bias=False)
    counted = counted_at(made, PART_FOLDED[size])
    assert counted == pytest.approx(PART_FOLDED[size], rel=5e-3)


def test_operations_grow_with_the_area_of_the_image():
    made = network()
    assert operations(made, 96, 160) == 15 * operations(made, 32, 32)


@pytest.mark.parametrize(("size", "num_convolutions", "num_norms"), [("nano", 101, 94), ("large", 122, 115)])
def test_layers_are_as_many_as_published(size, num_convolutions, num_norms):
    costs = layer_costs(network(size=size), 64, 64)
    assert sum(not cost.is_norm for cost in costs) == num_convolutions
    assert sum(cost.is_norm for cost in costs) == num_norms
    assert sum(cost.is_norm for cost in layer_costs(folded(network(size=size)), 64, 64)) == 0


@pytest.mark.parametrize("activation", ["silu", "hard_swish"])
@pytest.mark.parametrize("size", ["nano", "medium"])
def test_a_folded_network_says_the_same_and_the_first_one_is_unchanged(size, activation):
    made = with_statistics(size=size, activation=activation, num_classes=3)
    images = torch.rand(2, 3, 64, 96)
    with torch.no_grad():
        before = made(images)
        after = folded(made)(images)
        again = made(images)
    assert [tuple(level.shape) for level in after] == [(2, 67, 8, 12), (2, 67, 4, 6), (2, 67, 2, 3)]
    for first, second, third in zip(before, after, again):
        assert torch.equal(first, third)
        assert torch.allclose(first, second, atol=2e-4 * float(first.abs().max()))
        assert not torch.equal(first[0], first[1])


def test_folding_twice_changes_nothing():
    unit = ConvUnit(ConvShape(2, 4, 3), torch.nn.SiLU(), has_bias=True)
    once = folded(torch.nn.Sequential(unit))
    twice = folded(once)
    assert torch.equal(once[0].conv.weight, twice[0].conv.weight)


@pytest.mark.parametrize("num_classes", [1, 14, 80])
def test_biases_of_a_new_head_expect_few_objects(num_classes):
    head = network(num_classes=num_classes).head
    for boxes, classes, stride in zip(head.boxes, head.classes, (8, 16, 32)):
        assert (boxes[-1].bias == 1).all()
        assert classes[-1].bias.tolist() == pytest.approx(
            [math.log(5 / num_classes / (640 / stride) ** 2)] * num_classes
        )
        assert classes[0].conv.out_channels == max(32, num_classes)


def test_biases_for_80_classes_are_the_stated_ones():
    head = network().head
    assert [float(branch[-1].bias[0].detach()) for branch in head.classes] == pytest.approx(
        [-11.5366, -10.1503, -8.7640], abs=1e-4
    )


def test_nodes_that_never_reach_the_head_are_skipped_and_do_not_learn():
    made = network(size="medium", num_classes=2).train()
    sum(level.sum() for level in made(torch.rand(2, 3, 64, 64))).backward()
    for index, node in enumerate(made.nodes):
        has_gradient = {parameter.grad is not None for parameter in node.parameters()}
        assert has_gradient <= {index < 38}
    assert int(made.nodes[41].project.norm.num_batches_tracked) == 0


def test_other_taps_have_outputs_of_the_same_sizes():
    made = network(size="large", taps=(29, 35, 41), num_classes=2)
    with torch.no_grad():
        shapes = [tuple(level.shape) for level in made(torch.rand(1, 3, 64, 32))]
    assert shapes == [(1, 66, 8, 4), (1, 66, 4, 2), (1, 66, 2, 1)]


def test_the_decoding_of_torch_is_that_of_numpy():
    from perception.detection.decode import decode

    made = with_statistics(num_classes=4)
    outputs = [torch.randn(2, 68, 8 // n, 12 // n) * 3 for n in (1, 2, 4)]
    decoded = made.decode(outputs).detach().numpy()
    for image in range(2):
        want = decode([level[image].numpy() for level in outputs])
        assert decoded[image] == pytest.approx(want, abs=1e-3)
