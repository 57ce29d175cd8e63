"""Registration of a scan with the local map: correspondences, and the normal equations of point-to-plane residuals.

Sections 6.2, 7 and 17 of bev_lio_lc.md. The filter (or any Gauss-Newton loop) asks for `associate` at a pose and then
for `linearise` at that pose and at later ones, as long as the correspondences are to be kept.
"""

from dataclasses import dataclass

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from slam import kernels_registration as kernels
from slam.config import RegistrationConfig
from slam.local_map import LocalMap

UPPER_6 = np.triu_indices(6)
UPPER_12 = np.triu_indices(12)


@dataclass(frozen=True, slots=True, eq=False)
class NormalEquations:
    """Sums over the accepted matches, rows H of section 7 and z = -r; order p, R (right), then R_IL, t_IL."""

    HtH: np.ndarray  # (6, 6) or (12, 12) float64
    Htz: np.ndarray  # (6,) or (12,) float64
    num_matches: int
    sum_weights: float  # of the robust kernel, 1 for a match on its plane
    sum_squared_residual: float  # m^2, not weighted
    mean_squared_range: float  # m^2, of the matched points from the IMU, weighted


class Registration:
    """Matches of one scan. Holds the buffers, which are reused from scan to scan.

    The scale of the robust kernel (Geman-McClure) follows the mean absolute residual of the call before, down to
    `robust_scale`: a scan that is far off is pulled by all its points, one that lies well by those on their planes.
    """

    def __init__(self, config: RegistrationConfig) -> None:
        self.config = config
        self._matches = np.zeros((0, 5))
        self._match_ids = np.zeros(0, dtype=np.int32)
        self._match_counts = np.zeros(kernels.NUM_CHUNKS, dtype=np.int64)
        self._residuals = np.zeros(kernels.NUM_CHUNKS)
        self._sums = np.zeros((kernels.NUM_CHUNKS, kernels.NUM_SUMS))
        self._sums_extrinsics = np.zeros((kernels.NUM_CHUNKS, kernels.NUM_SUMS_EXTRINSICS))
        self._origin = np.zeros(3)
        self._num_points = 0
        self._scale = 0.0

    @property
    def num_matches(self) -> int:
        """Points with a plane since the last `associate`."""
        return int(self._match_counts.sum())

    def associate(
        self,
        local_map: LocalMap,
        points_lidar: np.ndarray,
        R: np.ndarray,
        p: np.ndarray,
        R_IL: np.ndarray,
        t_IL: np.ndarray,
    ) -> None:
        """Find the plane of each point (N, 3) float32, seen from the IMU pose (R, p) in odom."""
        check("points_lidar", points_lidar, (None, 3), np.float32)
        self._reserve(len(points_lidar))
        self._origin = local_map.origin.copy()
        pose = local_map.relative(R @ R_IL, R @ t_IL + p)
        matches = (self._matches, self._match_ids, self._match_counts, self._residuals)
        store = local_map.store
        if local_map.config.mode == "voxel_plane":
            self._run(
                "associate_planes", store.table, store.neighbours, store.payload[1], local_map.edge,
                points_lidar, pose, *matches,
            )  # fmt: skip
        else:
            config = local_map.config
            self._run(
                "associate_knn", store.table, store.cells, store.neighbours, store.payload[0], local_map.edge,
                points_lidar, pose, config.knn_max_squared_distance, config.knn_max_offset, *matches,
            )  # fmt: skip
        self._adapt(float(self._residuals.sum()), self.num_matches)

    def linearise(
        self,
        points_lidar: np.ndarray,
        R: np.ndarray,
        p: np.ndarray,
        R_IL: np.ndarray,
        t_IL: np.ndarray,
        with_extrinsics: bool = False,
        is_robust: bool = True,
    ) -> NormalEquations:
        """Normal equations at the IMU pose (R, p) over the points given to `associate`.

        Without `is_robust` all matches count alike, and the scale of the robust kernel stays as it is. Raises
        `InvalidInput` when the number of points is another one.
        """
        if len(points_lidar) != self._num_points:
            raise InvalidInput(
                f"points_lidar: expected the {self._num_points} points given to associate, got {len(points_lidar)}"
            )
        arguments = (
            points_lidar,
            np.ascontiguousarray(R),
            p - self._origin,
            np.ascontiguousarray(R_IL),
            np.ascontiguousarray(t_IL),
            self._scale if is_robust else 0.0,
            self._matches,
            self._match_ids,
            self._match_counts,
        )
        if with_extrinsics:
            kernels.linearise_extrinsics(*arguments, self._sums_extrinsics)
            sums = self._sums_extrinsics.sum(axis=0)
        else:
            self._run("linearise", *arguments, self._sums)
            sums = self._sums.sum(axis=0)
        num, weights, squares, absolute, ranges = sums[-kernels.NUM_TOTALS :]
        if is_robust:
            self._adapt(absolute, num)
        HtH, Htz = _unpacked(sums, UPPER_12 if with_extrinsics else UPPER_6)
        mean_squared_range = float(ranges / weights) if weights > 0.0 else 0.0
        return NormalEquations(HtH, Htz, int(num), float(weights), float(squares), mean_squared_range)

    def _adapt(self, sum_absolute: float, num: float) -> None:
        if self.config.robust_scale > 0.0:
            mean = sum_absolute / max(num, 1.0)
            self._scale = max(self.config.robust_scale, self.config.robust_factor * mean)

    def _run(self, kernel: str, *arguments: object) -> None:
        if self.config.num_threads == 1:  # must not touch the thread pool
            getattr(kernels, kernel)(*arguments)
            return
        import numba

        numba.set_num_threads(min(self.config.num_threads, numba.config.NUMBA_NUM_THREADS))
        getattr(kernels, f"{kernel}_parallel")(*arguments)

    def _reserve(self, num_points: int) -> None:
        self._num_points = num_points
        if len(self._match_ids) < num_points:
            self._matches = np.zeros((num_points, 5))
            self._match_ids = np.zeros(num_points, dtype=np.int32)


def _unpacked(sums: np.ndarray, upper: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    num_upper, size = len(upper[0]), int(upper[0][-1]) + 1
    HtH = np.zeros((size, size))
    HtH[upper] = sums[:num_upper]
    HtH.T[upper] = sums[:num_upper]
    return HtH, sums[num_upper : num_upper + size].copy()
