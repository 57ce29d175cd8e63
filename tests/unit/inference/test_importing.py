"""Checkpoints as the official ones are: pickled modules of a program that is not here."""

import collections
import io
import os
import pickle
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("safetensors")

from perception.core.errors import ModelError  # noqa: E402
from perception.inference.checkpoints import read_checkpoint  # noqa: E402
from perception.inference.importing import COCO, import_leyolo, leyolo_of  # noqa: E402
from perception.inference.runtime import make_runtime  # noqa: E402
from perception.networks.leyolo import LeYolo  # noqa: E402
from perception.networks.leyolo_graph import LeYoloConfig  # noqa: E402
from perception.networks.weights import ordered_names, published_names  # noqa: E402
from tests.shared import shared  # noqa: E402
from tests.unit.inference import leyolos  # noqa: E402

BUFFERS = ("running_mean", "running_var")


@pytest.fixture
def elsewhere():
    """A module with classes of another program, which is gone as soon as the file is written."""
    module = types.ModuleType("another_program.layers")
    for name in ("Detector", "Part"):
        setattr(module, name, type(name, (torch.nn.Module,), {"__module__": module.__name__, "__qualname__": name}))
    sys.modules["another_program"] = types.ModuleType("another_program")
    sys.modules[module.__name__] = module
    yield module
    sys.modules.pop("another_program", None)
    sys.modules.pop(module.__name__, None)


def look_alike(module, names, arrays):
    """A tree of modules that holds the arrays under these dotted names, with batch counters as norms have them."""
    root = module.Detector()
    for name, array in zip(names, arrays):
        *parts, leaf = name.split(".")
        part = root
        for step in parts:
            if step not in part._modules:
                part.add_module(step, module.Part())
            part = part._modules[step]
        tensor = torch.from_numpy(np.array(array))
        if leaf in BUFFERS:
            part.register_buffer(leaf, tensor)
            if leaf == "running_var":
                part.register_buffer("num_batches_tracked", torch.tensor(7))
        else:
            part.register_parameter(leaf, torch.nn.Parameter(tensor, requires_grad=False))
    part.register_buffer("scratch", torch.zeros(3), persistent=False)
    return root


def published(network: LeYolo) -> tuple[list[str], list[np.ndarray]]:
    state = network.state_dict()
    arrays = [state[name].numpy().astype(np.float16) for name in ordered_names(network)]
    return [f"model.{name}" for name in published_names(network)], arrays


def written(path: Path, elsewhere, names, arrays, **extra) -> Path:
    root = look_alike(elsewhere, names, arrays)
    root.names = extra.pop("class_names", None)
    root.half()
    torch.save({"epoch": -1, "model": root, "ema": None, "date": "2024", **extra}, path)
    for name in ("another_program", elsewhere.__name__):
        sys.modules.pop(name)
    return path


@pytest.fixture(scope="module")
def small_arrays():
    return published(leyolos.network())


def test_a_checkpoint_of_the_published_network_computes_what_the_published_one_does(tmp_path: Path, elsewhere):
    with np.load(shared("parity/leyolo_nano.npz"), allow_pickle=False) as file:
        names = [str(name) for name in file["sd_names"]]
        arrays = [file[f"sd_{row:04d}"] for row in range(len(names))]
        images, heads = file["input"], {head: file[f"head_{head}"] for head in ("p3", "p4", "p5")}
    names = [name if name.startswith("model.") else f"model.{name}" for name in names]
    path = written(tmp_path / "LeYOLO Nano.pt", elsewhere, names, arrays)
    model = import_leyolo(path, tmp_path / "store")
    assert model.card.name == "leyolo-nano"
    assert model.card.classes == COCO
    assert "AGPL-3.0" in model.card.licence
    assert (tmp_path / "store" / "leyolo-nano.onnx").stat().st_size < 2_500_000
    torch_runtime = make_runtime(model, "torch", num_threads=1)
    for head, array in torch_runtime.infer({"images": images}).items():
        np.testing.assert_allclose(array, heads[head], atol=2e-4)
    onnx_runtime = make_runtime(model, "onnx", num_threads=1)
    for head, array in onnx_runtime.infer({"images": images}).items():  # its weights are stored as float16
        np.testing.assert_allclose(array, heads[head], atol=0.02 * np.abs(heads[head]).max())


def test_names_of_classes_in_the_file_are_taken_over(tmp_path: Path, elsewhere, small_arrays):
    names = {row: f"thing {row}" for row in range(5)}
    network, classes = leyolo_of(written(tmp_path / "x.pt", elsewhere, *small_arrays, class_names=names))
    assert classes == tuple(names.values())
    assert network.config == LeYoloConfig(num_classes=5)


