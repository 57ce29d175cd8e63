"""Countable objects of the generated world: what each is, the box around it, and where it is at any time."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from perception.core.classes import Class
from perception.core.geometry import exp_so3, transform
from perception.world.geometry.mesh import Mesh


class Motion(Protocol):
    """How something moves."""

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4) at times (N,) int64, ns after the start."""


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """One object with the box around it in its own frame: x ahead, y left, z up."""

    instance_id: int
    kind: Class
    low: np.ndarray  # (3,) float64, m
    high: np.ndarray  # (3,) float64, m
    T_world_thing: np.ndarray  # (4, 4) float64: where it stands; not used where it moves
    motion: Motion | None = None

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_thing` (N, 4, 4) at times (N,) int64, ns after the start."""
        if self.motion is not None:
            return self.motion.poses(times_ns)
        return np.broadcast_to(self.T_world_thing, (len(times_ns), 4, 4))


def standing(mesh: Mesh, kind: Class, instance_id: int, yaw: float, position: np.ndarray) -> Thing:
    """The thing that `placed(mesh, yaw, position, instance_id)` shows; `mesh` in its own frame."""
    T = transform(exp_so3(np.array([0.0, 0.0, yaw])), np.asarray(position, dtype=np.float64))
    low, high = bounds(mesh)
    return Thing(instance_id, kind, low, high, T)


def bounds(mesh: Mesh) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner (3,) float64 of all triangles."""
    corners = mesh.triangles.reshape(-1, 3).astype(np.float64)
    return corners.min(axis=0), corners.max(axis=0)
