"""A recording as a file for the rerun viewer (`.rrd`)."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perception.core.colours import colour_of
from perception.core.errors import MissingDependency
from perception.view.moments import Moment

if TYPE_CHECKING:
    import rerun as rr

TIMELINE = "time"


def write_rerun(path: Path, title: str, moments: Iterable[Moment]) -> int:
    """Write moments and return how many there were. Raises `MissingDependency` without the extra `viz`."""
    try:
        import rerun as rr
    except ImportError:
        raise MissingDependency("--rerun needs rerun-sdk: pip install 'perception[viz]'") from None
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = rr.RecordingStream(title)
    stream.save(str(path))
    stream.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
    count = 0
    for moment in moments:
        stream.set_time(TIMELINE, timestamp=moment.time_ns * 1e-9)
        _log(stream, moment)
        count += 1
    stream.flush()
    stream.disconnect()
    return count


def _log(stream: "rr.RecordingStream", moment: Moment) -> None:
    import rerun as rr

    if moment.T_odom_base is not None:
        T = moment.T_odom_base
        stream.log("world/robot", rr.Transform3D(translation=T[:3, 3], mat3x3=T[:3, :3]))
    stream.log("world/robot/points", rr.Points3D(moment.points))
    if moment.boxes:
        poses = np.array([box.pose for box in moment.boxes])
        half_yaw = 0.5 * poses[:, 6]
        zero = np.zeros_like(half_yaw)
        boxes = rr.Boxes3D(
            centers=poses[:, :3],
            sizes=poses[:, 3:6],
            quaternions=np.column_stack([zero, zero, np.sin(half_yaw), np.cos(half_yaw)]),
            labels=[f"{box.label} {box.identity}" for box in moment.boxes],
            colors=[colour_of(box.label) for box in moment.boxes],
        )
        stream.log("world/robot/boxes", boxes)
    for camera, data in moment.images.items():
        if not data:
            continue
        stream.log(f"cameras/{camera}", rr.EncodedImage(contents=data, media_type=media_type(data)))
        boxes_2d = moment.image_boxes.get(camera, [])
        extents = np.array([box.extent for box in boxes_2d], dtype=np.float64).reshape(-1, 4)
        drawn = rr.Boxes2D(
            centers=extents[:, :2],
            half_sizes=extents[:, 2:],
            labels=[box.label for box in boxes_2d],
            colors=[colour_of(box.label) for box in boxes_2d],
        )
        stream.log(f"cameras/{camera}/boxes", drawn)


def media_type(image: bytes) -> str:
    """Of a JPEG or PNG, by its first bytes."""
    return "image/jpeg" if image.startswith(b"\xff\xd8") else "image/png"
