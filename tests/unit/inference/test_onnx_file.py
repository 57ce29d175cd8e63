import random

import pytest

onnx = pytest.importorskip("onnx")

from perception.core.errors import ModelError  # noqa: E402
from perception.inference.onnx_file import check_self_contained  # noqa: E402
from tests.unit.inference.tiny import onnx_bytes, tiny_model  # noqa: E402


def outside(tensor):
    """Let a tensor lie in another file."""
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "setup.py"


def in_initializer(model):
    outside(model.graph.initializer[0])


def in_constant(model):
    tensor = onnx.TensorProto(name="c", data_type=1, dims=[4])
    outside(tensor)
    model.graph.node.append(onnx.helper.make_node("Constant", [], ["c"], value=tensor))


def in_branch(model):
    branch = onnx.helper.make_graph([], "branch", [], [], [onnx.TensorProto(name="c", data_type=1, dims=[4])])
    outside(branch.initializer[0])
    node = onnx.helper.make_node("If", ["full"], ["either"], then_branch=branch, else_branch=branch)
    model.graph.node.append(node)


def in_function(model):
    tensor = onnx.TensorProto(name="c", data_type=1, dims=[4])
    outside(tensor)
    nodes = [onnx.helper.make_node("Constant", [], ["y"], value=tensor)]
    made = onnx.helper.make_function("ours", "f", [], ["y"], nodes, [onnx.helper.make_opsetid("", 17)])
    model.functions.append(made)


def test_a_file_with_everything_inside_passes() -> None:
    check_self_contained(onnx_bytes(), "x")


@pytest.mark.parametrize("place", [in_initializer, in_constant, in_branch, in_function])
def test_a_tensor_in_another_file_is_refused_wherever_it_stands(place) -> None:
    model = onnx.load_model_from_string(onnx_bytes())
    place(model)
    with pytest.raises(ModelError, match="lies in another file"):
        check_self_contained(model.SerializeToString(), "x")


def test_a_model_refuses_such_a_file_when_it_is_read(tmp_path) -> None:
    model = tiny_model(tmp_path)
    changed = onnx.load_model_from_string(onnx_bytes())
    in_initializer(changed)
    (tmp_path / "tiny.onnx").write_bytes(changed.SerializeToString())
    from perception.inference.model_card import Model, file_entry

    card = model.card.model_copy(update={"files": {"onnx": file_entry(tmp_path / "tiny.onnx")}})
    with pytest.raises(ModelError, match=r"files\.onnx: a tensor lies in another file"):
        Model(card, tmp_path).read("onnx")


@pytest.mark.parametrize("data", [b"\xff" * 20, b"\x3a\xff\xff\xff\x7f", b"\x0b", b"\x3a", b"\x38\x01"])
def test_a_damaged_file_is_refused(data: bytes) -> None:
    with pytest.raises(ModelError, match="x: is no ONNX file or a damaged one"):
        check_self_contained(data, "x")


def test_messages_in_one_another_without_end_are_refused() -> None:
    data = b""
    for field in [7, *[1, 5, 6] * 40][::-1]:
        size, length = len(data), b""
        while size >= 0x80:
            length += bytes([size & 0x7F | 0x80])
            size >>= 7
        data = bytes([field << 3 | 2]) + length + bytes([size]) + data
    with pytest.raises(ModelError, match="messages in one another"):
        check_self_contained(data, "x")


def test_mutated_files_pass_or_are_refused_and_nothing_else() -> None:
    for seed in range(300):
        chance = random.Random(seed)
        data = bytearray(onnx_bytes(0)[: chance.randint(1, 2000)])
        data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            check_self_contained(bytes(data), "x")
        except ModelError:
            continue