@pytest.mark.parametrize("class_names", [None, {0: "a"}, ["\x1b[2J"] * 5, {row: row for row in range(5)}])
def test_names_that_are_no_plain_text_are_replaced_by_numbers(tmp_path: Path, elsewhere, small_arrays, class_names):
    _, classes = leyolo_of(written(tmp_path / "x.pt", elsewhere, *small_arrays, class_names=class_names))
    assert classes == tuple(f"class_{row}" for row in range(5))


def test_averaged_weights_come_first_and_a_plain_dictionary_of_tensors_is_read_too(tmp_path: Path, small_arrays):
    names, arrays = small_arrays
    state = {name: torch.from_numpy(array) for name, array in zip(names, arrays)}
    other = {name: torch.zeros_like(tensor) for name, tensor in state.items()}
    torch.save({"model": other, "ema": collections.OrderedDict(state)}, tmp_path / "x.pt")
    network, _ = leyolo_of(tmp_path / "x.pt")
    first = ordered_names(network)[0]
    np.testing.assert_array_equal(network.state_dict()[first].numpy(), arrays[0].astype(np.float32))


def test_tensors_of_every_type_and_layout_are_read_as_torch_wrote_them(tmp_path: Path):
    base = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    kinds = (
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
    )
    tensors = {str(kind): base.to(kind) for kind in kinds}
    tensors |= {"bool": base > 3, "part": base[1:3, ::2], "turned": base.T, "none": base[:0], "one": torch.tensor(2.5)}
    torch.save(tensors, tmp_path / "x.pt")
    found = read_checkpoint(tmp_path / "x.pt")
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        want = tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
        np.testing.assert_array_equal(found[name], want, err_msg=name)
        assert found[name].dtype == want.dtype


class Hostile:
    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def test_a_hostile_twin_does_nothing_and_its_tensors_are_read_all_the_same(tmp_path: Path, elsewhere, small_arrays):
    canary = tmp_path / "canary"
    code = f"open({str(canary)!r}, 'w').close()"
    extra = {
        "optimizer": Hostile(os.system, f"touch {canary}"),
        "train_args": [Hostile(eval, code), Hostile(exec, code), Hostile(map, os.system, [f"touch {canary}"])],
    }
    names, arrays = small_arrays
    path = written(tmp_path / "twin.pt", elsewhere, names, arrays, **extra)
    network, _ = leyolo_of(path)
    assert not canary.exists()
    np.testing.assert_array_equal(network.state_dict()[ordered_names(network)[0]].numpy(), arrays[0].astype(np.float32))
    with pytest.raises(ImportError, match="another_program"):
        torch.load(path, weights_only=False)  # the way it is usually read: the program is gone, but the canary sings
    # The order of the entries puts the hostile ones behind the model, so that the canary is tried on its own.
    torch.save(extra, tmp_path / "alone.pt")
    torch.load(tmp_path / "alone.pt", weights_only=False)
    assert canary.exists()


