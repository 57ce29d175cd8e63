"""What a pickle says, without doing it: an interpreter that has no instruction which imports or calls.

A pickle is a program whose instructions may call any function of Python. Here a global becomes a name, an object
becomes a `Record` of what the file says about it, and only names that the caller lists are answered, by functions of
ours. Instructions and keys are bounded, so that a file cannot take more memory or stack than its size explains.

Source: the documentation of Python's module `pickletools`.
"""

import io
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

MAX_INSTRUCTIONS = 5_000_000
MAX_KEY_DEPTH = 2  # tuples in a key of a dictionary

Rebuild = Callable[[tuple[Any, ...]], Any]  # arguments to what the file means by them; raises ValueError


@dataclass(frozen=True, slots=True)
class Name:
    """A global that the file mentions. It is never looked up."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(slots=True, eq=False)
class Record:
    """An object that the file would have made: of what, from what, with which state and items. Nothing happens."""

    kind: Any  # usually a Name
    arguments: Any = ()
    state: Any = None
    items: list[Any] = field(default_factory=list)

    def __repr__(self) -> str:  # contents may be nested without end
        return f"Record({self.kind if isinstance(self.kind, Name) else '...'})"

    def attributes(self) -> dict[Any, Any]:
        """The attributes that the state sets, by name; empty where it is none of the usual kind."""
        state = self.state
        if isinstance(state, tuple) and len(state) == 2:
            state = state[0]
        return state if isinstance(state, dict) else {}


class _Mark:
    """The beginning of a group on the stack."""


class Machine:
    """The stack machine of a pickle. `known` answers calls of these dotted names, `persistent` persistent ids."""

    def __init__(self, known: Mapping[str, Rebuild], persistent: Rebuild) -> None:
        self._known = known
        self._persistent = persistent
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}

    def run(self, program: bytes) -> Any:
        """The object that the program leaves on the stack. Raises `ValueError`, `IndexError` or `KeyError`."""
        for count, (instruction, argument, _) in enumerate(pickletools.genops(io.BytesIO(program))):
            if count > MAX_INSTRUCTIONS:
                raise ValueError(f"more than {MAX_INSTRUCTIONS} instructions")
            if instruction.name == "STOP":
                return self._stack.pop()
            self._step(instruction.name, argument)
        raise ValueError("it ends without STOP")

    def _step(self, name: str, argument: Any) -> None:
        if name in _IGNORED:
            return
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            made = _CONSTANTS[name]
            self._stack.append(made() if callable(made) else made)
        elif name in _MEMO:
            self._remember(_MEMO[name], argument)
        else:
            method = _METHODS.get(name)
            if method is None:
                raise ValueError(f"instruction {name} has no place in a checkpoint")
            method(self, argument)

    def _remember(self, is_put: bool, argument: int | None) -> None:
        if is_put:
            self._memo[len(self._memo) if argument is None else int(argument)] = self._stack[-1]
        else:
            self._stack.append(self._memo[int(argument or 0)])

    def _group(self) -> list[Any]:
        """What lies above the last mark; mark and group leave the stack."""
        row = len(self._stack) - 1
        while not isinstance(self._stack[row], _Mark):
            row -= 1
            if row < 0:
                raise ValueError("a group without beginning")
        items = self._stack[row + 1 :]
        del self._stack[row:]
        return items

    def _mark(self, _: Any) -> None:
        self._stack.append(_Mark())

    def _pop(self, _: Any) -> None:
        self._stack.pop()

    def _pop_mark(self, _: Any) -> None:
        self._group()

    def _duplicate(self, _: Any) -> None:
        self._stack.append(self._stack[-1])

    def _tuple_of_group(self, _: Any) -> None:
        self._stack.append(tuple(self._group()))

    def _tuple_of(self, count: int) -> None:
        items = tuple(self._stack[-count:])
        if len(items) < count:
            raise ValueError("a tuple of too few")
        del self._stack[-count:]
        self._stack.append(items)

    def _list_of_group(self, _: Any) -> None:
        self._stack.append(self._group())

    def _dict_of_group(self, _: Any) -> None:
        items = self._group()
        made: dict[Any, Any] = {}
        self._stack.append(made)
        self._put(made, items)

    def _set_item(self, _: Any) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._put(self._stack[-1], [key, value])

    def _set_items(self, _: Any) -> None:
        items = self._group()
        self._put(self._stack[-1], items)

    def _append(self, _: Any) -> None:
        value = self._stack.pop()
        self._extend([value])

    def _append_group(self, _: Any) -> None:
        self._extend(self._group())

    def _frozen_set(self, _: Any) -> None:
        self._stack.append(Record(Name("builtins", "frozenset"), (), None, self._group()))

    def _name_in_text(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(Name(module, name))

    def _name_on_stack(self, _: Any) -> None:
        name, module = self._stack.pop(), self._stack.pop()
        if not (isinstance(name, str) and isinstance(module, str)):
            raise ValueError("a global without a name")
        self._stack.append(Name(module, name))

    def _reduce(self, _: Any) -> None:
        """Where Python would call: one of ours for the names that are known, else a record of it."""
        arguments, kind = self._stack.pop(), self._stack.pop()
        rebuild = self._known.get(str(kind)) if isinstance(kind, Name) else None
        if rebuild is None or not isinstance(arguments, tuple):
            self._stack.append(Record(kind, arguments))
        else:
            self._stack.append(rebuild(arguments))

    def _new_object(self, _: Any) -> None:
        arguments, kind = self._stack.pop(), self._stack.pop()
        self._stack.append(Record(kind, arguments))

    def _new_object_with_names(self, _: Any) -> None:
        names, arguments, kind = self._stack.pop(), self._stack.pop(), self._stack.pop()
        self._stack.append(Record(kind, (arguments, names)))

    def _old_object(self, _: Any) -> None:
        kind, *arguments = self._group()
        self._stack.append(Record(kind, tuple(arguments)))

    def _old_instance(self, argument: str) -> None:
        module, _, name = argument.partition(" ")
        self._stack.append(Record(Name(module, name), tuple(self._group())))

    def _build(self, _: Any) -> None:
        """Where Python would set a state: it is kept, and only records have room for it."""
        state = self._stack.pop()
        if isinstance(self._stack[-1], Record):
            self._stack[-1].state = state

    def _outside(self, _: Any) -> None:
        """A thing that lies outside of the pickle."""
        found = self._stack.pop()
        if not isinstance(found, tuple):
            raise ValueError("a persistent id that is no tuple")
        self._stack.append(self._persistent(found))

    def _put(self, target: Any, items: list[Any]) -> None:
        """Keys and values, one after the other, into a dictionary or beside a record."""
        if len(items) % 2:
            raise ValueError("a key without a value")
        if isinstance(target, Record):
            target.items.extend(items)
            return
        if not isinstance(target, dict):
            raise ValueError("items of what is no dictionary")
        for key, value in zip(items[::2], items[1::2]):
            if not is_key(key, MAX_KEY_DEPTH):
                raise ValueError("a key that is neither text nor number")
            target[key] = value

    def _extend(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Record):
            target = target.items
        if not isinstance(target, list):
            raise ValueError("elements of what is no list")
        target.extend(values)


def ordered(arguments: tuple[Any, ...]) -> dict[Any, Any]:
    """Dictionaries keep their order anyway; one made of pairs is filled."""
    made: dict[Any, Any] = {}
    for pair in arguments[0] if arguments and isinstance(arguments[0], list) else []:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and is_key(pair[0], MAX_KEY_DEPTH)):
            raise ValueError("an ordered dictionary of what are no pairs")
        made[pair[0]] = pair[1]
    return made


def is_key(key: Any, depth: int) -> bool:
    """Whether a key can be hashed without walking through what the file nested."""
    if isinstance(key, tuple):
        return depth > 0 and all(is_key(part, depth - 1) for part in key)
    return key is None or isinstance(key, str | int | float | bytes | Name)


_IGNORED = {"PROTO", "FRAME"}
_VALUES = {
    *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
    *("STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_CONSTANTS: dict[str, Any] = {
    "NONE": None,
    "NEWTRUE": True,
    "NEWFALSE": False,
    "EMPTY_TUPLE": (),
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": lambda: Record(Name("builtins", "set")),
}
_MEMO = {
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"), True),
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), False),
}
_METHODS: dict[str, Any] = {
    "MARK": Machine._mark,
    "POP": Machine._pop,
    "POP_MARK": Machine._pop_mark,
    "DUP": Machine._duplicate,
    "TUPLE": Machine._tuple_of_group,
    "TUPLE1": lambda machine, _: machine._tuple_of(1),
    "TUPLE2": lambda machine, _: machine._tuple_of(2),
    "TUPLE3": lambda machine, _: machine._tuple_of(3),
    "LIST": Machine._list_of_group,
    "DICT": Machine._dict_of_group,
    "SETITEM": Machine._set_item,
    "SETITEMS": Machine._set_items,
    "APPEND": Machine._append,
    "APPENDS": Machine._append_group,
    "ADDITEMS": Machine._append_group,
    "FROZENSET": Machine._frozen_set,
    "GLOBAL": Machine._name_in_text,
    "STACK_GLOBAL": Machine._name_on_stack,
    "REDUCE": Machine._reduce,
    "NEWOBJ": Machine._new_object,
    "NEWOBJ_EX": Machine._new_object_with_names,
    "OBJ": Machine._old_object,
    "INST": Machine._old_instance,
    "BUILD": Machine._build,
    "BINPERSID": Machine._outside,
}
