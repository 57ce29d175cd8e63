"""Boxes in space as readers find them, and the record that they make in the frame that is asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.labels import BoxLabels3d
from perception.io.datasets.fields import field, load_json, numbers
from perception.io.datasets.names import class_of

UNKNOWN = -1  # number of points


@dataclass(frozen=True, slots=True, eq=False)
class Box3d:
    """One box in any frame. `heading` is the direction of its length, `size` length, width, height, m."""

    kind: Class
    instance_id: int
    centre: np.ndarray  # (3,) float64, m
    size: np.ndarray  # (3,) float64, m
    heading: np.ndarray  # (3,) float64
    velocity: np.ndarray  # (3,) float64, m/s over ground; NaN: unknown
    num_points: int = UNKNOWN


def heading(yaw: float) -> np.ndarray:
    """Direction (3,) at the angle `yaw` from x towards y."""
    return np.array([np.cos(yaw), np.sin(yaw), 0.0])


def boxes_in(T_target_source: np.ndarray, found: list[Box3d]) -> BoxLabels3d:
    """The record of boxes, moved from their frame to a target whose z is up: yaw is the heading seen from above."""
    R, t = T_target_source[:3, :3], T_target_source[:3, 3]
    headings = _stacked([box.heading for box in found]) @ R.T
    return BoxLabels3d(
        np.array([box.kind for box in found], dtype=np.uint8),
        np.array([box.instance_id for box in found], dtype=np.int32),
        _stacked([box.centre for box in found]) @ R.T + t,
        _stacked([box.size for box in found]),
        np.arctan2(headings[:, 1], headings[:, 0]),
        _stacked([box.velocity for box in found]) @ R.T,
        np.array([box.num_points for box in found], dtype=np.int64),
    )


def read_boxes(path: Path) -> dict[str, BoxLabels3d]:
    """The boxes of each key frame in a file that `BoxWriter` wrote. Raises `InvalidInput`."""
    content = load_json(path)
    if not isinstance(content, dict):
        raise InvalidInput(f"{path}: expected an object of key frames, got {type(content).__name__}")
    frames = {name: field(record, "boxes", list, f"{path}: {name}") for name, record in content.items()}
    return {
        name: boxes_in(np.eye(4), [_stored_box(entry, f"{path}: {name}") for entry in entries])
        for name, entries in frames.items()
    }


def _stored_box(entry: Any, where: str) -> Box3d:
    velocity = entry.get("velocity") if isinstance(entry, dict) else None
    return Box3d(
        class_of(field(entry, "category", str, where)),
        field(entry, "instance_id", int, where),
        numbers(field(entry, "translation", list, where), (3,), f"{where}: translation"),
        numbers(field(entry, "size", list, where), (3,), f"{where}: size"),
        heading(field(entry, "yaw", float, where)),
        np.full(3, np.nan) if velocity is None else numbers(velocity, (3,), f"{where}: velocity"),
        field(entry, "num_lidar_pts", int, where),
    )


def _stacked(rows: list[np.ndarray]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 3)
