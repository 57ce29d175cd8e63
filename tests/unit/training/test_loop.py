"""The training loop on pictures of 96x64 px: it learns, stops, goes on with the same bits, and divides its work."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs the extra torch")
pytest.importorskip("safetensors", reason="training needs the extra torch")

from click.testing import CliRunner  # noqa: E402

from perception.cli import main  # noqa: E402
from perception.core.config import changed, to_yaml  # noqa: E402
from perception.core.errors import ConfigError, InvalidInput, ModelError  # noqa: E402
from perception.networks.weights import load_leyolo  # noqa: E402
from perception.training import loop  # noqa: E402
from perception.training.checkpoint import read_checkpoint  # noqa: E402
from perception.training.config import TrainingConfig  # noqa: E402
from perception.training.curves import read_curves  # noqa: E402
from perception.training.loop import train_detection  # noqa: E402
from tests.unit.training.conftest import write_set  # noqa: E402

MAX_CHECKPOINT = 15_000_000  # bytes, for Nano
MAX_WEIGHTS = 2_500_000
ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def tensors_of(path: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(path / "checkpoint.safetensors").tensors


def assert_same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]


def stopping_after(number: int) -> object:
    """A progress function that asks this process to stop, as Ctrl-C does."""
    return lambda done, total: signal.raise_signal(signal.SIGINT) if done == number else None


def test_the_loss_falls_on_a_problem_that_is_small_enough_to_learn_by_heart(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    """First it rises: targets are the overlaps reached, which are next to nothing in a fresh network."""
    none = ("mosaic", "focus", "flip", "hue", "saturation", "value")
    values = {f"augment.{name}": 0.0 for name in none}
    values |= {"augment.width": 96, "augment.min_scale": 1.0, "augment.max_scale": 1.0, "batch": 6}
    config = changed(tiny, {**values, "steps": 16, "finish_share": 0.0, "optimiser.learning_rate": 0.004})
    done = train_detection([pictures_folder], tmp_path, config)
    losses = [row.loss for row in read_curves(tmp_path / "curves.csv")]
    assert done.is_complete and len(losses) == 16
    assert np.mean(losses[-3:]) < 0.5 * np.max(losses)
    assert (tmp_path / "curves.png").is_file()


def test_a_run_that_was_interrupted_ends_with_the_same_bits_as_one_that_was_not(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    train_detection([pictures_folder], tmp_path / "whole", tiny)
    stopped = train_detection([pictures_folder], tmp_path / "parts", tiny, progress=stopping_after(3))
    assert stopped.step == 3 and not stopped.is_complete
    assert train_detection([pictures_folder], tmp_path / "parts", tiny).is_complete
    assert_same(tensors_of(tmp_path / "whole"), tensors_of(tmp_path / "parts"))
    whole, pieces = (read_curves(tmp_path / name / "curves.csv") for name in ("whole", "parts"))
    assert [(row.step, row.loss) for row in whole] == [(row.step, row.loss) for row in pieces]


def test_what_a_run_leaves_is_small_complete_and_loads_as_a_network(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    config = changed(tiny, {"steps": 1, "activation": "hard_swish"})
    done = train_detection([pictures_folder], tmp_path, config)
    assert (tmp_path / "checkpoint.safetensors").stat().st_size <= MAX_CHECKPOINT
    assert done.weights.stat().st_size <= MAX_WEIGHTS
    network = load_leyolo(done.weights)
    assert (network.config.activation, network.config.num_classes) == ("hard_swish", 2)
    assert (tmp_path / "training.yaml").read_text() == to_yaml(config)


def test_first_weights_are_taken_across_activations(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    first = train_detection([pictures_folder], tmp_path / "silu", changed(tiny, {"steps": 1}))
    config = changed(tiny, {"steps": 1, "activation": "hard_swish", "optimiser.learning_rate": 1e-12})
    second = train_detection([pictures_folder], tmp_path / "hard", config, init=first.weights)
    one, other = (load_leyolo(path).state_dict() for path in (first.weights, second.weights))
    name = "nodes.4.depthwise.conv.weight"
    assert torch.allclose(one[name], other[name], atol=1e-3)
    with pytest.raises(ConfigError, match="size"):
        train_detection([pictures_folder], tmp_path / "small", changed(tiny, {"size": "small"}), init=first.weights)


def test_a_run_goes_on_with_more_pictures_and_steps_but_not_as_another_network(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    train_detection([pictures_folder], out, changed(tiny, {"steps": 1}))
    more = write_set(tmp_path / "more", seed=1)
    assert train_detection([pictures_folder, more], out, changed(tiny, {"steps": 2})).step == 2
    with pytest.raises(ConfigError, match="activation: the run was started with 'silu'"):
        train_detection([pictures_folder], out, changed(tiny, {"activation": "hard_swish"}))
    (out / "checkpoint.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ModelError, match="no readable checkpoint"):
        train_detection([pictures_folder], out, tiny)


def test_batches_that_cannot_be_divided_are_refused(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="3 parts"):
        train_detection([pictures_folder], tmp_path, changed(tiny, {"accumulate": 3}))


def test_a_loss_that_is_not_finite_ends_the_run_with_a_remedy(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.detection_loss
    monkeypatch.setattr(loop, "detection_loss", lambda *given: replace(real(*given), box=torch.tensor(float("nan"))))
    with pytest.raises(InvalidInput, match=r"step 1; lower optimiser\.learning_rate"):
        train_detection([pictures_folder], tmp_path, tiny)
    assert not (tmp_path / "checkpoint.safetensors").exists()


def command(pictures: Path, out: Path, settings: Path) -> list[str]:
    return [
        "-m",
        "perception",
        "train",
        "detection",
        "--data",
        str(pictures),
        "--out",
        str(out),
        "--config",
        str(settings),
    ]


def quiet() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo", "PYTHONPATH": str(ROOT)}


def test_two_processes_learn_what_one_learns_with_the_batch_in_two_parts(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    config = changed(tiny, {"steps": 3})
    train_detection([pictures_folder], tmp_path / "one", changed(config, {"accumulate": 2}))
    settings = tmp_path / "settings.yaml"
    settings.write_text(to_yaml(config))
    run = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*run, *command(pictures_folder, tmp_path / "two", settings)],
        env=quiet(),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    one, two = (read_curves(tmp_path / name / "curves.csv") for name in ("one", "two"))
    assert [row.step for row in two] == [1, 2, 3]
    np.testing.assert_allclose([row.loss for row in two], [row.loss for row in one], rtol=1e-3)
    np.testing.assert_allclose([row.gradient for row in two], [row.gradient for row in one], rtol=2e-2)


def test_sigterm_leaves_a_checkpoint_and_a_clean_exit(
    pictures_folder: Path, tiny: TrainingConfig, tmp_path: Path
) -> None:
    settings = tmp_path / "settings.yaml"
    settings.write_text(to_yaml(changed(tiny, {"steps": 100_000})))
    out = tmp_path / "run"
    arguments = [sys.executable, *command(pictures_folder, out, settings)]
    process = subprocess.Popen(arguments, env=quiet(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not (out / "curves.csv").is_file() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    said, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors.decode()
    checkpoint = read_checkpoint(out / "checkpoint.safetensors")
    assert 0 < checkpoint.step < 100_000
    assert f"stopped at step {checkpoint.step}".encode() in said


def test_the_command_explains_itself_and_names_a_wrong_setting(pictures_folder: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    text = runner.invoke(main, ["train", "detection", "--help"]).output
    assert "--data" in text and "--init" in text and "torchrun" in text
    wrong = ["train", "detection", "--data", str(pictures_folder), "--out", str(tmp_path), "--set", "activaton=silu"]
    answer = runner.invoke(main, wrong)
    assert answer.exit_code == 2 and "did you mean activation" in answer.output
    nothing = runner.invoke(main, ["train", "detection", "--data", str(tmp_path / "x"), "--out", str(tmp_path / "y")])
    assert nothing.exit_code == 1 and "is not there" in nothing.output
    assert not (tmp_path / "y").exists()
    shutil.rmtree(tmp_path)
