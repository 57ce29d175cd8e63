"""Masks in files of labels, whatever their form, and the record of the objects that they make together."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.labels import ObjectLabels
from perception.io.datasets.fields import field, numbers
from perception.kernels import polygons, rle

FAR = 1e6  # px; corners of polygons farther outside are moved here


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """One object of one image, as a reader finds it."""

    category_id: int
    kind: Class
    instance_id: int
    box: np.ndarray  # (4,) float64, px: x_low, y_low, x_high, y_high
    mask: np.ndarray | None = None  # (H, W) bool
    is_ignored: bool = False
    amodal_box: np.ndarray | None = None  # (4,) float64; None: as `box`
    occlusion: float = float("nan")


def objects_of(found: list[Labelled], size: tuple[int, int] | None) -> tuple[ObjectLabels, np.ndarray]:
    """The record of all objects of an image of `size` (width, height), px, and their category ids (N,) int64.

    Where masks overlap, the smaller object is the one in the map of instances; ignored ones lie below all others.
    """
    labels = ObjectLabels(
        np.array([item.kind for item in found], dtype=np.uint8),
        np.array([item.instance_id for item in found], dtype=np.int32),
        _boxes([item.box for item in found]),
        _boxes([item.box if item.amodal_box is None else item.amodal_box for item in found]),
        np.array([item.occlusion for item in found], dtype=np.float32),
        np.array([item.is_ignored for item in found], dtype=np.bool_),
        _instance_map(found, size) if size else None,
    )
    return labels, np.array([item.category_id for item in found], dtype=np.int64)


def mask_of(segmentation: Any, size: tuple[int, int], where: str) -> np.ndarray:
    """The mask (H, W) bool of a COCO `segmentation`: polygons, plain or compressed run lengths."""
    width, height = size
    if isinstance(segmentation, list):
        return _filled(segmentation, width, height, where)
    if field(segmentation, "size", list, where) != [height, width]:
        raise InvalidInput(f"{where}: size: expected [{height}, {width}], got {segmentation['size']}")
    code = segmentation.get("counts")
    counts = rle.decompress(code) if isinstance(code, str) else numbers(code, (-1,), f"{where}: counts")
    mask = None if counts is None else rle.decode(counts, height, width)
    if mask is None:
        raise InvalidInput(f"{where}: counts: are no run lengths of {width}x{height} px; the entry is damaged")
    return mask


def corners(box: Any, where: str) -> np.ndarray:
    """x_low, y_low, x_high, y_high (4,) of a COCO `bbox` x, y, width, height."""
    x, y, width, height = numbers(box, (4,), f"{where}: bbox")
    if width < 0.0 or height < 0.0:
        raise InvalidInput(f"{where}: bbox: has the size {width:g}x{height:g}; it is damaged")
    return np.array([x, y, x + width, y + height])


def box_of_mask(mask: np.ndarray) -> np.ndarray:
    """The tight box (4,) of a mask (H, W) bool; zeros where it is empty."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return np.zeros(4)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float64)


def _filled(parts: list[Any], width: int, height: int, where: str) -> np.ndarray:
    mask = np.zeros((height, width), dtype=np.bool_)
    for part in parts:
        points = numbers(part, (-1,), f"{where}: segmentation")
        if len(points) % 2:
            raise InvalidInput(f"{where}: segmentation: a polygon has {len(points)} numbers, expected pairs")
        polygons.fill(np.clip(points.reshape(-1, 2), -FAR, FAR), mask)
    return mask


def _boxes(boxes: list[np.ndarray]) -> np.ndarray:
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)


def _instance_map(found: list[Labelled], size: tuple[int, int]) -> np.ndarray | None:
    masks = [
        (not item.is_ignored, -np.count_nonzero(item.mask), row)
        for row, item in enumerate(found)
        if item.mask is not None
    ]
    if found and not masks:
        return None
    width, height = size
    instances = np.zeros((height, width), dtype=np.int32)
    for _, _, row in sorted(masks):
        instances[found[row].mask] = found[row].instance_id
    return instances
