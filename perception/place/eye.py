"""Keypoints of scans for the odometry: `slam.bev_aid` asks, the place network at one heading answers."""

import numpy as np

from perception.place.places import Landmarks, PlaceDescriber, compare
from slam.bev import BevGrid
from slam.bev_aid import Agreement


class PlaceEye:
    """Implements `slam.bev_aid.Eye`."""

    def __init__(self, describer: PlaceDescriber) -> None:
        self._describer = describer
        bev = describer.config.bev
        self.grid = BevGrid(bev.resolution, bev.first)

    def see(self, points: np.ndarray, R_level_lidar: np.ndarray) -> Landmarks:
        """As in `Eye`."""
        return self._describer.landmarks(points, R_level_lidar)

    def match(self, query: Landmarks, reference: Landmarks) -> Agreement:
        """As in `Eye`: matched descriptors that one rigid motion explains."""
        match = compare(query, reference, self._describer.config)
        rows, others = match.pairs[match.planar.inliers].T
        T = match.planar.T_reference_query
        moved = query.points[rows] @ T[:2, :2].T + T[:2, 3]
        residual = (moved - reference.points[others]) / self.grid.resolution
        first, second = query.pixels[rows].astype(np.float64), reference.pixels[others].astype(np.float64)
        return Agreement(first, second, residual, len(match.pairs))
