"""Transforms between named frames over time: what tf2 does, in NumPy, for bags and for live graphs.

Source of the rules: REP-105 and the behaviour of `tf2::BufferCore` (a frame has one parent; static transforms hold
at every time; others are interpolated between the two samples around the asked time, never extrapolated).
"""

from bisect import bisect_left, insort

import numpy as np

from perception.core.errors import InvalidInput, MissingTransform
from perception.core.geometry import interpolate, inverse

ROTATION_TOLERANCE = 1e-3  # of R R^T - I; printed matrices in calibration files have about four digits


class TransformBuffer:
    """Frames as a forest. Looks up `T_target_source` at a time; a missing path is an error, never an identity."""

    def __init__(self, keep_ns: int = 10_000_000_000) -> None:
        self.keep_ns = keep_ns
        self._parents: dict[str, str] = {}
        self._static: dict[str, np.ndarray] = {}
        self._moving: dict[str, list[tuple[int, np.ndarray]]] = {}

    def set_static(self, parent: str, child: str, T_parent_child: np.ndarray) -> None:
        """Store a transform that holds at every time."""
        self._link(parent, child, T_parent_child)
        self._moving.pop(child, None)
        self._static[child] = T_parent_child

    def set_moving(self, parent: str, child: str, stamp_ns: int, T_parent_child: np.ndarray) -> None:
        """Store one sample of a moving transform; samples older than `keep_ns` before the newest are forgotten."""
        self._link(parent, child, T_parent_child)
        self._static.pop(child, None)
        samples = self._moving.setdefault(child, [])
        insort(samples, (stamp_ns, T_parent_child), key=lambda sample: sample[0])
        while samples[-1][0] - samples[0][0] > self.keep_ns:
            samples.pop(0)

    def lookup(self, target: str, source: str, stamp_ns: int | None = None) -> np.ndarray:
        """`T_target_source` (4, 4) at `stamp_ns` (None: the newest). Raises `MissingTransform` naming both frames."""
        up_target, up_source = self._chain(target), self._chain(source)
        common = next((frame for frame in up_source if frame in up_target), None)
        if common is None:
            known = ", ".join(sorted(self.frames())) or "none"
            raise MissingTransform(
                f"no transform from {source!r} to {target!r}; known frames: {known}; "
                f"publish it on /tf_static or set it in the configuration"
            )
        T_common_target = self._up(up_target[: up_target.index(common)], stamp_ns)
        T_common_source = self._up(up_source[: up_source.index(common)], stamp_ns)
        return inverse(T_common_target) @ T_common_source

    def frames(self) -> set[str]:
        """All frame names seen so far."""
        return set(self._parents) | set(self._parents.values())

    def clear(self) -> None:
        """Forget moving transforms, e.g. when the clock was moved back. Static ones hold at every time and stay."""
        for child in self._moving:
            self._parents.pop(child, None)
        self._moving.clear()

    def _link(self, parent: str, child: str, T: np.ndarray) -> None:
        R = T[:3, :3]
        if not np.isfinite(T).all() or np.abs(R @ R.T - np.eye(3)).max() > ROTATION_TOLERANCE:
            raise InvalidInput(f"transform {parent!r} -> {child!r}: is not a rigid transform; check its quaternion")
        if not parent or not child or child in self._chain(parent):
            raise InvalidInput(f"transform {parent!r} -> {child!r}: would close a loop or names no frame")
        self._parents[child] = parent

    def _chain(self, frame: str) -> list[str]:
        chain = [frame]
        while chain[-1] in self._parents:
            chain.append(self._parents[chain[-1]])
        return chain

    def _up(self, chain: list[str], stamp_ns: int | None) -> np.ndarray:
        T = np.eye(4)
        for child in chain:
            T = (self._static[child] if child in self._static else self._at(child, stamp_ns)) @ T
        return T

    def _at(self, child: str, stamp_ns: int | None) -> np.ndarray:
        samples = self._moving[child]
        if stamp_ns is None:
            return samples[-1][1]
        after = bisect_left(samples, stamp_ns, key=lambda sample: sample[0])
        if after < len(samples) and samples[after][0] == stamp_ns:
            return samples[after][1]
        if after in (0, len(samples)):
            raise MissingTransform(
                f"transform {self._parents[child]!r} -> {child!r} at {stamp_ns} ns: known only from "
                f"{samples[0][0]} to {samples[-1][0]} ns; its publisher is late or stopped"
            )
        (t_a, T_a), (t_b, T_b) = samples[after - 1], samples[after]
        return interpolate(T_a, T_b, (stamp_ns - t_a) / (t_b - t_a))
