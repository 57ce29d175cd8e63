import json

import numpy as np
import pytest

from perception.core.errors import ModelError
from perception.inference.tensor_file import read_arrays


def file(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def entry(**changes):
    return {"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24], **changes}}


def test_arrays_are_what_was_written():
    safetensors = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(0)
    want = {"a": rng.normal(0, 1, (3, 4)).astype(np.float16), "b": np.arange(5, dtype=np.int64), "c": np.zeros((0, 2))}
    have = read_arrays(safetensors.save(want), want, "file")
    for name, array in want.items():
        assert have[name].dtype == array.dtype
        np.testing.assert_array_equal(have[name], array)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff" * 8,
        file({}, length=1 << 40),
        file(b"[1]"),
        file(b"{"),
        file({}),
        file(entry()),
        file(entry(dtype="BF16"), bytes(24)),
        file(entry(shape=[2, -3]), bytes(24)),
        file(entry(shape=[1] * 9), bytes(24)),
        file(entry(shape=[True, 6]), bytes(24)),
        file(entry(data_offsets=[0, 20]), bytes(24)),
        file(entry(data_offsets=[8, 32]), bytes(24)),
        file(entry(data_offsets=[24]), bytes(24)),
        file({"a": 3}, bytes(24)),
    ],
)
def test_what_a_file_cannot_say_is_refused(data):
    with pytest.raises(ModelError, match="weights"):
        read_arrays(data, ["a"], "weights")
