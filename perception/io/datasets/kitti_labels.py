"""The text files of KITTI's object and tracking benchmarks: labels and calibration, read and written.

A line of `label_2`: type, truncated (0 to 1), occluded (0 to 3), alpha, 2D box (left top right bottom, px), height
width length (m), x y z of the middle of the bottom (m) and rotation_y (rad) in the rectified camera frame; tracking
puts frame and track before it. Source: A. Geiger, P. Lenz, R. Urtasun, "Are we ready for Autonomous Driving?", CVPR
2012, and the development kits.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.core.geometry import apply, transform
from perception.core.labels import BoxLabels3d, ObjectLabels
from perception.io.datasets.boxes3d import UNKNOWN, Box3d
from perception.io.datasets.names import class_of

NUM_COLUMNS, NUM_TRACKING, NUM_SCORED = 15, 17, 16
DONT_CARE = "DontCare"
NAMES = {Class.CAR: "Car", Class.TRUCK: "Truck", Class.PEDESTRIAN: "Pedestrian", Class.BICYCLE: "Cyclist"}
OTHER = "Misc"
CATEGORIES = dict(
    enumerate(("Car", "Van", "Truck", "Pedestrian", "Person_sitting", "Cyclist", "Tram", OTHER, DONT_CARE), start=1)
)
PARTLY, LARGELY = 0.1, 0.5  # occlusion above which a box is written as partly (1) or largely (2) occluded
UNKNOWN_OCCLUSION = 3  # as the file has it
NO_PLACE = -1000.0  # coordinates of what has no box in space
ROTATION_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True, eq=False)
class KittiObject:
    """One line of a label file, in the rectified camera frame."""

    name: str
    truncated: float  # 0 to 1; -1: unknown
    occluded: int  # 0 visible, 1 partly, 2 largely, 3 unknown; -1: unknown
    alpha: float  # rad, rotation_y seen from the camera
    box: np.ndarray  # (4,) float64, px: left top right bottom
    size: np.ndarray  # (3,) float64, m: height width length
    bottom: np.ndarray  # (3,) float64, m
    rotation_y: float  # rad
    frame: int = 0
    track: int = -1  # -1: none

    @property
    def is_care(self) -> bool:
        """False for regions without labels."""
        return self.name != DONT_CARE


@dataclass(frozen=True, slots=True, eq=False)
class KittiCalibration:
    """Calibration of one frame or sequence."""

    projections: dict[int, np.ndarray]  # camera -> (3, 4), from the rectified frame of camera 0 to px
    T_rect_lidar: np.ndarray  # (4, 4), from the Velodyne to the rectified frame of camera 0

    def camera(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """K (3, 3) and `T_camera_lidar` (4, 4) of a rectified camera. Raises `InvalidInput` where it is not there."""
        if number not in self.projections:
            raise InvalidInput(f"calibration: has no camera {number}, only {sorted(self.projections)}")
        K, T_camera_rect = split_projection(self.projections[number], f"calibration: P{number}")
        return K, T_camera_rect @ self.T_rect_lidar


def split_projection(P: np.ndarray, where: str) -> tuple[np.ndarray, np.ndarray]:
    """K (3, 3) and the shift `T_camera_rect` (4, 4) of a projection (3, 4). Raises `InvalidInput` naming `where`."""
    K = P[:, :3].copy()
    if K[0, 0] <= 0.0 or K[1, 1] <= 0.0 or K[1, 0] != 0.0 or not np.array_equal(K[2], [0.0, 0.0, 1.0]):
        raise InvalidInput(f"{where}: its first three columns are no camera matrix, got {K.tolist()}")
    return K, transform(np.eye(3), np.linalg.solve(K, P[:, 3]))


def camera_box(
    kind: Class, instance_id: int, bottom: np.ndarray, size: np.ndarray, rotation_y: float, num_points: int = UNKNOWN
) -> Box3d:
    """A box in the rectified camera frame (y down): middle of its bottom, size as length, width, height."""
    forward = np.array([np.cos(rotation_y), 0.0, -np.sin(rotation_y)])
    centre = bottom - np.array([0.0, 0.5 * size[2], 0.0])
    return Box3d(kind, instance_id, centre, size, forward, np.full(3, np.nan), num_points)


def box_of(item: KittiObject, instance_id: int) -> Box3d:
    """The box of one line."""
    height, width, length = item.size
    return camera_box(class_of(item.name), instance_id, item.bottom, np.array([length, width, height]), item.rotation_y)


def read_labels(path: Path) -> list[KittiObject]:
    """The lines of a label file of either benchmark; a column with scores at the end is left out."""
    rows = [(number, line.split()) for number, line in enumerate(_text(path).splitlines(), start=1) if line.strip()]
    return [_object(f"{path}:{number}", words) for number, words in rows]


def write_labels(
    path: Path, objects: ObjectLabels, boxes: BoxLabels3d, T_camera_ego: np.ndarray, size: tuple[int, int]
) -> None:
    """Write one `label_2` file: the boxes in space of what an image of `size` (width, height) shows.

    Objects and boxes belong together by their instance; ignored objects and those without a box become DontCare.
    `T_camera_ego` moves the boxes to the (rectified) camera frame, whose y is taken for down.
    """
    rows = {int(number): row for row, number in enumerate(boxes.instance_ids)}
    lines = [
        _line(objects, k, boxes, rows.get(int(objects.instance_ids[k])), T_camera_ego, size)
        for k in range(len(objects.instance_ids))
    ]
    write_atomic(Path(path), "".join(line + "\n" for line in lines), is_durable=False)


def read_calibration(path: Path, *more: Path) -> KittiCalibration:
    """The calibration in a file of the object, tracking or odometry benchmark, or of a packed drive.

    The raw data keep it in two files, calib_cam_to_cam.txt and calib_velo_to_cam.txt. Raises `InvalidInput`.
    """
    found = {key: value for file in (path, *more) for key, value in _values(file).items()}
    R_rect = found.get("R0_rect", found.get("R_rect", found.get("R_rect_00")))
    T_cam_lidar = _lidar_transform(path, found)
    T_rect = np.eye(4) if R_rect is None else transform(_matrix(path, "R0_rect", R_rect, (3, 3)), np.zeros(3))
    names = {f"P{k}": k for k in range(4)} | {f"P_rect_0{k}": k for k in range(4)}
    projections = {names[key]: _matrix(path, key, value, (3, 4)) for key, value in found.items() if key in names}
    if not projections:
        raise InvalidInput(f"{path}: holds no projection P0 to P3; expected the calibration of KITTI")
    return KittiCalibration(projections, T_rect @ T_cam_lidar)


def write_calibration(path: Path, K: np.ndarray, T_camera_lidar: np.ndarray) -> None:
    """Write a calibration of one camera (3, 3), stored as P2 and as the other three, with the LiDAR's place."""
    P = " ".join(f"{value:.12e}" for value in np.hstack([K, np.zeros((3, 1))]).ravel())
    Tr = " ".join(f"{value:.12e}" for value in T_camera_lidar[:3].ravel())
    identity = {3: np.eye(3), 4: np.eye(4)[:3]}
    rows = [f"P{number}: {P}" for number in range(4)]
    rows += ["R0_rect: " + " ".join(f"{value:.12e}" for value in identity[3].ravel()), f"Tr_velo_to_cam: {Tr}"]
    rows += ["Tr_imu_to_velo: " + " ".join(f"{value:.12e}" for value in identity[4].ravel())]
    write_atomic(Path(path), "\n".join(rows) + "\n", is_durable=False)


