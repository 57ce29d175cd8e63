"""Schedule, running average, and moments that survive a checkpoint bit by bit."""

import math

import pytest

torch = pytest.importorskip("torch", reason="training needs the extra torch")

from perception.core.errors import ModelError  # noqa: E402
from perception.training.average import RunningAverage  # noqa: E402
from perception.training.config import AverageConfig, OptimiserConfig  # noqa: E402
from perception.training.optimiser import (  # noqa: E402
    learning_rate,
    load_moments,
    make_optimiser,
    moments,
    round_moments,
    set_rates,
)


def network() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Conv2d(4, 2, 1))


def stepped(model: torch.nn.Module, optimiser: torch.optim.Optimizer, steps: int) -> None:
    for step in range(steps):
        images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        optimiser.zero_grad()
        model(images).square().mean().backward()
        optimiser.step()
        round_moments(optimiser)


def test_the_rate_rises_in_the_warm_up_and_falls_to_its_last_share() -> None:
    config = OptimiserConfig(learning_rate=0.01, warm_up=0.1, last_share=0.01)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.001, rel=1e-3)
    assert rates[50] == pytest.approx(0.01 * (0.5 * 0.99 + 0.01))
    assert rates[10:] == sorted(rates[10:], reverse=True)
    cosine = config.model_copy(update={"schedule": "cosine"})
    assert learning_rate(100, 100, cosine) == pytest.approx(0.0001)
    assert learning_rate(50, 100, cosine) == pytest.approx(0.01 * (0.01 + 0.99 * 0.5))


def test_momentum_of_sgd_rises_with_the_warm_up_and_stays() -> None:
    config = OptimiserConfig(warm_up=0.1)
    optimiser = make_optimiser(network(), config)
    seen = []
    for step in range(0, 100, 9):
        set_rates(optimiser, step, 100, config)
        seen.append(optimiser.param_groups[0]["momentum"])
    assert seen[0] == pytest.approx(0.8137)
    assert seen[1:] == [pytest.approx(0.937)] * (len(seen) - 1)


def test_only_weights_of_convolutions_decay() -> None:
    groups = make_optimiser(network(), OptimiserConfig()).param_groups
    assert {value.ndim for value in groups[0]["params"]} == {4} and groups[0]["weight_decay"] == 1e-3
    assert {value.ndim for value in groups[1]["params"]} == {1} and groups[1]["weight_decay"] == 0.0


def test_the_average_follows_its_formula() -> None:
    model = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.constant_(model.weight, 1.0)
    average = RunningAverage(model, AverageConfig(decay=0.9, ramp=5.0))
    expected = 1.0
    for step in range(1, 6):
        torch.nn.init.constant_(model.weight, 1.0 + step)
        average.update(model)
        decay = 0.9 * (1 - math.exp(-step / 5.0))
        expected = decay * expected + (1 - decay) * (1.0 + step)
        assert average.state["weight"].item() == pytest.approx(expected, rel=1e-6)
    average.put_into(model)
    assert model.weight.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_an_optimiser_goes_on_with_the_same_bits(kind: str) -> None:
    config = OptimiserConfig(kind=kind)
    whole, half = network(), network()
    stepped(whole, make_optimiser(whole, config), 3)
    before = make_optimiser(half, config)
    stepped(half, before, 3)
    stored = {name: value.clone() for name, value in moments(half, before).items()}
    after = make_optimiser(half, config)
    load_moments(half, after, stored.get, 3)
    for parameter, state in before.state.items():
        for name, value in state.items():
            assert torch.equal(value, after.state[parameter][name]) if torch.is_tensor(value) else True
    whole_optimiser = make_optimiser(whole, config)
    load_moments(whole, whole_optimiser, stored.get, 3)
    stepped(whole, whole_optimiser, 2)
    stepped(half, after, 2)
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), half.parameters()))


def test_rounding_changes_the_mean_square_by_less_than_its_own_steps() -> None:
    model = network()
    optimiser = make_optimiser(model, OptimiserConfig(kind="adamw"))
    stepped(model, optimiser, 1)
    state = optimiser.state[model[0].weight]
    exact = torch.rand_like(state["exp_avg_sq"]) + 1e-8
    state["exp_avg_sq"].copy_(exact)
    round_moments(optimiser)
    assert ((state["exp_avg_sq"] - exact).abs() / exact).max() < 1e-4


def test_a_missing_moment_is_named() -> None:
    model = network()
    optimiser = make_optimiser(model, OptimiserConfig())
    with pytest.raises(ModelError, match=r"0\.weight"):
        load_moments(model, optimiser, {}.get, 3)
