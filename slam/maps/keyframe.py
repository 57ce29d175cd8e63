"""A keyframe: what is kept of one scan, and its file."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput, MapError
from perception.core.types import check
from slam.graph.factors import check_id, check_pose
from slam.maps.arrays import Arrays, read_arrays, write_arrays
from slam.maps.config import KeyframeConfig

LIMIT = np.iinfo(np.int16).max
CLOUD = "cloud"
KINDS = ("u1", "f2", "f4", "i4")  # of descriptors and what belongs to them


@dataclass(frozen=True, slots=True, eq=False)
class Keyframe:
    """One scan that stays: its cloud and what the place index knows of it."""

    keyframe_id: int
    stamp_ns: int  # end of the scan
    T_odom_base: np.ndarray  # (4, 4) float64, at the stamp
    points: np.ndarray  # (N, 3) float32, m, motion compensated, LiDAR frame at the stamp
    T_base_lidar: np.ndarray = field(default_factory=lambda: np.eye(4))  # (4, 4) float64
    descriptors: Arrays = field(default_factory=dict)  # by name, e.g. global (D,), local (K, 128), keypoints (K, 2)

    def __post_init__(self) -> None:
        check_id("keyframe_id", self.keyframe_id)
        check_pose("T_odom_base", self.T_odom_base)
        check_pose("T_base_lidar", self.T_base_lidar)
        check("points", self.points, (None, 3), np.float32)
        if not np.isfinite(self.points).all():
            raise InvalidInput("points: hold numbers that are not finite; drop those points")
        for name, array in self.descriptors.items():
            if name == CLOUD or array.dtype.str[1:] not in KINDS:
                raise InvalidInput(f"descriptors: {name} of {array.dtype} is not kept; use float32, float16 or uint8")


def write_keyframe(path: Path, keyframe: Keyframe, config: KeyframeConfig) -> int:
    """Write cloud and descriptors; returns the crc32 of the file. Raises `MapError`."""
    arrays: Arrays = dict(keyframe.descriptors)
    cloud, step = quantised(keyframe.points, config.cloud_resolution)
    arrays[CLOUD] = cloud
    meta = {"keyframe_id": keyframe.keyframe_id, "stamp_ns": keyframe.stamp_ns, "cloud_step": step}
    return write_arrays(path, arrays, meta, config.compression, config.is_durable)


def read_keyframe(path: Path, crc32: int, keyframe_id: int, places: "tuple[int, np.ndarray, np.ndarray]") -> Keyframe:
    """Read a keyframe; `places` are stamp, T_odom_base and T_base_lidar from the journal. Raises `MapError`."""
    arrays, meta = read_arrays(path, crc32)
    if meta.get("keyframe_id") != keyframe_id:
        raise MapError(
            f"{path}: keyframe_id is {meta.get('keyframe_id')!r}, the journal says {keyframe_id}; files moved"
        )
    step = meta.get("cloud_step")
    if CLOUD not in arrays or not isinstance(step, int | float) or not 0.0 <= step <= 10.0:
        raise MapError(f"{path}: has no {CLOUD} or no valid cloud_step ({step!r}); it is no keyframe")
    cloud = arrays.pop(CLOUD)
    try:
        return Keyframe(keyframe_id, places[0], places[1], unquantised(cloud, step), places[2], arrays)
    except InvalidInput as error:
        raise MapError(f"{path}: {error}") from None


def quantised(points: np.ndarray, resolution: float) -> tuple[np.ndarray, float]:
    """Points (N, 3) as int16 steps and the step (m), as coarse as the farthest needs; float32 and 0 where asked."""
    if resolution == 0.0:
        return points, 0.0
    reach = float(np.abs(points).max(initial=0.0))
    step = max(resolution, reach / LIMIT)
    return np.rint(points / np.float32(step)).clip(-LIMIT, LIMIT).astype(np.int16), step


def unquantised(cloud: np.ndarray, step: float) -> np.ndarray:
    """Points (N, 3) float32, m."""
    if cloud.ndim != 2 or cloud.shape[1] != 3 or cloud.dtype != (np.float32 if step == 0.0 else np.int16):
        raise InvalidInput(f"cloud: has {cloud.shape} {cloud.dtype}, expected (N, 3) int16, or float32 with step 0")
    return cloud.astype(np.float32) * np.float32(step) if step else cloud
