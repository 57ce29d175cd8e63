"""Labels of images and scans: what a data set or a generated world says is there. Readers, writers and metrics share
these records, whatever file they come from.
"""

from dataclasses import dataclass

import numpy as np

from perception.core.types import check

OCCUPANCY_LOW = np.array([-40.0, -40.0, -1.0])  # m, lower corner of the Occ3D grid in the ego frame
OCCUPANCY_SHAPE = (200, 200, 16)  # voxels along x, y, z
VOXEL = 0.4  # m


@dataclass(frozen=True, slots=True, eq=False)
class ObjectLabels:
    """The objects of one image. Boxes are x_low, y_low, x_high, y_high in px; pixel i covers [i, i + 1)."""

    class_ids: np.ndarray  # (N,) uint8, `Class`
    instance_ids: np.ndarray  # (N,) int32, the same object has the same number through a clip; > 0
    boxes: np.ndarray  # (N, 4) float32, of the visible pixels
    amodal_boxes: np.ndarray  # (N, 4) float32, of the whole object, cut at the border of the image
    occlusion: np.ndarray  # (N,) float32, share of the object inside the image that something hides; NaN: unknown
    is_ignored: np.ndarray  # (N,) bool, too small or too hidden to be asked for (COCO: iscrowd)
    instance_map: np.ndarray | None = None  # (H, W) int32, instance of each pixel, 0: none

    def __post_init__(self) -> None:
        n = len(self.class_ids)
        check("class_ids", self.class_ids, (None,), np.uint8)
        check("instance_ids", self.instance_ids, (n,), np.int32)
        check("boxes", self.boxes, (n, 4), np.float32)
        check("amodal_boxes", self.amodal_boxes, (n, 4), np.float32)
        check("occlusion", self.occlusion, (n,), np.float32)
        check("is_ignored", self.is_ignored, (n,), np.bool_)
        if self.instance_map is not None:
            check("instance_map", self.instance_map, (None, None), np.int32)


@dataclass(frozen=True, slots=True, eq=False)
class BoxLabels3d:
    """Boxes in space at one moment, in a frame that the user knows (generated worlds: the ego frame)."""

    class_ids: np.ndarray  # (N,) uint8, `Class`
    instance_ids: np.ndarray  # (N,) int32
    centres: np.ndarray  # (N, 3) float64, m
    sizes: np.ndarray  # (N, 3) float64, m: length along x of the object, width, height
    yaws: np.ndarray  # (N,) float64, rad, about z
    velocities: np.ndarray  # (N, 3) float64, m/s over ground, in the axes of the frame; NaN: unknown
    num_points: np.ndarray  # (N,) int64, LiDAR returns inside; -1: unknown

    def __post_init__(self) -> None:
        n = len(self.class_ids)
        check("class_ids", self.class_ids, (None,), np.uint8)
        check("instance_ids", self.instance_ids, (n,), np.int32)
        check("centres", self.centres, (n, 3), np.float64)
        check("sizes", self.sizes, (n, 3), np.float64)
        check("yaws", self.yaws, (n,), np.float64)
        check("velocities", self.velocities, (n, 3), np.float64)
        check("num_points", self.num_points, (n,), np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class OccupancyLabels:
    """Semantic occupancy of one key frame in its ego frame, arrays (X, Y, Z) (`alocc.md` sections 2 and 14)."""

    semantics: np.ndarray  # (200, 200, 16) uint8, Occ3D number, 17: free
    mask_lidar: np.ndarray  # (200, 200, 16) bool, seen by the LiDAR
    mask_camera: np.ndarray  # (200, 200, 16) bool, seen by a camera
    flow: np.ndarray  # (200, 200, 16, 2) float32, m/s over ground along x and y of the ego frame; NaN: undefined

    def __post_init__(self) -> None:
        check("semantics", self.semantics, OCCUPANCY_SHAPE, np.uint8)
        check("mask_lidar", self.mask_lidar, OCCUPANCY_SHAPE, np.bool_)
        check("mask_camera", self.mask_camera, OCCUPANCY_SHAPE, np.bool_)
        check("flow", self.flow, (*OCCUPANCY_SHAPE, 2), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class LineLabels:
    """Straight line segments of one image."""

    segments: np.ndarray  # (N, 4) float32, px: x, y of one end, x, y of the other; pixel centres at integers

    def __post_init__(self) -> None:
        check("segments", self.segments, (None, 4), np.float32)
