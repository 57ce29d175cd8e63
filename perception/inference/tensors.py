"""The tensors that go in and out of a runtime: checked once, where they enter, against the model card."""

from collections.abc import Mapping, Sequence

import numpy as np

from perception.core.errors import InvalidInput
from perception.inference.model_card import MAX_AXIS, ModelCard, TensorSpec

Shapes = Mapping[str, tuple[int, ...]]  # by name of the input
MAX_ELEMENTS = 1 << 28  # of one tensor; 1 GiB of float32
MAX_QUOTE = 500  # characters of an error of a library
DEFAULT_AXIS = 1  # size of a free axis that the card does not tell, e.g. the batch


class InputCheck:
    """Holds what the card asks of the inputs; calls that look like the one before are let through at once."""

    def __init__(self, card: ModelCard) -> None:
        self._specs = card.inputs
        self._names = {spec.name for spec in card.inputs}
        self._multiples = card.multiples
        self._last: tuple[tuple[tuple[int, ...], np.dtype], ...] = ()
        self._axes: dict[str, int] = {}

    def arrays(self, inputs: Mapping[str, np.ndarray]) -> tuple[list[np.ndarray], tuple[tuple[int, ...], ...]]:
        """The inputs in the order of the card, each in one piece, and their shapes.

        Arrays that are not C-contiguous are copied. Raises `InvalidInput` naming the tensor.
        """
        if inputs.keys() != self._names:
            self._refuse_names(inputs)
        arrays = [inputs[spec.name] for spec in self._specs]
        for row, array in enumerate(arrays):
            if not isinstance(array, np.ndarray):
                raise InvalidInput(f"{self._specs[row].name}: expected a NumPy array, got {type(array).__name__}")
            if not array.flags.c_contiguous:
                arrays[row] = np.ascontiguousarray(array)
        kinds = tuple((array.shape, array.dtype) for array in arrays)
        if kinds != self._last:
            for spec, array in zip(self._specs, arrays):
                if array.dtype != np.dtype(spec.dtype):
                    raise InvalidInput(f"{spec.name}: expected {spec.dtype}, got {array.dtype}; convert it")
            self.axes({spec.name: array.shape for spec, array in zip(self._specs, arrays)})
            self._last = kinds
        return arrays, tuple(shape for shape, _ in kinds)

    def axes(self, shapes: Shapes) -> dict[str, int]:
        """Sizes of the free axes when the inputs have these shapes. Raises `InvalidInput` naming the tensor."""
        if shapes.keys() != self._names:
            self._refuse_names(shapes)
        axes: dict[str, int] = {}
        for spec in self._specs:
            _bind(spec, tuple(shapes[spec.name]), axes)
        for axis, multiple in self._multiples.items():
            if axes[axis] % multiple:
                raise InvalidInput(f"{axis}: {axes[axis]} is no multiple of {multiple}; pad or resize the input")
        return axes

    def example(self, shapes: Shapes) -> dict[str, np.ndarray]:
        """Inputs of these shapes, zeros. Raises `InvalidInput` naming the tensor."""
        self.axes(shapes)
        return example(self._specs, shapes)

    def _refuse_names(self, given: Mapping[str, object]) -> None:
        unknown = sorted(given.keys() - self._names)
        missing = sorted(self._names - given.keys())
        what = f"{unknown[0]!r} is unknown" if unknown else f"{missing[0]!r} is missing"
        raise InvalidInput(f"inputs: {what}; the network reads {', '.join(sorted(self._names))}")


def output_shape(spec: TensorSpec, axes: Mapping[str, int]) -> tuple[int, ...] | None:
    """The shape of an output by the axes of the inputs; None where it depends on their content."""
    shape = []
    for axis in spec.shape:
        if isinstance(axis, str):
            name, _, divisor = axis.partition("/")
            if name not in axes:
                return None
            axis = axes[name] // int(divisor or 1)
        shape.append(axis)
    return tuple(shape)


def default_shapes(card: ModelCard, size: tuple[int, int] | None = None) -> dict[str, tuple[int, ...]]:
    """Shapes of one example of `size` (height, width), by default that of the card, by name of the input."""
    sizes = dict(zip(("height", "width"), size or card.input_size or ()))

    def elements(axis: str | int) -> int:
        return axis if isinstance(axis, int) else sizes.get(axis, card.multiples.get(axis, DEFAULT_AXIS))

    return {spec.name: tuple(elements(axis) for axis in spec.shape) for spec in card.inputs}


def example(specs: Sequence[TensorSpec], shapes: Shapes) -> dict[str, np.ndarray]:
    """Inputs of these shapes for warming up and measuring: zeros."""
    return {spec.name: np.zeros(shapes[spec.name], np.dtype(spec.dtype)) for spec in specs}


def one_line(error: BaseException) -> str:
    """What an error of a library says, short enough for a sentence of ours."""
    return " ".join(str(error).split())[:MAX_QUOTE]


def _bind(spec: TensorSpec, shape: tuple[int, ...], axes: dict[str, int]) -> None:
    wanted = "(" + ", ".join(str(axis) for axis in spec.shape) + ")"
    if len(shape) != len(spec.shape):
        raise InvalidInput(f"{spec.name}: expected {len(spec.shape)} axes {wanted}, got {shape}")
    num_elements = 1
    for axis, have in zip(spec.shape, shape):
        want = axes.setdefault(axis, have) if isinstance(axis, str) else axis
        if have != want:
            raise InvalidInput(f"{spec.name}: expected {wanted} with {axis} = {want}, got {shape}")
        if not 1 <= have <= MAX_AXIS:
            raise InvalidInput(f"{spec.name}: {axis} is {have}, expected 1 to {MAX_AXIS}")
        num_elements *= have
    if num_elements > MAX_ELEMENTS:
        raise InvalidInput(f"{spec.name}: {shape} has more than {MAX_ELEMENTS} elements; use smaller batches")
