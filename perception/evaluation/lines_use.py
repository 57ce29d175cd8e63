"""What line segments are good for, measured on generated recordings: roll errors, and end points in space.

Truth comes from the recording itself: the pose of each camera at its stamps for the attitude; the dense depth beside
each true segment for its place in space. `roll_errors(folder, ...)` and `end_point_errors(folder, ...)` are what the
benchmark calls; a folder is one that `perception synth OUT --cameras front --format lines,pixels` wrote.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.geometry import inverse
from perception.core.types import ImageFrame, LineSegments, Odometry, Scan
from perception.io.config import InputConfig
from perception.io.datasets.fields import load_json
from perception.io.recording import Recording, open_recording
from perception.io.trajectories import read_trajectory
from perception.lines.config import LinesConfig
from perception.lines.detector import open_line_detector
from perception.lines.motion import points_at
from perception.lines.segments import FoundLines
from perception.lines.segments3d import Segments3d, lift_segments
from perception.lines.use_config import Lines3dConfig
from perception.lines.vanishing import attitude_of, vanishing_points

Detect = Callable[[np.ndarray], FoundLines]  # segments in pixels (H, W, 3) uint8 RGB
MATCH_PX = 3.0  # ends of a found segment lie so near to the true one that it is of
MATCH_DEG = 3.0  # between their directions
SIDE = (0.3, 4.0)  # px beside a true segment where its surfaces are looked at
MIN_SHARE, MIN_PIXELS = 0.6, 10  # of the pixels on a side that must lie on one plane
ON_PLANE, JOINED = 0.02, 0.03  # m: pixels of one plane; planes that meet in the segment
SKY = "sky"
DEPTH_SCALE = 256.0  # of the stored depth, per m


@dataclass(slots=True)
class RollErrors:
    """Errors of the attitude of each image that tells one, deg."""

    roll: list[float] = field(default_factory=list)
    pitch: list[float] = field(default_factory=list)
    num_images: int = 0

    @property
    def num_none(self) -> int:
        """Images whose segments tell no attitude."""
        return self.num_images - len(self.roll)

    @property
    def median_roll(self) -> float:
        """Median of the absolute errors, deg; NaN without any."""
        return float(np.median(np.abs(self.roll))) if self.roll else float("nan")

    @property
    def median_pitch(self) -> float:
        """Median of the absolute errors, deg; NaN without any."""
        return float(np.median(np.abs(self.pitch))) if self.pitch else float("nan")

    def extend(self, other: "RollErrors") -> None:
        """Add those of another recording."""
        self.roll += other.roll
        self.pitch += other.pitch
        self.num_images += other.num_images


@dataclass(slots=True)
class EndPointErrors:
    """Distances (m) of found end points in space from their place on the true edge, and how far from the camera."""

    errors: list[float] = field(default_factory=list)
    depths: list[float] = field(default_factory=list)  # m, along the optical axis
    num_segments: int = 0  # found in the images
    num_lifted: int = 0  # of these, given a depth
    refused: Counter[str] = field(default_factory=Counter)
    num_images: int = 0

    def median(self, low: float = 8.0, high: float = 12.0) -> float:
        """Median error (m) of the ends between two depths (m), by default around 10 m; NaN without any."""
        depths, errors = np.array(self.depths), np.array(self.errors)
        chosen = errors[(depths >= low) & (depths < high)]
        return float(np.median(chosen)) if len(chosen) else float("nan")

    def count(self, low: float = 8.0, high: float = 12.0) -> int:
        """End points between two depths (m)."""
        depths = np.array(self.depths)
        return int(((depths >= low) & (depths < high)).sum())

    def extend(self, other: "EndPointErrors") -> None:
        """Add those of another recording."""
        self.errors += other.errors
        self.depths += other.depths
        self.refused += other.refused
        self.num_segments += other.num_segments
        self.num_lifted += other.num_lifted
        self.num_images += other.num_images


def roll_errors(
    folder: Path, config: LinesConfig | None = None, detect: Detect | None = None, num_images: int = 0
) -> RollErrors:
    """Errors of roll and pitch over the images of a generated recording, against the true poses of its cameras.

    `detect` replaces the detector of `config`; `num_images`: the first so many, 0 for all. Raises `InvalidInput` for a
    recording without poses or cameras, and what the detector raises.
    """
    drive, config, found = _Drive(folder), config or LinesConfig(), RollErrors()
    detect = detect or _opened(config, drive)
    for frame in drive.images(num_images):
        camera = _camera_of(frame)
        vanishing = vanishing_points(detect(frame.pixels).segments, camera, config.vanishing)
        found.num_images += 1
        if vanishing.attitude is not None:
            roll, pitch = attitude_of(drive.T_world_camera(frame))
            found.roll.append(float(np.degrees(vanishing.attitude.roll - roll)))
            found.pitch.append(float(np.degrees(vanishing.attitude.pitch - pitch)))
    return found


def end_point_errors(
    folder: Path,
    config: LinesConfig | None = None,
    config_3d: Lines3dConfig | None = None,
    detect: Detect | None = None,
    num_images: int = 0,
) -> EndPointErrors:
    """Errors of end points in space over a generated recording: scans and motion as on the robot, by its odometry.

    Compared are found segments that lie along a true one of the same image; where one of their ends belongs in space
    is read off the dense depth on both sides of the true segment. Raises as `roll_errors`, and `InvalidInput` for a
    recording without true lines and depth.
    """
    drive, config, config_3d = _Drive(folder), config or LinesConfig(), config_3d or Lines3dConfig()
    detect = detect or _opened(config, drive)
    result = EndPointErrors()
    for frame, scan, odometry in drive.moments(num_images):
        found = detect(frame.pixels)
        camera = _camera_of(frame)
        lines = LineSegments(
            frame.stamp_ns, frame.frame_id, (camera.width, camera.height), found.segments, found.scores
        )
        T_camera_base = inverse(drive.T_base_camera(frame.frame_id))
        points = points_at(scan, odometry, drive.recording.rig.T_base_lidar, frame.stamp_ns, T_camera_base)
        lifted = lift_segments(lines, camera, points, T_camera_base, config_3d)
        result.num_images += 1
        result.num_segments += len(lines)
        result.num_lifted += len(lifted)
        result.refused.update(lifted.refused)
        _compare(result, lines, lifted, drive.true_lines(frame), drive.depth(frame), camera)
    return result


class _Drive:
    """A generated recording with its truth."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.recording: Recording = open_recording(folder, InputConfig())
        if self.recording.reference is None or self.recording.rig.places is None:
            raise InvalidInput(
                f"{folder}: has no true poses, or no places of its cameras; make it with perception synth"
            )

    def images(self, num_images: int) -> Iterator[ImageFrame]:
        """The first images, or all."""
        for number, frame in enumerate(self.recording.events(("image_raw",))):
            if num_images and number >= num_images:
                return
            if isinstance(frame, ImageFrame):
                yield frame

    def moments(self, num_images: int) -> Iterator[tuple[ImageFrame, Scan, Odometry]]:
        """Images with the newest scan before each and what the odometry said about it."""
        from slam.config import OdometryConfig
        from slam.odometry import LidarInertialOdometry

        core, scan, odometry, number = LidarInertialOdometry(OdometryConfig(), self.recording.rig), None, None, 0
        for event in self.recording.events(("scan", "imu", "image_raw")):
            if isinstance(event, ImageFrame):
                if scan is not None and odometry is not None:
                    yield event, scan, odometry
                    number += 1
                if num_images and number >= num_images:
                    return
                continue
            if isinstance(event, Scan):
                scan, updates = event, core.add_scan(event)
            else:
                updates = core.add_imu(event)
            for update in updates:
                odometry = update.odometry

    def T_base_camera(self, frame_id: str) -> np.ndarray:
        """Place of a camera on the robot. Raises `MissingTransform`."""
        rig = self.recording.rig
        assert rig.places is not None
        return rig.places.lookup(rig.base_frame, frame_id)

    def T_world_camera(self, frame: ImageFrame) -> np.ndarray:
        """True pose of the camera at an image."""
        assert self.recording.reference is not None
        return self.recording.reference.at(frame.stamp_ns) @ self.T_base_camera(frame.frame_id)

    def true_lines(self, frame: ImageFrame) -> np.ndarray:
        """True segments (N, 4) float64, px, of an image."""
        entry = self._labels.get(f"{self._name(frame)}.jpg")
        if entry is None:
            raise InvalidInput(f"{self.folder}: lines.json has no image {self._name(frame)}")
        return np.array(entry["lines"], dtype=np.float64).reshape(-1, 4)

    def depth(self, frame: ImageFrame) -> np.ndarray:
        """True depth (H, W) m; 0 for the sky. Raises `InvalidInput`."""
        import cv2

        path = self.folder / "depth" / f"{self._name(frame)}.png"
        stored = cv2.imread(str(path), cv2.IMREAD_UNCHANGED) if path.is_file() else None
        if stored is None:
            raise InvalidInput(f"{path}: is not there; make the recording with --format lines,pixels")
        return np.asarray(stored, dtype=np.float64) / DEPTH_SCALE

    @cached_property
    def _labels(self) -> dict[str, Any]:
        path = self.folder / "lines" / "lines.json"
        if not path.is_file():
            raise InvalidInput(f"{path}: is not there; make the recording with --format lines,pixels")
        return {entry["filename"]: entry for entry in load_json(path)}

    @cached_property
    def _stamps(self) -> dict[str, np.ndarray]:
        return {path.stem: read_trajectory(path).stamps_ns for path in (self.folder / "poses").glob("*.tum")}

    def _name(self, frame: ImageFrame) -> str:
        camera = frame.frame_id.removesuffix("_optical")
        number = int(np.searchsorted(self._stamps[camera], frame.stamp_ns))
        return f"{camera}/{number:06d}"


