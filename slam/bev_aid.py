"""Bird's-eye images in the odometry: what a scan has in common with an earlier one, where geometry says too little.

Section 11 of bev_lio_lc.md. The earlier scan is a keyframe, not the scan before: then errors do not add up step by
step, and the motion is long enough to tell the world from patterns that move with the sensor. The last scans together
make an image: they fill what single ones leave open. Images are looked at only while the scans leave a translation
open, or nearly so; elsewhere they cost nothing and change nothing. Who sees keypoints is handed in: this part knows no
network.
"""

from collections import Counter, deque
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from perception.core.geometry import inverse, log_so3, transform
from slam.bev import BevGrid, BevTerm, noise_variance, pixels_of, refusal, to_image, world_points
from slam.bev_match import Expected, Sight, change_along, common_shift, pairs_near
from slam.config import BevAidConfig
from slam.state import State

SIGMAS = 3.0  # of the prediction, that keypoints may be off
KEYFRAMES = 8  # that are remembered
IMAGES = 10  # of which some must say something
UPRIGHT = 0.5  # a unit vector with a smaller level part


class Eye(Protocol):
    """Sees keypoints in scans."""

    @property
    def grid(self) -> BevGrid:
        """Of the images."""
        ...

    def see(self, points: np.ndarray, R_level_lidar: np.ndarray) -> Sight:
        """Keypoints of points (N, 3) float32 in the frame of the LiDAR, made level by a rotation."""
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    sight: Sight  # keypoints that can tell the open directions
    A: np.ndarray  # (3, 3) level <- LiDAR, of the predicted attitude
    state: State  # corrected, once it is a keyframe


class BevAid:
    """Keeps keyframes and makes terms for the filter."""

    def __init__(self, config: BevAidConfig, eye: Eye, weak: float) -> None:
        """`weak`: the least information per match of a determined translation, as the odometry has it."""
        self.config, self.eye, self.weak = config, eye, weak
        self.counts: Counter[str] = Counter()
        self.reset()

    def reset(self) -> None:
        """Forget the keyframes."""
        self._keyframes: deque[_View] = deque(maxlen=KEYFRAMES)
        self._recent: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=self.config.scans - 1)  # points, T_odom_lidar
        self._points = np.zeros((0, 3), dtype=np.float32)
        self._said: deque[bool] = deque(maxlen=IMAGES)  # whether the last images said something
        self._now: _View | None = None

    def look(
        self, points: np.ndarray, predicted: State, P: np.ndarray, translation: np.ndarray | None
    ) -> BevTerm | None:
        """A term for the scan with these points (N, 3), or None where there is no need or no help.

        `P` (6, 6) is the covariance of the predicted pose, `translation` (3, 3) what the scans before said about the
        translation, per match.
        """
        self._now, self._points = None, points
        if translation is None:
            return None
        values, vectors = np.linalg.eigh(translation)
        is_open = values < self.config.attention * self.weak
        if not is_open.any():
            return None
        T = _lidar_pose(predicted)
        A = level(T[:3, :3])
        sight = self.eye.see(self._together(T), A)
        is_telling = change_along(sight, _in_image(A @ T[:3, :3].T @ vectors[:, is_open])) > self.config.min_change
        sight = replace(sight, pixels=sight.pixels[is_telling], descriptors=sight.descriptors[is_telling])
        self._now = _View(sight, A, predicted)
        before = self._compared()
        return None if before is None else self._term(before, self._now, P)

    def learn(self, corrected: State, is_accepted: bool) -> None:
        """The scan is remembered; if it was looked at, and the last keyframe is far, it becomes a keyframe."""
        if not is_accepted:
            self._recent.clear()
            return
        self._recent.append((self._points, _lidar_pose(corrected)))
        if self._now is None:
            return
        if not self._keyframes or self._is_far(self._keyframes[-1].state, corrected):
            self._keyframes.append(_View(self._now.sight, self._now.A, corrected))

    def _together(self, T_odom_lidar: np.ndarray) -> np.ndarray:
        """The points of the last scans (N, 3) float32 in the frame of this one."""
        back, clouds = inverse(T_odom_lidar), [self._points]
        for points, T in self._recent:
            T_now_then = (back @ T).astype(np.float32)
            if np.linalg.norm(T_now_then[:3, 3]) > self.config.stretch * self.eye.grid.resolution:
                continue
            clouds.append(points @ T_now_then[:3, :3].T + T_now_then[:3, 3])
        return np.concatenate(clouds)

    def _compared(self) -> _View | None:
        """The last keyframe that is neither too near nor too far."""
        assert self._now is not None
        cell = self.eye.grid.resolution
        for view in reversed(self._keyframes):
            moved = _lidar_pose(self._now.state)[:3, 3] - _lidar_pose(view.state)[:3, 3]
            shift = float(np.linalg.norm(moved)) / cell
            if shift > self.config.most_shift:
                return None
            if shift >= self.config.least_shift:
                return view
        return None

    def _term(self, before: _View, now: _View, P: np.ndarray) -> BevTerm | None:
        state, config, grid = before.state, self.config, self.eye.grid
        points = world_points(
            before.sight.pixels, grid, state.R, state.position, state.R_imu_lidar, state.t_imu_lidar, before.A
        )
        expected = self._expected(points, before, now, P)
        pairs, num_still = pairs_near(now.sight, before.sight, expected, config.locked)
        shifts = now.sight.pixels[pairs[:, 0]] - expected.pixels[pairs[:, 1]]
        is_agreed, others = common_shift(shifts, config.agreeing)
        num = int(is_agreed.sum())
        reason = refusal(num, len(pairs), 0.0, config, others)
        if not reason and num < num_still:
            reason = f"{num} matches agree, but {num_still} say that the sensor stands still"
        self._said.append(not reason)
        is_heard = not reason and sum(self._said) >= config.steady
        self.counts["images that help" if is_heard else "images without help"] += 1
        if not is_heard:
            return None
        residual = shifts[is_agreed] - shifts[is_agreed].mean(axis=0)
        variance = noise_variance(residual, 0.0, True, config, grid.resolution)
        rows, seen = pairs[is_agreed].T
        return BevTerm(points[seen], now.sight.pixels[rows], grid, now.A, variance, config, P)

    def _expected(self, points: np.ndarray, before: _View, now: _View, P: np.ndarray) -> Expected:
        """Where the prediction has points (N, 3) of the world in the new image."""
        grid, state = self.eye.grid, now.state
        pose = (state.R, state.position, state.R_imu_lidar, state.t_imu_lidar, now.A)
        moved = _lidar_pose(state)[:3, 3] - _lidar_pose(before.state)[:3, 3]
        deviation = SIGMAS * float(np.sqrt(np.linalg.eigvalsh(P[:2, :2])[-1])) / grid.resolution
        reach = float(np.clip(deviation, self.config.min_reach, self.config.max_reach))
        return Expected(
            pixels_of(to_image(points, *pose), grid), pixels_of(to_image(points + moved, *pose), grid), reach
        )

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


def _in_image(directions: np.ndarray) -> np.ndarray:
    """Unit vectors (K, 2), column and row, of those of the directions (3, K) of a level sensor that are not upright."""
    flat = directions[1::-1].T  # columns are along y, rows along x
    lengths = np.linalg.norm(flat, axis=1, keepdims=True)
    is_flat = lengths[:, 0] > UPRIGHT
    return flat[is_flat] / lengths[is_flat]


def _lidar_pose(state: State) -> np.ndarray:
    """`T_odom_lidar` (4, 4)."""
    return transform(state.R, state.position) @ transform(state.R_imu_lidar, state.t_imu_lidar)
