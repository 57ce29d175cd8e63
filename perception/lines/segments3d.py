"""Line segments in space: those of an image, with the depth that points of a LiDAR beside them tell.

A segment borders one or two surfaces. Each is a plane fitted robustly to the points on one side; where the planes of
both sides meet in the segment, it is a crease and both tell its depth, else it is the edge of the nearer surface, which
hides the other. Segments without enough points, or whose depth stays uncertain, are refused with a reason, never
guessed.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.geometry import apply
from perception.core.types import LineSegments, check
from perception.lines import depth_kernels as kernels
from perception.lines.use_config import Lines3dConfig

REASONS = {
    kernels.NO_SURFACE: "no surface beside",
    kernels.HIDDEN: "nearer points on the other side",
    kernels.UNSURE: "depth uncertain",
    kernels.TOO_FAR: "too far",
}
MIN_DEPTH = 0.1  # m; nearer points are on the camera itself
MIN_LENGTH = 1.0  # px; shorter segments have no direction


@dataclass(frozen=True, slots=True, eq=False)
class Segments3d:
    """Straight line segments in space, in the order of the image's segments that they belong to."""

    stamp_ns: int  # of the image
    frame_id: str  # optical frame of the camera
    ends: np.ndarray  # (N, 2, 3) float64, m, in that frame
    stds: np.ndarray  # (N, 2) float64, m, 1 sigma of the depth of each end
    scores: np.ndarray  # (N,) float32, of the image's segments
    rows: np.ndarray  # (N,) int64, of the image's segments
    num_points: np.ndarray  # (N,) int64, of the LiDAR behind each segment
    refused: dict[str, int]  # how many segments have no depth, by reason

    def __post_init__(self) -> None:
        n = len(self.ends)
        check("ends", self.ends, (None, 2, 3), np.float64)
        check("stds", self.stds, (n, 2), np.float64)
        check("scores", self.scores, (n,), np.float32)
        check("rows", self.rows, (n,), np.int64)
        check("num_points", self.num_points, (n,), np.int64)

    def __len__(self) -> int:
        return len(self.ends)


def lift_segments(
    lines: LineSegments,
    camera: CameraModel,
    points: np.ndarray,
    T_camera_lidar: np.ndarray,
    config: Lines3dConfig | None = None,
) -> Segments3d:
    """Segments of an undistorted image in space, from `points` (M, 3) m of a LiDAR at the time of the image.

    `T_camera_lidar` (4, 4) maps them into the optical frame. Raises `InvalidInput` for a camera of another size than
    the image or with a lens distortion, and for a transform that is none.
    """
    config = config or Lines3dConfig()
    _check(lines, camera, T_camera_lidar)
    segments = lines.segments.astype(np.float64)
    pixels, inverse_depths = seen(points, camera, T_camera_lidar, config)
    n = len(segments)
    depths, stds = np.zeros((n, 2)), np.zeros((n, 2))
    counts, outcomes = np.zeros(n, dtype=np.int64), np.full(n, kernels.NO_SURFACE, dtype=np.int64)
    is_line = np.hypot(*(segments[:, 2:] - segments[:, :2]).T) >= MIN_LENGTH
    asked = np.flatnonzero(is_line & np.isfinite(segments).all(axis=1))
    found = (depths[asked], stds[asked], counts[asked], outcomes[asked])
    samples = np.random.default_rng(config.seed).random((config.num_samples, 3))
    limits = (config.tolerance, config.relative_tolerance, float(config.min_points), config.min_coverage)
    kernels.lift(segments[asked], pixels, inverse_depths, samples, config.band, limits, *found)
    depths[asked], stds[asked], counts[asked], outcomes[asked] = found
    lifted = outcomes == kernels.LIFTED
    outcomes[lifted & (stds.max(axis=1) > config.max_std)] = kernels.UNSURE
    outcomes[lifted & (depths.max(axis=1) > config.max_range)] = kernels.TOO_FAR
    rows = np.flatnonzero(outcomes == kernels.LIFTED)
    rays = camera.rays(segments[rows].reshape(-1, 2, 2))
    reasons = Counter(REASONS[int(outcome)] for outcome in outcomes[outcomes != kernels.LIFTED])
    return Segments3d(
        stamp_ns=lines.stamp_ns,
        frame_id=lines.frame_id,
        ends=rays * depths[rows][..., None],
        stds=stds[rows],
        scores=lines.scores[rows],
        rows=rows,
        num_points=counts[rows],
        refused=dict(reasons),
    )


def seen(
    points: np.ndarray, camera: CameraModel, T_camera_lidar: np.ndarray, config: Lines3dConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (M, 2) and inverse depths (M,) of the points that lie in the image or within the band around it."""
    inside = apply(T_camera_lidar, np.asarray(points, dtype=np.float64).reshape(-1, 3))
    z = inside[:, 2]
    inside = inside[(z > MIN_DEPTH) & (z < config.max_range * 2.0)]  # NaN is neither
    pixels = camera.project(inside)
    low, high = -config.band, np.array([camera.width, camera.height]) + config.band
    is_near = ((pixels >= low) & (pixels <= high)).all(axis=1)
    return pixels[is_near], 1.0 / inside[is_near, 2]


def warm_up() -> None:
    """Compile the kernels with the types used at run time."""
    camera = CameraModel(40, 40, np.array([[40.0, 0.0, 20.0], [0.0, 40.0, 20.0], [0.0, 0.0, 1.0]]))
    lines = LineSegments(
        1, "camera", (40, 40), np.array([[10.0, 5.0, 10.0, 35.0]], dtype=np.float32), np.ones(1, dtype=np.float32)
    )
    grid = np.stack(np.meshgrid(np.linspace(-1.0, 1.0, 20), np.linspace(-1.0, 1.0, 20)), axis=-1).reshape(-1, 2)
    lift_segments(lines, camera, np.column_stack([grid, np.full(len(grid), 2.0)]), np.eye(4))


def _check(lines: LineSegments, camera: CameraModel, T_camera_lidar: np.ndarray) -> None:
    if lines.size_px != (camera.width, camera.height):
        raise InvalidInput(
            f"camera: {camera.width}x{camera.height}, but the image is {lines.size_px[0]}x{lines.size_px[1]}; "
            f"give the calibration of this resolution"
        )
    if camera.distortion != "none":
        raise InvalidInput(
            f"camera: its lens is {camera.distortion}, straight edges are bent in its images; rectify them first"
        )
    if not np.isfinite(camera.K).all():
        raise InvalidInput("camera: K is not finite; calibrate the camera")
    check("T_camera_lidar", T_camera_lidar, (4, 4), np.float64)
    if not np.isfinite(T_camera_lidar).all():
        raise InvalidInput("T_camera_lidar: is not finite; calibrate where the LiDAR sits")