def _opened(config: LinesConfig, drive: _Drive) -> Detect:
    """The detector, ready for the images of the drive."""
    first = next(drive.images(1), None)
    if first is None:
        raise InvalidInput(f"{drive.folder}: has no images")
    return open_line_detector(config, first.pixels.shape[:2]).detect


def _camera_of(frame: ImageFrame) -> CameraModel:
    if frame.camera is None:
        raise InvalidInput(f"camera {frame.frame_id!r} is not calibrated")
    return frame.camera


def _compare(
    result: EndPointErrors,
    lines: LineSegments,
    lifted: Segments3d,
    truth: np.ndarray,
    depth: np.ndarray,
    camera: CameraModel,
) -> None:
    """Add the errors of the ends of all lifted segments that lie along a true one whose depth is certain."""
    known: dict[int, np.ndarray | None] = {}
    for ends, row in zip(lifted.ends, lifted.rows):
        match = true_segment_of(lines.segments[row].astype(np.float64), truth)
        if match is None:
            continue
        number, spots = match
        if number not in known:
            known[number] = true_depths(truth[number], depth)
        depths = known[number]
        if depths is None:
            continue
        inverse_depths = (1.0 - spots) / depths[0] + spots / depths[1]
        pixels = truth[number][:2] + spots[:, None] * (truth[number][2:] - truth[number][:2])
        places = camera.rays(pixels) / inverse_depths[:, None]
        result.errors += np.linalg.norm(ends - places, axis=1).tolist()
        result.depths += places[:, 2].tolist()


