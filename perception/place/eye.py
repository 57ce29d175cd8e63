"""Keypoints of scans for the odometry: `slam.bev_aid` asks, the place network at one heading answers."""

import numpy as np

from perception.place.bev_image import CAPS, WHITE, bev_image
from perception.place.places import PlaceDescriber
from slam.bev import BevGrid
from slam.bev_match import Sight

STANDING = 3  # voxels above each other: floors and ceilings show the sensor's rings


class PlaceEye:
    """Implements `slam.bev_aid.Eye`."""

    def __init__(self, describer: PlaceDescriber) -> None:
        self._describer = describer
        bev = describer.config.bev
        self.grid = BevGrid(bev.resolution, bev.first)
        self._min_brightness = WHITE * STANDING / CAPS[bev.rule]

    def see(self, points: np.ndarray, R_level_lidar: np.ndarray) -> Sight:
        """As in `Eye`: corners of what stands."""
        image = bev_image(points, self._describer.config.bev, R_level_lidar)
        found = self._describer.landmarks_of(image)
        standing = image >= self._min_brightness
        rows = np.flatnonzero(standing[found.pixels[:, 1], found.pixels[:, 0]])
        return Sight(found.pixels[rows].astype(np.float64), found.descriptors[rows], standing)

    def close(self) -> None:
        """As in `Eye`."""
        self._describer.network.close()
