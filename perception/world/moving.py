"""How bodies move: still, beside another one, and step by step on legs that swing about their hinges."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, placed
from perception.world.objects.figure import Limb
from perception.world.things import Motion, Thing, bounds

SWING_SHARE = 0.7  # swing of an arm by that of a leg
LIFT_SHARE = 0.05  # height to which a foot is lifted, by the length of the leg
MAX_SINE = 0.6  # of the angle of a leg
NUM_PHASES = 24  # of a step, at which the box around a walker is measured
BOX_MARGIN = 0.01  # m around it, for the phases between


@dataclass(frozen=True, slots=True, eq=False)
class Mover:
    """An object that moves, or a rigid part of one; its mesh is in its own frame (x ahead, z up)."""

    mesh: Mesh
    motion: Motion


class Traveller(Protocol):
    """A motion that knows how far it went."""

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4) at times (N,) int64, ns after the start."""

    def distance(self, times_ns: np.ndarray) -> np.ndarray:
        """Way (N,) in m at times (N,) int64."""


@dataclass(frozen=True, slots=True, eq=False)
class Still:
    """What stands where it is."""

    T_world_mover: np.ndarray  # (4, 4) float64

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4) at times (N,) int64, ns after the start."""
        return np.tile(self.T_world_mover, (len(times_ns), 1, 1))


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """What keeps its place beside something else that moves."""

    other: Motion
    offset: np.ndarray  # (3,) m in the frame of the other

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4) at times (N,) int64, ns after the start."""
        T = self.other.poses(times_ns).copy()
        T[:, :3, 3] += T[:, :3, :3] @ self.offset
        return T


@dataclass(frozen=True, slots=True, eq=False)
class Accompany(Beside):
    """Beside somebody who walks, at the same pace."""

    def distance(self, times_ns: np.ndarray) -> np.ndarray:
        """Way (N,) in m at times (N,) int64."""
        return self.other.distance(times_ns)  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Stride:
    """Steps of stiff legs: a foot on the ground stays there, and the hips are as high as the lower foot demands."""

    leg: float  # m, from the hinge to the sole
    step: float  # m
    toe: float  # m, sole ahead of the hinge
    heel: float  # m, behind it

    def phase(self, distance: np.ndarray) -> np.ndarray:
        """Phase (N,) in rad after a way of (N,) m: two steps are a round."""
        return np.pi * np.asarray(distance) / self.step

    def angle(self, phase: np.ndarray, side: float) -> np.ndarray:
        """Angle (N,) of the left (side 1) or the right (-1) leg; it goes back, on the ground, while it grows."""
        back = np.arcsin(np.sin(phase)) / np.pi * self.step  # m, of the foot behind the hip; even over time
        return side * np.arcsin(np.clip(back / self.leg, -MAX_SINE, MAX_SINE))

    def lift(self, phase: np.ndarray, side: float) -> np.ndarray:
        """Height (N,) in m by which a leg is drawn up while it swings ahead."""
        return LIFT_SHARE * self.leg * np.maximum(-side * np.cos(phase), 0.0)

    def bob(self, phase: np.ndarray) -> np.ndarray:
        """Height (N,) in m of the body above where it stands upright: the lower one of the feet is on the ground."""
        depths = []
        for side in (1.0, -1.0):
            angle = self.angle(phase, side)
            sole = np.maximum(self.toe * np.sin(angle), -self.heel * np.sin(angle))
            depths.append(self.leg * np.cos(angle) + sole - self.lift(phase, side))
        return np.maximum(*depths) - self.leg


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """The motion of one part of a walking body. `swing` 0: trunk, 1 and -1: left and right leg, else arms."""

    root: Traveller
    stride: Stride
    hinge: np.ndarray  # (3,) m in the frame of the root
    swing: float = 0.0
    is_leg: bool = False

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4) at times (N,) int64, ns after the start."""
        phase = self.stride.phase(self.root.distance(times_ns))
        return self.root.poses(times_ns) @ self.relative(phase)

    def relative(self, phase: np.ndarray) -> np.ndarray:
        """`T_root_part` (N, 4, 4) at phases (N,)."""
        angle = self.swing * self.stride.angle(phase, 1.0)
        c, s = np.cos(angle), np.sin(angle)
        T = np.tile(np.eye(4), (len(phase), 1, 1))
        T[:, 0, 0] = T[:, 2, 2] = c
        T[:, 0, 2], T[:, 2, 0] = s, -s
        T[:, :3, 3] = self.hinge - T[:, :3, :3] @ self.hinge
        T[:, 2, 3] += self.stride.bob(phase)
        if self.is_leg:
            T[:, 2, 3] += self.stride.lift(phase, self.swing)
        return T


def stepping(
    trunk: Mesh, legs: Sequence[Limb], arms: Sequence[Limb], root: Traveller, stride: Stride, instance: int, kind: Class
) -> tuple[list[Mover], Thing]:
    """The parts of one walking body, and the thing they are together. Limbs come left before right."""
    parts = [(trunk, Step(root, stride, np.zeros(3)))]
    for limbs, share in ((legs, 1.0), (arms, -SWING_SHARE)):
        for limb, side in zip(limbs, (1.0, -1.0), strict=False):
            parts.append((limb.mesh, Step(root, stride, limb.hinge, share * side, limbs is legs)))
    movers = [Mover(placed(mesh, 0.0, (0.0, 0.0, 0.0), instance), step) for mesh, step in parts]
    low, high = _box(parts)
    return movers, Thing(instance, kind, low, high, np.eye(4), root)


def _box(parts: list[tuple[Mesh, Step]]) -> tuple[np.ndarray, np.ndarray]:
    """Low and high corner of all parts over a round of steps."""
    phases = np.linspace(0.0, 2.0 * np.pi, NUM_PHASES, endpoint=False)
    lows, highs = [], []
    for mesh, step in parts:
        corners = np.unique(mesh.triangles.reshape(-1, 3), axis=0).astype(np.float64)
        T = step.relative(phases)
        points = corners @ T[:, :3, :3].transpose(0, 2, 1) + T[:, None, :3, 3]
        lows.append(points.min(axis=(0, 1)))
        highs.append(points.max(axis=(0, 1)))
    return np.min(lows, axis=0) - BOX_MARGIN, np.max(highs, axis=0) + BOX_MARGIN


def rigid(mesh: Mesh, motion: Motion, instance: int, kind: Class) -> tuple[Mover, Thing]:
    """One rigid body that moves, and the thing it is."""
    low, high = bounds(mesh)
    return Mover(placed(mesh, 0.0, (0.0, 0.0, 0.0), instance), motion), Thing(
        instance, kind, low, high, np.eye(4), motion
    )
