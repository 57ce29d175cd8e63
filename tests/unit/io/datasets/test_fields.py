import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.core.errors import InvalidInput
from perception.io.datasets import fields

RECORDS = st.lists(st.dictionaries(st.text(max_size=3), st.one_of(st.text(max_size=5), st.integers()), max_size=3))


@given(RECORDS, st.sampled_from([None, 0, 2]), st.integers(1, 9))
@settings(deadline=None)
def test_a_list_read_item_by_item_is_the_list_read_at_once(tmp_path_factory, records, indent, piece):
    path = tmp_path_factory.getbasetemp() / "records.json"
    path.write_text(json.dumps(records, indent=indent))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fields, "PIECE", piece)
        assert list(fields.load_records(path)) == records


@pytest.mark.parametrize("text", ["", "{}", "[", "[{}", "[{},", "[{} {}]", "[{},]", "[1]", '[{"a": NaN}]', "[{}"])
def test_a_broken_list_is_refused_with_the_name_of_its_file(tmp_path, text):
    (tmp_path / "table.json").write_text(text)
    with pytest.raises(InvalidInput, match="table"):
        list(fields.load_records(tmp_path / "table.json"))


@pytest.mark.parametrize("raw", [b"{", b"\xff\xfe", b"[" * 200_000, b'{"a": Infinity}'])
def test_text_that_is_no_json_is_refused(tmp_path, raw):
    (tmp_path / "labels.json").write_bytes(raw)
    with pytest.raises(InvalidInput, match="labels"):
        fields.load_json(tmp_path / "labels.json")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ({}, "id is missing"),
        ({"id": "x"}, "expected int, got 'x'"),
        ({"id": True}, "got True"),
        ([], "expected an object"),
    ],
)
def test_a_wrong_field_is_named_with_its_value(record, message):
    with pytest.raises(InvalidInput, match=message):
        fields.field(record, "id", int, "images[3]")


@pytest.mark.parametrize("value", [[1, 2], [[1, 2], [3]], "ab", [float("nan"), 1, 2], None, [1, 2, "x"], [1, 2, 1e999]])
def test_numbers_of_another_shape_are_refused(value):
    with pytest.raises(InvalidInput, match="box"):
        fields.numbers(value, (3,), "box")


def test_an_empty_list_is_no_points():
    assert fields.numbers([], (-1, 2), "points").shape == (0, 2)


def test_a_pose_has_its_quaternion_in_the_order_w_x_y_z():
    record = {"translation": [1, 2, 3], "rotation": [np.sqrt(0.5), 0, 0, np.sqrt(0.5)]}
    T = fields.pose(record, "ego_pose")
    assert np.allclose(T[:3, :3] @ [1, 0, 0], [0, 1, 0])
    assert T[:3, 3].tolist() == [1, 2, 3]
    with pytest.raises(InvalidInput, match="length"):
        fields.pose({**record, "rotation": [0, 0, 0, 0]}, "ego_pose")