def true_segment_of(segment: np.ndarray, truth: np.ndarray) -> tuple[int, np.ndarray] | None:
    """Row of the true segment (N, 4) that `segment` (4,) lies along, and where on it (2,) its ends are, 0 to 1.

    None where there is none within `MATCH_PX` and `MATCH_DEG`.
    """
    if not len(truth):
        return None
    along = truth[:, 2:] - truth[:, :2]
    lengths = np.maximum(np.hypot(*along.T), 1e-9)
    units = along / lengths[:, None]
    offsets = segment.reshape(2, 1, 2) - truth[None, :, :2]  # (2, N, 2)
    spots = (offsets * units).sum(axis=2)  # px along
    across = np.abs(offsets[..., 0] * units[:, 1] - offsets[..., 1] * units[:, 0]).max(axis=0)
    step = segment[2:] - segment[:2]
    cosines = np.abs(units @ step) / max(float(np.hypot(*step)), 1e-9)
    is_along = (across <= MATCH_PX) & (cosines >= np.cos(np.radians(MATCH_DEG)))
    is_along &= (spots.min(axis=0) >= -MATCH_PX) & (spots.max(axis=0) <= lengths + MATCH_PX)
    if not is_along.any():
        return None
    row = int(np.argmin(np.where(is_along, across, np.inf)))
    return row, np.clip(spots[:, row] / lengths[row], 0.0, 1.0)


