"""Motion compensation: points measured during a sweep, expressed in the LiDAR frame at its end.

Backward propagation of section 4.3 of bev_lio_lc.md. Points need no order.
"""

from dataclasses import dataclass

import numpy as np

from perception.core.geometry import apply, exp_so3, inverse, transform
from perception.core.stamps import to_seconds
from perception.core.types import check
from slam import kernels_deskew

NUM_NODES = 257  # poses on a regular grid over the sweep, 0.4 ms apart; between them matrices are interpolated


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Motion of the IMU over a scan at IMU rate. Interval k lies between stamps k and k + 1; the last row has none.

    The last stamp is the end of the scan.
    """

    stamps_ns: np.ndarray  # (K,) int64, increasing
    R: np.ndarray  # (K, 3, 3) float64, R_odom_imu
    p: np.ndarray  # (K, 3) float64, m, odom
    v: np.ndarray  # (K, 3) float64, m/s, odom
    a: np.ndarray  # (K, 3) float64, m/s^2, odom, gravity removed, used in interval k
    w: np.ndarray  # (K, 3) float64, rad/s, body, used in interval k

    def __post_init__(self) -> None:
        num = len(self.stamps_ns)
        check("stamps_ns", self.stamps_ns, (None,), np.int64)
        check("R", self.R, (num, 3, 3), np.float64)
        for name in ("p", "v", "a", "w"):
            check(name, getattr(self, name), (num, 3), np.float64)

    def at(self, stamp_ns: int) -> np.ndarray:
        """Pose (4, 4) of the IMU in odom; outside the covered time the first or last interval is carried on."""
        if len(self.stamps_ns) == 1:
            return transform(self.R[0], self.p[0])
        k = int(np.clip(np.searchsorted(self.stamps_ns, stamp_ns, "right") - 1, 0, len(self.stamps_ns) - 2))
        dt = to_seconds(int(stamp_ns) - int(self.stamps_ns[k]))
        return transform(self.R[k] @ exp_so3(self.w[k] * dt), self.p[k] + self.v[k] * dt + 0.5 * self.a[k] * dt * dt)


def deskew(
    points: np.ndarray, offsets_ns: np.ndarray, stamp_ns: int, motion: Motion, T_imu_lidar: np.ndarray
) -> np.ndarray:
    """Points (N, 3) float32 measured at `stamp_ns + offsets_ns`, moved to the LiDAR frame at the end of `motion`."""
    check("points", points, (None, 3), np.float32)
    check("offsets_ns", offsets_ns, (len(points),), np.int64)
    if len(points) == 0 or len(motion.stamps_ns) < 2:
        return points.copy()
    stamps = motion.stamps_ns - motion.stamps_ns[-1]
    begin, end = _grid(offsets_ns, stamp_ns, motion)
    R_IL, t_IL = np.ascontiguousarray(T_imu_lidar[:3, :3]), np.ascontiguousarray(T_imu_lidar[:3, 3])
    back = np.ascontiguousarray((motion.R[-1] @ R_IL).T)
    nodes = kernels_deskew.pose_nodes(
        stamps * 1e-9, motion.R, motion.p, motion.v, motion.a, motion.w, back, R_IL, t_IL, begin * 1e-9, end * 1e-9,
        NUM_NODES,
    )  # fmt: skip
    return kernels_deskew.deskew_points(
        np.ascontiguousarray(points), offsets_ns, int(stamp_ns) - int(motion.stamps_ns[-1]), begin, end, nodes
    )


def deskew_twin(
    points: np.ndarray, offsets_ns: np.ndarray, stamp_ns: int, motion: Motion, T_imu_lidar: np.ndarray
) -> np.ndarray:
    """The definition of `deskew`: the exact pose for every point. Slow."""
    T_lidar_imu = inverse(T_imu_lidar)
    T_end_odom = inverse(motion.at(int(motion.stamps_ns[-1])))
    out = np.empty_like(points)
    for i, (point, offset) in enumerate(zip(points, offsets_ns, strict=True)):
        T = T_lidar_imu @ T_end_odom @ motion.at(int(stamp_ns) + int(offset)) @ T_imu_lidar
        out[i] = apply(T, point[None].astype(np.float64))[0]
    return out


def _grid(offsets_ns: np.ndarray, stamp_ns: int, motion: Motion) -> tuple[int, int]:
    """Time covered by the points, ns before the end of the motion, at most one motion length beyond the motion."""
    length = int(motion.stamps_ns[-1]) - int(motion.stamps_ns[0])
    shift = int(stamp_ns) - int(motion.stamps_ns[-1])
    begin = min(max(int(offsets_ns.min()) + shift, -2 * length), length)
    end = min(max(int(offsets_ns.max()) + shift, begin + 1), max(length, begin + 1))
    return begin, end
