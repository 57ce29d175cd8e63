import builtins
import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from perception.core.errors import MissingDependency, ModelError  # noqa: E402
from perception.networks.leyolo import LeYolo  # noqa: E402
from perception.networks.leyolo_graph import LeYoloConfig  # noqa: E402
from perception.networks.weights import (  # noqa: E402
    load_leyolo,
    load_ordered,
    ordered_names,
    published_names,
    save_leyolo,
)


@pytest.fixture(scope="module")
def network() -> LeYolo:
    torch.manual_seed(1)
    return LeYolo(LeYoloConfig(num_classes=2, activation="hard_swish"))


def arrays_of(network: LeYolo) -> list[np.ndarray]:
    state = network.state_dict()
    return [state[name].numpy().copy() for name in ordered_names(network)]


def assert_same(first: LeYolo, second: LeYolo) -> None:
    theirs = second.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in first.state_dict().items())


def test_a_network_comes_back_from_its_file(network, tmp_path: Path):
    pytest.importorskip("safetensors")
    path = tmp_path / "nano.safetensors"
    save_leyolo(network, path)
    loaded = load_leyolo(path)
    assert loaded.config == network.config
    assert not loaded.training
    assert_same(network, loaded)
    assert path.stat().st_size < 5_000_000


def written(path: Path, network: LeYolo, metadata: dict[str, str] | None = None, **changed) -> Path:
    library = pytest.importorskip("safetensors.torch")
    tensors = {name: value for name, value in {**network.state_dict(), **changed}.items() if value is not None}
    known = {"family": "leyolo", "config": network.config.model_dump_json()}
    library.save_file(tensors, path, {**known, **(metadata or {})})
    return path


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("head.distances.bins", None, "missing"),
        ("head.extra", torch.zeros(1), "unknown"),
        ("nodes.0.conv.bias", torch.zeros(3), "expected"),
        ("nodes.0.conv.bias", torch.full((16,), torch.nan), "not finite"),
        ("nodes.0.norm.num_batches_tracked", torch.tensor(1.0), "expected"),
    ],
)
def test_files_whose_tensors_do_not_fit_are_refused_by_name(network, tmp_path: Path, name, value, words):
    path = written(tmp_path / "bad.safetensors", network, **{name: value})
    with pytest.raises(ModelError, match=f"{name}.*{words}"):
        load_leyolo(path)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"family": "other"}, "family 'other'"),
        ({"config": "{"}, "configuration"),
        ({"config": json.dumps({"size": "huge"})}, "size"),
        ({"config": json.dumps({"num_classes": 3})}, "expected"),
    ],
)
def test_files_whose_metadata_do_not_fit_are_refused(network, tmp_path: Path, metadata, words):
    with pytest.raises(ModelError, match=words):
        load_leyolo(written(tmp_path / "bad.safetensors", network, metadata))


@pytest.mark.parametrize("content", [b"", b"\x80\x04N.", b"\xff" * 64])
def test_anything_else_is_no_file_of_weights(tmp_path: Path, content):
    pytest.importorskip("safetensors")
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"x\.safetensors"):
        load_leyolo(path)
    with pytest.raises(ModelError, match="absent"):
        load_leyolo(tmp_path / "absent")


def test_without_safetensors_the_command_that_installs_it_is_named(network, tmp_path: Path, monkeypatch):
    real = builtins.__import__

    def absent(name, *arguments):
        if name.startswith("safetensors"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingDependency, match="pip install"):
        save_leyolo(network, tmp_path / "x")


def test_arrays_in_the_published_order_fill_a_network(network):
    other = LeYolo(network.config)
    load_ordered(other, arrays_of(network), [f"model.{name}" for name in published_names(network)])
    assert_same(network, other)


def test_names_of_another_size_or_order_are_refused_and_change_nothing(network):
    other = LeYolo(network.config)
    before = [value.copy() for value in arrays_of(other)]
    arrays, names = arrays_of(network), published_names(network)
    names[3], names[4] = names[4], names[3]
    with pytest.raises(ModelError, match="array 3 is called"):
        load_ordered(other, arrays, names)
    with pytest.raises(ModelError, match="556 arrays, expected 557"):
        load_ordered(other, arrays[:-1])
    with pytest.raises(ModelError, match=r"head\.classes\.2\.3\.bias"):
        load_ordered(other, [*arrays[:-2], np.zeros(5), arrays[-1]])
    assert all(np.array_equal(have, want) for have, want in zip(arrays_of(other), before))


@pytest.mark.parametrize(("size", "count"), [("nano", 557), ("small", 557), ("medium", 683)])
def test_published_names_are_unique_and_as_many_as_the_arrays(size, count):
    names = published_names(LeYolo(LeYoloConfig(size=size)))
    assert len(names) == len(set(names)) == count
