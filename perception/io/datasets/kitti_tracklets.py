"""Boxes of KITTI's raw drives: `tracklet_labels.xml`, objects followed through a drive in the Velodyne frame."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.io.datasets.boxes3d import Box3d, heading
from perception.io.datasets.names import class_of

MAX_FILE = 100_000_000  # bytes


def read_tracklets(path: Path) -> dict[int, list[Box3d]]:
    """The boxes of each frame; a tracklet has a first frame and one pose for each frame from there on.

    A pose is the middle of the bottom and the turn about z. Raises `InvalidInput`.
    """
    boxes: dict[int, list[Box3d]] = {}
    for instance_id, item in enumerate(_tracklets(path), start=1):
        for frame, box in _boxes(f"{path}: tracklet {instance_id}", item, instance_id):
            boxes.setdefault(frame, []).append(box)
    return boxes


def _tracklets(path: Path) -> list[Any]:
    from xml.etree import ElementTree

    try:
        if (size := path.stat().st_size) > MAX_FILE:
            raise InvalidInput(f"{path}: has {size} bytes, expected at most {MAX_FILE}")
        text = path.read_bytes()
        if b"<!ENTITY" in text:
            raise InvalidInput(f"{path}: declares entities, which no tracklet file does; it is not read")
        return ElementTree.fromstring(text).findall("./tracklets/item")
    except (OSError, ElementTree.ParseError) as error:
        raise InvalidInput(f"{path}: is no tracklet file that can be read ({error})") from None


def _boxes(where: str, item: Any, instance_id: int) -> Iterator[tuple[int, Box3d]]:
    kind, first = class_of(item.findtext("objectType", "")), int(_number(where, item, "first_frame"))
    height, width, length = (_number(where, item, name) for name in "hwl")
    for row, pose in enumerate(item.findall("./poses/item")):
        x, y, z, yaw = (_number(where, pose, name) for name in ("tx", "ty", "tz", "rz"))
        centre, size = np.array([x, y, z + 0.5 * height]), np.array([length, width, height])
        yield first + row, Box3d(kind, instance_id, centre, size, heading(yaw), np.full(3, np.nan))


def _number(where: str, item: Any, name: str) -> float:
    text = item.findtext(name)
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise InvalidInput(f"{where}: {name}: expected a number, got {text!r}") from None
    if not np.isfinite(value):
        raise InvalidInput(f"{where}: {name}: expected a finite number, got {text!r}")
    return value
