"""What is kept of a place, and how two places are compared: keypoints, local and global descriptors of an image.

For odometry a scan is seen at one heading, for revisits at all eight; descriptors are compared with their like only.
"""

from dataclasses import dataclass

import numpy as np

from perception.networks.rein_graph import NUM_ROTATIONS
from perception.place.bev_image import bev_image, cell_centres
from perception.place.config import PlaceConfig
from perception.place.descriptors import PlaceNetwork
from perception.place.keypoints import find_keypoints, match_descriptors
from perception.place.registration2d import Planar, align

NEAR = 5.0  # m: what the alignment puts as far away at most is the same place; twice as far counts half


@dataclass(frozen=True, slots=True, eq=False)
class Landmarks:
    """Keypoints of one image with their descriptors."""

    points: np.ndarray  # (K, 2) float64, x and y in metres of the level sensor
    pixels: np.ndarray  # (K, 2) int64, column and row
    descriptors: np.ndarray  # (K, C) float32, unit vectors
    num_rotations: int  # headings that the descriptors have seen


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A keyframe as place recognition knows it."""

    landmarks: Landmarks  # of eight headings
    descriptor: np.ndarray  # (D,) float32, a unit vector


class PlaceDescriber:
    """Describes clouds with one network. One caller at a time."""

    def __init__(self, config: PlaceConfig, network: PlaceNetwork) -> None:
        self.config, self.network = config, network

    def describe(self, points: np.ndarray, R_level_lidar: np.ndarray | None = None) -> Place:
        """A keyframe's cloud (N, 3) float32 in the frame of the LiDAR, made level by a rotation, as a place."""
        image = bev_image(points, self.config.bev, R_level_lidar)
        features = self.network.encode(image, NUM_ROTATIONS)
        pixels = find_keypoints(image, self.config.keypoints)
        landmarks = self._landmarks(pixels, self.network.local(features, pixels), NUM_ROTATIONS)
        return Place(landmarks, self.network.describe(features))

    def landmarks_of(self, image: np.ndarray) -> Landmarks:
        """The keypoints of an image (n, n) uint8 at one heading, for odometry."""
        pixels = find_keypoints(image, self.config.keypoints)
        return self._landmarks(pixels, self.network.local(self.network.encode(image, 1), pixels), 1)

    def _landmarks(self, pixels: np.ndarray, descriptors: np.ndarray, num_rotations: int) -> Landmarks:
        return Landmarks(cell_centres(pixels, self.config.bev), pixels, descriptors, num_rotations)


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """Pairs of keypoints of two places, and the motion in the plane that most agree with."""

    pairs: np.ndarray  # (P, 2) int64, rows of the query and of the reference
    planar: Planar

    @property
    def score(self) -> float:
        """What speaks for the same place: keypoints that agree, fewer where the alignment says that it is far.

        0 where the alignment is refused. Candidates of the index are best ranked by it.
        """
        if not self.planar.is_accepted:
            return 0.0
        beyond = max(0.0, float(np.linalg.norm(self.planar.shift)) - NEAR)
        return self.planar.num_inliers / (1.0 + (beyond / NEAR) ** 2)


def compare(query: Landmarks, reference: Landmarks, config: PlaceConfig) -> Match:
    """Match two images and align them; `planar` takes the level query to the level reference.

    Both must have seen the same number of headings (an assertion: it is a mistake of the caller).
    """
    assert query.num_rotations == reference.num_rotations
    pairs = match_descriptors(query.descriptors, reference.descriptors, config.matching)
    planar = align(query.points[pairs[:, 0]], reference.points[pairs[:, 1]], config.planar)
    return Match(pairs, planar)
