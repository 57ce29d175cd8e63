"""The end of a detector as part of its ONNX file: raw heads to boxes and scores, and on to the few that remain.

The arithmetic is that of `perception.detection.decode` and `.nms`, step by step, so that both agree; what those
compute for one image, these nodes compute for a batch of any size.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from perception.core.errors import ModelError
from perception.inference.onnx_graph import Axis, Extension, axes_of
from perception.networks.leyolo_graph import NUM_BINS, NUM_SIDES, STRIDES

if TYPE_CHECKING:
    from onnx import ModelProto

HEADS = ("p3", "p4", "p5")
BOX_CHANNELS = NUM_SIDES * NUM_BINS
CELL_MIDDLE = 0.5
CLASS_SHIFT = 7680.0  # px between the boxes of neighbouring classes, as in perception.detection.nms
MAX_DETECTIONS = 300
ALL = np.iinfo(np.int64).max  # end of a slice


def with_decode(model: "ModelProto") -> "ModelProto":
    """Raw heads replaced by `decoded` (batch, 4 + classes, points): cx, cy, w, h in px of the input, then scores.

    Raises `ModelError` for a model without the raw heads p3, p4, p5 in float32.
    """
    num_classes, sizes = _num_classes(model), _sizes(model)
    end = Extension(model, "decode")
    boxes, scores = _decoded(end, num_classes, sizes)
    decoded = end.add("Concat", boxes, scores, axis=1)
    num_points = sum(height * width for height, width in sizes) if sizes else "points"
    axes = (_batch(model), NUM_SIDES + num_classes, num_points)
    return end.outputs({"decoded": (decoded, np.float32, axes)})


def with_nms(
    model: "ModelProto", score_threshold: float, iou_threshold: float, max_detections: int = MAX_DETECTIONS
) -> "ModelProto":
    """Raw heads replaced by `detections` (batch, max_detections, 6) and `num_detections` (batch,).

    A row is x1, y1, x2, y2 in px of the input, score, class: best first, zeros behind the last. Each point counts for
    its best class; boxes of different classes never suppress each other. Raises `ModelError`.
    """
    num_classes = _num_classes(model)
    end = Extension(model, "nms")
    boxes, scores = _decoded(end, num_classes, _sizes(model))
    corners = _corners(end, boxes)
    best = end.add("ReduceMax", scores, axes=[1], keepdims=1)  # (batch, 1, points)
    classes = end.add("Cast", end.add("ArgMax", scores, axis=1, keepdims=1), to=1)
    shifts = end.add("Mul", classes, end.constant(CLASS_SHIFT, np.float32))
    apart = end.add("Transpose", end.add("Add", corners, shifts), perm=[0, 2, 1])
    limits = (
        end.constant([max_detections]),
        end.constant([iou_threshold], np.float32),
        end.constant([score_threshold], np.float32),
    )
    kept = end.add("NonMaxSuppression", apart, best, *limits)  # (M, 3): image, 0, point
    cells = end.add("Gather", kept, end.constant([0, 2]), axis=1)
    remaining = _scattered(end, best, cells)
    top, count = _top(end, remaining, end.add("Concat", corners, best, classes, axis=1), max_detections)
    return end.outputs(
        {
            "detections": (top, np.float32, (_batch(model), max_detections, NUM_SIDES + 2)),
            "num_detections": (count, np.int32, (_batch(model),)),
        }
    )


def _num_classes(model: "ModelProto") -> int:
    names = tuple(value.name for value in model.graph.output)
    if names != HEADS:
        raise ModelError(f"outputs: {', '.join(names)}, expected the raw heads {', '.join(HEADS)}; export them first")
    kinds = {value.type.tensor_type.elem_type for value in model.graph.output}
    if kinds != {1}:
        raise ModelError("outputs: the raw heads are not float32; append this part after choosing the precision")
    channels = axes_of(model, HEADS[0])[1]
    if not isinstance(channels, int) or channels <= BOX_CHANNELS:
        raise ModelError(f"outputs: {HEADS[0]} has {channels} channels, expected more than {BOX_CHANNELS}")
    return channels - BOX_CHANNELS


def _batch(model: "ModelProto") -> Axis:
    return axes_of(model, HEADS[0])[0]


def _sizes(model: "ModelProto") -> list[tuple[int, int]]:
    """Height and width of the heads where the file fixes them, else nothing."""
    sides = [(height, width) for _, _, height, width in (axes_of(model, head) for head in HEADS)]
    return [(h, w) for h, w in sides if isinstance(h, int) and isinstance(w, int)]


def _decoded(end: Extension, num_classes: int, sizes: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """Boxes (batch, 4, points) as cx, cy, w, h in px, and scores (batch, classes, points)."""
    flat = [end.add("Reshape", head, end.constant([0, BOX_CHANNELS + num_classes, -1])) for head in HEADS]
    logits = end.add("Concat", *flat, axis=2)
    channels = end.constant([BOX_CHANNELS, num_classes])
    box_logits, class_logits = end.add_many("Split", (logits, channels), 2, axis=1)
    centers, strides = _fixed_points(end, sizes) if sizes else _points(end)
    distances = _distances(end, box_logits)
    low, high = end.add_many("Split", (distances, end.constant([2, 2])), 2, axis=1)
    first, last = end.add("Sub", centers, low), end.add("Add", centers, high)
    middles = end.add("Div", end.add("Add", first, last), end.constant(2, np.float32))
    cells = end.add("Concat", middles, end.add("Sub", last, first), axis=1)
    return end.add("Mul", cells, strides), end.add("Sigmoid", class_logits)


def _distances(end: Extension, box_logits: str) -> str:
    """Expected distances (batch, 4, points) in cells."""
    sides = end.add("Reshape", box_logits, end.constant([0, NUM_SIDES, NUM_BINS, -1]))
    weights = end.add("Softmax", sides, axis=2)
    bins = end.constant(np.arange(NUM_BINS).reshape(1, 1, NUM_BINS, 1), np.float32)
    return end.add("ReduceSum", end.add("Mul", weights, bins), end.constant([2]), keepdims=0)


def _fixed_points(end: Extension, sizes: Sequence[tuple[int, int]]) -> tuple[str, str]:
    """The same as `_points`, as constants."""
    grids = [np.stack(np.divmod(np.arange(height * width), width)[::-1]) for height, width in sizes]
    strides = [np.full(height * width, stride) for (height, width), stride in zip(sizes, STRIDES)]
    return (
        end.constant(np.concatenate(grids, axis=1)[None] + CELL_MIDDLE, np.float32),
        end.constant(np.concatenate(strides)[None, None], np.float32),
    )


def _points(end: Extension) -> tuple[str, str]:
    """Middles of all cells (1, 2, points) x, y in cells, and strides (1, 1, points) in px."""
    centers, strides = [], []
    for head, stride in zip(HEADS, STRIDES):
        shape = end.add("Shape", head)
        height, width = (end.add("Gather", shape, end.constant(axis), axis=0) for axis in (2, 3))
        rows = end.add("Range", end.constant(0), end.add("Mul", height, width), end.constant(1))
        y = end.add("Div", rows, width)
        x = end.add("Sub", rows, end.add("Mul", y, width))
        pair = end.add("Concat", *(end.add("Unsqueeze", axis, end.constant([0])) for axis in (x, y)), axis=0)
        centers.append(end.add("Add", end.add("Cast", pair, to=1), end.constant(CELL_MIDDLE, np.float32)))
        zeros = end.add("Mul", end.add("Cast", rows, to=1), end.constant(0, np.float32))
        strides.append(end.add("Add", zeros, end.constant(stride, np.float32)))
    axes = end.constant([0]), end.constant([0, 1])
    return (
        end.add("Unsqueeze", end.add("Concat", *centers, axis=1), axes[0]),
        end.add("Unsqueeze", end.add("Concat", *strides, axis=0), axes[1]),
    )


def _corners(end: Extension, boxes: str) -> str:
    """cx, cy, w, h (batch, 4, points) to x1, y1, x2, y2."""
    middles, sizes = end.add_many("Split", (boxes, end.constant([2, 2])), 2, axis=1)
    half = end.add("Div", sizes, end.constant(2, np.float32))
    return end.add("Concat", end.add("Sub", middles, half), end.add("Add", middles, half), axis=1)


def _scattered(end: Extension, best: str, cells: str) -> str:
    """Scores (batch, points) of the points (M, 2: image, point) that remain, zero elsewhere."""
    scores = end.add("Squeeze", best, end.constant([1]))
    nothing = end.add("Mul", scores, end.constant(0, np.float32))
    return end.add("ScatterND", nothing, cells, end.add("GatherND", scores, cells))


def _top(end: Extension, remaining: str, columns: str, limit: int) -> tuple[str, str]:
    """The `limit` best rows (batch, limit, 6) of `columns` (batch, 6, points), zeros where none remain; their number.

    The scores are lengthened by `limit` zeros, since small inputs have fewer points than that.
    """
    longer = end.add("Pad", remaining, end.constant([0, 0, 0, limit]))
    values, points = end.add_many("TopK", (longer, end.constant([limit])), 2, axis=1)
    last = end.add("Sub", end.add("Shape", remaining, start=1, end=2), end.constant([1]))
    points = end.add("Unsqueeze", end.add("Min", points, last), end.constant([2]))
    rows = end.add("GatherND", end.add("Transpose", columns, perm=[0, 2, 1]), points, batch_dims=1)
    is_there = end.add("Greater", values, end.constant(0, np.float32))
    mask = end.add("Cast", end.add("Unsqueeze", is_there, end.constant([2])), to=1)
    count = end.add("ReduceSum", end.add("Cast", is_there, to=6), end.constant([1]), keepdims=0)
    return end.add("Mul", rows, mask), count