def _object(where: str, words: list[str]) -> KittiObject:
    frame, track = 0, -1
    if len(words) >= NUM_TRACKING:
        frame, track = (int(value) for value in _floats(where, words[:2]))
        words = words[2:]
    if len(words) not in (NUM_COLUMNS, NUM_SCORED):
        raise InvalidInput(f"{where}: expected {NUM_COLUMNS} columns (or {NUM_TRACKING}, tracking), got {len(words)}")
    values = _floats(where, words[1:NUM_COLUMNS])
    name, box = words[0], values[3:7]
    if box[2] < box[0] or box[3] < box[1]:
        raise InvalidInput(f"{where}: left top right bottom: expected a box, got {box.tolist()}")
    size, bottom = values[7:10], values[10:13]
    return KittiObject(name, values[0], int(values[1]), values[2], box, size, bottom, float(values[13]), frame, track)


def _line(
    objects: ObjectLabels, k: int, boxes: BoxLabels3d, row: int | None, T_camera_ego: np.ndarray, size: tuple[int, int]
) -> str:
    box = " ".join(f"{value:.2f}" for value in objects.boxes[k])
    if row is None or objects.is_ignored[k]:
        place = " ".join(f"{value:g}" for value in [-1.0] * 3 + [NO_PLACE] * 3 + [-10.0])
        return f"{DONT_CARE} -1 -1 -10 {box} {place}"
    length, width, height = boxes.sizes[row]
    bottom = apply(T_camera_ego, boxes.centres[row : row + 1] - [0.0, 0.0, 0.5 * height])[0]
    ahead = T_camera_ego[:3, :3] @ [np.cos(boxes.yaws[row]), np.sin(boxes.yaws[row]), 0.0]
    rotation_y = np.arctan2(-ahead[2], ahead[0])
    alpha = np.angle(np.exp(1j * (rotation_y - np.arctan2(bottom[0], bottom[2]))))
    name = NAMES.get(Class(objects.class_ids[k]), OTHER)
    head = f"{name} {_truncation(objects.amodal_boxes[k], size):.2f} {_occluded(float(objects.occlusion[k]))}"
    place = " ".join(f"{value:.4f}" for value in (height, width, length, *bottom, rotation_y))
    return f"{head} {alpha:.4f} {box} {place}"


