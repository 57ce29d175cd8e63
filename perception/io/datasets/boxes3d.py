"""Boxes in space as readers find them, and the record that they make in the frame that is asked for."""

from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.core.labels import BoxLabels3d

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


def _stacked(rows: list[np.ndarray]) -> np.ndarray:
    return np.array(rows, dtype=np.float64).reshape(-1, 3)
