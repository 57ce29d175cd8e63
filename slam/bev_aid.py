"""Bird's-eye images in the odometry: what a scan has in common with an earlier one, where geometry says too little.

Section 11 of bev_lio_lc.md. The earlier scan is a keyframe, not the scan before: then errors do not add up step by
step. Images are looked at only while the scans leave a translation open, or nearly so; elsewhere they cost nothing and
change nothing. Who sees keypoints is handed in: this part knows no network.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from pydantic import Field

from perception.core.geometry import log_so3
from slam.bev import BevGrid, BevTerm, BevTermConfig, noise_variance, refusal, world_points
from slam.state import State


class BevAidConfig(BevTermConfig):
    """When images are looked at, besides what makes their keypoints useful."""

    keyframe_distance: float = Field(1.0, gt=0.0, le=20.0, description="A new keyframe after so many metres,")
    keyframe_deg: float = Field(10.0, gt=0.0, le=90.0, description="or after so many degrees.")
    attention: float = Field(
        1.5, ge=1.0, le=1e6, description="Images are looked at below so many times the least information."
    )


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Keypoints of two images that one motion in the plane takes onto each other."""

    query_px: np.ndarray  # (P, 2) float64, column and row
    reference_px: np.ndarray  # (P, 2)
    residual_px: np.ndarray  # (P, 2) that the motion leaves
    num_matches: int  # also those that did not agree


class Eye(Protocol):
    """Sees keypoints in scans and finds them again."""

    @property
    def grid(self) -> BevGrid:
        """Of the images."""
        ...

    def see(self, points: np.ndarray, R_level_lidar: np.ndarray) -> Any:
        """Keypoints of points (N, 3) float32 in the frame of the LiDAR, made level by a rotation."""
        ...

    def match(self, query: Any, reference: Any) -> Agreement:
        """What of them is the same."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    seen: Any
    A: np.ndarray  # (3, 3) level <- LiDAR, of the predicted attitude
    state: State  # corrected, once it is a keyframe


class BevAid:
    """Keeps a keyframe and makes terms for the filter."""

    def __init__(self, config: BevAidConfig, eye: Eye, weak: float) -> None:
        """`weak`: the least information per match of a determined translation, as the odometry has it."""
        self.config, self.eye, self.weak = config, eye, weak
        self.counts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forget the keyframe."""
        self._keyframe: _View | None = None
        self._now: _View | None = None

    def look(self, points: np.ndarray, predicted: State, translation: np.ndarray | None) -> BevTerm | None:
        """A term for the scan with these points (N, 3), or None where there is no need or no help.

        `translation` (3, 3) is what the scans before said about the translation, per match.
        """
        self._now = None
        if translation is None or np.linalg.eigvalsh(translation)[0] > self.config.attention * self.weak:
            self._keyframe = None
            return None
        R_odom_lidar = predicted.R @ predicted.R_imu_lidar
        A = level(R_odom_lidar)
        self._now = _View(self.eye.see(points, A), A, predicted)
        if self._keyframe is None:
            return None
        return self._term(self._keyframe, self._now, tilt=0.0)

    def learn(self, corrected: State, is_accepted: bool) -> None:
        """The scan that was looked at last becomes the keyframe if the last keyframe is far or lost."""
        if self._now is None or not is_accepted:
            return
        if self._keyframe is None or self._is_far(self._keyframe.state, corrected):
            self._keyframe = _View(self._now.seen, self._now.A, corrected)

    def _term(self, before: _View, now: _View, tilt: float) -> BevTerm | None:
        found = self.eye.match(now.seen, before.seen)
        reason = refusal(len(found.query_px), found.num_matches, tilt, self.config)
        if reason:
            self.counts["images without help"] += 1
            self._keyframe = None
            return None
        self.counts["images that help"] += 1
        state, grid = before.state, self.eye.grid
        points = world_points(
            found.reference_px, grid, state.R, state.position, state.R_imu_lidar, state.t_imu_lidar, before.A
        )
        variance = noise_variance(found.residual_px, tilt, True, self.config, grid.resolution)
        return BevTerm(points, found.query_px, grid, now.A, variance, self.config)

    def _is_far(self, before: State, now: State) -> bool:
        distance = float(np.linalg.norm(now.position - before.position))
        turn = np.degrees(np.linalg.norm(log_so3(before.R.T @ now.R)))
        return distance > self.config.keyframe_distance or turn > self.config.keyframe_deg


def level(R_odom_lidar: np.ndarray) -> np.ndarray:
    """The smallest rotation (3, 3) that sets a sensor upright whose attitude is given, z up in odom."""
    up = R_odom_lidar[2]
    axis = np.array([up[1], -up[0], 0.0])  # up x z
    cross = np.array([[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]])
    if up[2] < -1.0 + 1e-9:  # upside down: any horizontal axis does
        return np.diag([1.0, -1.0, -1.0])
    return np.eye(3) + cross + cross @ cross / (1.0 + up[2])