def _truncation(amodal: np.ndarray, size: tuple[int, int]) -> float:
    """1 where the box ends at the border of the image, 0 else: how far an object goes on outside is not known."""
    x_low, y_low, x_high, y_high = amodal
    return float(x_low <= 0.0 or y_low <= 0.0 or x_high >= size[0] or y_high >= size[1])


def _occluded(share: float) -> int:
    if np.isnan(share):
        return UNKNOWN_OCCLUSION
    return int(share > PARTLY) + int(share > LARGELY)


def _lidar_transform(path: Path, found: dict[str, np.ndarray]) -> np.ndarray:
    for name in ("Tr_velo_to_cam", "Tr_velo_cam", "Tr"):
        if name in found:
            matrix = _matrix(path, name, found[name], (3, 4))
            return transform(_rotation(path, name, matrix[:, :3]), matrix[:, 3])
    for name in ("velo_to_cam_", ""):
        if f"{name}R" in found and f"{name}T" in found:
            R = _rotation(path, f"{name}R", _matrix(path, f"{name}R", found[f"{name}R"], (3, 3)))
            return transform(R, _matrix(path, f"{name}T", found[f"{name}T"], (3,)))
    raise InvalidInput(f"{path}: Tr_velo_to_cam is missing; expected the calibration of KITTI")


def _rotation(path: Path, name: str, R: np.ndarray) -> np.ndarray:
    if np.abs(R @ R.T - np.eye(3)).max() > ROTATION_TOLERANCE or np.linalg.det(R) < 0.0:
        raise InvalidInput(f"{path}: {name}: its first three columns are no rotation")
    return R


def _matrix(path: Path, name: str, values: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    if values.size != np.prod(shape):
        raise InvalidInput(f"{path}: {name}: expected {int(np.prod(shape))} numbers, got {values.size}")
    return values.reshape(shape)


def _values(path: Path) -> dict[str, np.ndarray]:
    """The numbers behind each `name:` (or `name` and a space, as the tracking benchmark has it); others are skipped."""
    found = {}
    for line in _text(path).splitlines():
        words = line.replace(":", " ", 1).split()
        if len(words) < 2 or line.lstrip().startswith("#"):
            continue
        try:
            values = np.array([float(word) for word in words[1:]])
        except ValueError:
            continue  # calib_time and its like
        if np.isfinite(values).all():
            found[words[0]] = values
    return found


def _floats(where: str, words: list[str]) -> np.ndarray:
    try:
        values = np.array([float(word) for word in words])
    except ValueError as error:
        raise InvalidInput(f"{where}: {error}") from None
    if not np.isfinite(values).all():
        raise InvalidInput(f"{where}: holds a number that is not finite")
    return values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read as text ({error})") from None
