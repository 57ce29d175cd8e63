"""The interpreter of pickles against files of Python's own writer, and against files that want to do something."""

import builtins
import collections
import contextlib
import datetime
import os
import pickle
import pickletools
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perception.inference.unpickler import Machine, Name, Record, ordered

KNOWN = {"collections.OrderedDict": ordered}


def no_storage(found):
    raise ValueError("no storage here")


def understood(program: bytes):
    return Machine(KNOWN, no_storage).run(program)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(value=PLAIN, protocol=st.sampled_from([1, 2, 3, 4, 5]))
@settings(max_examples=150, deadline=None)
def test_plain_values_come_out_as_they_went_in(value, protocol):
    if protocol < 3 and any(op.name == "REDUCE" for op, *_ in pickletools.genops(pickle.dumps(value, protocol))):
        return  # bytes are a call there
    assert understood(pickle.dumps(value, protocol)) == value


@pytest.mark.parametrize("protocol", range(2, 6))
def test_ordered_dictionaries_keep_their_order_and_objects_become_records(protocol):
    value = collections.OrderedDict(b=datetime.date(2020, 1, 2), a=Path("x"))
    made = understood(pickle.dumps(value, protocol))
    assert list(made) == ["b", "a"]
    assert made["b"].kind == Name("datetime", "date")
    assert isinstance(made["a"], Record)


class Plain:
    def __init__(self):
        self.size, self.inner = 3, {1, 2}


@pytest.mark.parametrize("protocol", [1, 2, 4])
def test_attributes_of_an_object_are_the_state_of_its_record(protocol):
    made = understood(pickle.dumps(Plain(), protocol))
    assert made.attributes()["size"] == 3
    assert isinstance(made.attributes()["inner"], Record)


class Calls:
    """Pickles as a call of `function`."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(6))
def test_what_wants_to_be_called_is_only_written_down(tmp_path: Path, protocol):
    canary = tmp_path / "canary"
    code = f"open({str(canary)!r}, 'w').close()"
    hostile = [
        Calls(os.system, f"touch {canary}"),
        Calls(builtins.eval, code),
        Calls(builtins.exec, code),
        Calls(map, os.system, [f"touch {canary}"]),
        Calls(builtins.open, str(canary), "w"),
    ]
    made = understood(pickle.dumps(hostile, protocol))
    names = ["system", "eval", "exec", "imap" if protocol < 3 else "map", "open"]
    assert [record.kind.name for record in made] == names
    assert made[0].arguments == (f"touch {canary}",)
    assert not canary.exists()
    if protocol:
        pickle.loads(pickle.dumps(hostile[1], protocol))  # the test itself can fail: Python's reader does run it
        assert canary.exists()


def test_a_call_whose_function_comes_from_a_call_is_written_down_as_well(tmp_path: Path):
    canary = tmp_path / "canary"
    program = b"cbuiltins\ngetattr\n(cos\nsystem\nV__call__\ntR(V" + f"touch {canary}".encode() + b"\ntR."
    made = understood(program)
    assert made.kind.kind == Name("builtins", "getattr")
    assert not canary.exists()


@pytest.mark.parametrize(
    ("program", "words"),
    [
        (b"\x80\x02\x82\x01.", "EXT1"),
        (b"Pid\n.", "PERSID"),
        (b"\x80\x05\x97.", "NEXT_BUFFER"),
        (b"\x80\x02N", "exhausted|ends without STOP"),
        (b"N(N", "exhausted|ends without STOP"),
        (b"\x80\x02]NK\x01s.", "no dictionary"),
        (b"\x80\x02}(Nu.", "without a value"),
        (b"\x80\x02N(Ne.", "no list"),
        (b"\x80\x02}]Ns.", "neither text nor number"),
        (b"\x80\x04NN\x93.", "without a name"),
        (b"\x80\x02t.", None),
        (b"\x80\x02N0.", None),
        (b"\x80\x02h\x05.", None),
    ],
)
def test_programs_that_no_writer_writes_are_refused(program, words):
    with pytest.raises((ValueError, IndexError, KeyError), match=words):
        understood(program)


def test_deep_nesting_and_keys_without_end_use_no_stack():
    deep = b"\x80\x02N" + b"\x85" * 50_000 + b"."  # a tuple in a tuple in ...
    assert isinstance(understood(deep), tuple)
    with pytest.raises(ValueError, match="neither text nor number"):
        understood(b"\x80\x02}N" + b"\x85" * 50_000 + b"Ns.")  # its hash would overflow the stack


def test_numbers_of_memory_places_cost_nothing():
    assert understood(b"\x80\x02Nr\xff\xff\xff\x7fj\xff\xff\xff\x7f.") is None


@given(program=st.binary(max_size=200))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_read_or_refused_with_an_error_of_values(program):
    with contextlib.suppress(ValueError, IndexError, KeyError, TypeError):
        understood(program + b".")