def true_depths(segment: np.ndarray, depth: np.ndarray) -> np.ndarray | None:
    """Depths (2,) m of the ends of a true segment (4,) px from the dense depth (H, W) on both sides; None: uncertain.

    As in space: where the planes of both sides meet in it, that is its depth, else it is the edge of the nearer one.
    """
    sides = [_side_depths(segment, depth, sign) for sign in (1.0, -1.0)]
    certain = [side for side in sides if isinstance(side, np.ndarray)]
    if len(certain) == 2:
        is_joined = np.abs(certain[0] - certain[1]).max() <= JOINED + 0.005 * float(certain[0].mean())
        return 0.5 * (certain[0] + certain[1]) if is_joined else min(certain, key=lambda side: float(side.sum()))
    if len(certain) == 1 and any(isinstance(side, str) and side == SKY for side in sides):
        return certain[0]
    return None


def _side_depths(segment: np.ndarray, depth: np.ndarray, sign: float) -> np.ndarray | str:
    """Depths (2,) of the ends on the plane of one side; `SKY` where there is nothing, "mixed" where no plane is."""
    height, width = depth.shape
    step = segment[2:] - segment[:2]
    length = float(np.hypot(*step))
    unit, normal = step / length, sign * np.array([-step[1], step[0]]) / length
    along, across = np.meshgrid(np.arange(0.0, length + 0.5), np.arange(SIDE[0], SIDE[1] + 0.5), indexing="ij")
    spots = segment[:2] + along[..., None] * unit + across[..., None] * normal
    pixels = np.unique(np.rint(spots).astype(np.int64).reshape(-1, 2), axis=0)
    pixels = pixels[((pixels >= 0) & (pixels < [width, height])).all(axis=1)]
    offsets = pixels - segment[:2]
    t, s = offsets @ unit / length, offsets @ normal
    kept = (t >= 0.0) & (t <= 1.0) & (s >= SIDE[0]) & (s <= SIDE[1])
    z = depth[pixels[kept, 1], pixels[kept, 0]]
    if kept.sum() < MIN_PIXELS:
        return "mixed"
    if (z == 0.0).mean() > MIN_SHARE:
        return SKY
    is_solid = z > 0.0
    return _plane_depths(t[kept][is_solid], s[kept][is_solid], z[is_solid], int(kept.sum()))


def _plane_depths(t: np.ndarray, s: np.ndarray, z: np.ndarray, num: int) -> np.ndarray | str:
    """Depths (2,) at s = 0 of the plane that most of the pixels lie on, by least squares that drop the others."""
    table, q = np.column_stack([t, s, np.ones(len(t))]), 1.0 / z
    is_on = np.abs(z - np.median(z)) <= max(0.5, 0.1 * float(np.median(z)))
    for _ in range(5):
        if is_on.sum() < MIN_PIXELS:
            return "mixed"
        plane = np.linalg.lstsq(table[is_on], q[is_on], rcond=None)[0]
        errors = np.abs(table @ plane - q) * z * z
        is_on = errors <= max(ON_PLANE, 2.0 * float(np.median(errors[is_on])))
    ends = plane[2] + plane[0] * np.array([0.0, 1.0])
    if np.median(errors[is_on]) > ON_PLANE or is_on.sum() < MIN_SHARE * num or (ends <= 1e-4).any():
        return "mixed"
    return 1.0 / ends