def archive(path: Path, program: bytes, kind: int = zipfile.ZIP_STORED, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", kind) as file:
        file.writestr("archive/data.pkl", program)
        for name, data in members.items():
            file.writestr(f"archive/data/{name.removeprefix('_')}", data)
    return path


def tensor_program(count: int, shape: tuple, strides: tuple, offset: int = 0, kind: str = "FloatStorage") -> bytes:
    """A pickle of one tensor, written by hand."""
    file = io.BytesIO()
    writer = pickle._Pickler(file, 2)
    body = io.BytesIO()

    def put(value) -> None:
        inner = pickle._Pickler(body, 2)
        inner.memo.clear()
        inner.fast = True
        inner.save(value)

    body.write(b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(")
    body.write(b"(X\x07\x00\x00\x00storagectorch\n" + kind.encode() + b"\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpu")
    put(count)
    body.write(b"tQ")
    for value in (offset, shape, strides, False):
        put(value)
    body.write(b"ccollections\nOrderedDict\n)RtR.")
    del writer
    return body.getvalue()


def test_a_tensor_written_by_hand_is_read(tmp_path: Path):
    data = np.arange(6, dtype=np.float32)
    path = archive(tmp_path / "x.pt", tensor_program(6, (2, 3), (3, 1)), _0=data.tobytes())
    np.testing.assert_array_equal(read_checkpoint(path), data.reshape(2, 3))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((6, (7,), (1,)), "larger than its storage"),
        ((6, (2, 3), (3, 1), 1), "larger than its storage"),
        ((6, (1 << 30, 1 << 30), (0, 0)), "larger than its storage"),
        ((6, (2, 3), (-3, 1)), "without a shape"),
        ((6, (2, 3), (1,)), "strides"),
        ((6, (1 << 50,), (1,)), "without a shape"),
        ((6, (1,) * 9, (1,) * 9), "strides"),
        ((7, (2, 3), (3, 1)), "expected 7"),
        ((6, (2, 3), (3, 1), 0, "QInt8Storage"), "unknown type"),
    ],
)
def test_tensors_that_reach_beyond_their_storage_are_refused(tmp_path: Path, arguments, words):
    path = archive(tmp_path / "x.pt", tensor_program(*arguments), _0=bytes(24))
    with pytest.raises(ModelError, match=words):
        read_checkpoint(path)


def test_many_copies_of_one_storage_cannot_fill_the_memory(tmp_path: Path):
    one = tensor_program(1 << 16, (1 << 8, 1 << 8), (1, 1 << 8))[2:-1]
    path = archive(tmp_path / "x.pt", b"\x80\x02](" + one * 64 + b"e.", _0=bytes(4 << 16))
    with pytest.raises(ModelError, match="much larger than the file"):
        read_checkpoint(path)


def test_compressed_members_are_refused_so_that_nothing_swells(tmp_path: Path):
    path = archive(tmp_path / "bomb.pt", b"\x80\x02N.", zipfile.ZIP_DEFLATED, _0=bytes(1 << 24))
    assert path.stat().st_size < 100_000
    with pytest.raises(ModelError, match=r"compressed.*torch\.save"):
        read_checkpoint(path)


def test_members_that_claim_more_than_the_file_holds_are_refused(tmp_path: Path):
    path = archive(tmp_path / "x.pt", b"\x80\x02N.", _0=bytes(100))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")  # of the last member in the central directory
    data[entry + 20 : entry + 28] = (1 << 30).to_bytes(4, "little") * 2
    path.write_bytes(data)
    with pytest.raises(ModelError, match="larger than the file"):
        read_checkpoint(path)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_truncated_file_is_refused_with_a_remedy(tmp_path: Path, elsewhere, small_arrays, share):
    path = written(tmp_path / "x.pt", elsewhere, *small_arrays)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(ModelError, match=r"torch\.save"):
        read_checkpoint(path)


def test_a_flipped_byte_in_a_tensor_is_noticed(tmp_path: Path, elsewhere, small_arrays):
    path = written(tmp_path / "x.pt", elsewhere, *small_arrays)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(ModelError):
        read_checkpoint(path)


@pytest.mark.parametrize("data", [b"", b"\x80\x02N.", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_torch_file_is_refused(tmp_path: Path, data):
    (tmp_path / "x.pt").write_bytes(data)
    with pytest.raises(ModelError, match="torch file"):
        read_checkpoint(tmp_path / "x.pt")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda names, arrays: (names[:-1], arrays[:-1]), "556 tensors are of no LeYOLO"),
        (lambda names, arrays: ([*names, "model.36.extra"], [*arrays, np.zeros(2)]), "558 tensors are of no LeYOLO"),
        (lambda names, arrays: (names, [*arrays[:-1], np.zeros((1, 8, 1, 1))]), "557 tensors are of no LeYOLO"),
        (lambda names, arrays: ([n.replace(".c.", ".other.") for n in names], arrays), "expected '0.c.weight'"),
        (lambda names, arrays: (names[:50], arrays[:50]), "no head of LeYOLO"),
    ],
)
def test_tensors_of_another_network_are_refused_by_number_or_name(
    tmp_path: Path, elsewhere, small_arrays, change, words
):
    path = written(tmp_path / "x.pt", elsewhere, *change(*small_arrays))
    with pytest.raises(ModelError, match=words):
        leyolo_of(path)


def test_a_name_that_is_taken_or_impossible_is_refused_before_anything_is_read(tmp_path: Path, monkeypatch):
    store = tmp_path / "store"
    monkeypatch.setenv("PERCEPTION_MODELS", str(store))
    store.mkdir()
    (store / "taken.json").write_text("{}")
    (tmp_path / "taken.pt").write_bytes(b"")
    with pytest.raises(ModelError, match="is there already"):
        import_leyolo(tmp_path / "taken.pt", store)
    with pytest.raises(ModelError, match="small letters"):
        import_leyolo(tmp_path / "taken.pt", store, "../x")
