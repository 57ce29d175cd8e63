"""Our records as standard ROS 2 messages, serialised without ROS: what generated recordings and viewers' files hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from perception.core.cameras import NUM_COEFFICIENTS, CameraModel
from perception.core.classes import Class
from perception.core.colours import CLASS_COLOURS, colour_of
from perception.core.geometry import quaternion_from_matrix
from perception.core.labels import OCCUPANCY_LOW, VOXEL, BoxLabels3d, LineLabels, ObjectLabels, OccupancyLabels
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch, Scan
from perception.io.interfaces import typestore

# 24 bytes a point: floats stay aligned, so that a reader gets them as views.
POINT = np.dtype(
    {
        "names": ["x", "y", "z", "intensity", "t", "ring"],
        "formats": ["<f4", "<f4", "<f4", "<f4", "<u4", "<u2"],
        "offsets": [0, 4, 8, 12, 16, 20],
        "itemsize": 24,
    }
)
ODOM_FRAME = "odom"
JPEG = "rgb8; jpeg compressed bgr8"
LINE_LIST, ADD = 2, 0  # visualization_msgs/ImageMarker
CUBE, CUBE_LIST = 1, 6  # visualization_msgs/Marker
CUBE_ALPHA = 0.45
_LINE_COLOUR = (0.1, 1.0, 0.9, 1.0)
_UINT16, _UINT32, _FLOAT32 = 4, 6, 7  # sensor_msgs/PointField
_DATATYPES = {"<u2": _UINT16, "<u4": _UINT32, "<f4": _FLOAT32}
_NO_ORIENTATION = np.array([-1.0, 0, 0, 0, 0, 0, 0, 0, 0])  # sensor_msgs/Imu: element 0 is -1 where there is none


@dataclass(frozen=True, slots=True)
class Cube:
    """A box in space to be drawn."""

    label: str  # decides its colour
    number: int
    pose: Any  # geometry_msgs/Pose
    size: Any  # geometry_msgs/Vector3, m


class Messages:
    """Serialises messages of ROS 2 Jazzy as CDR."""

    @cached_property
    def typestore(self) -> Any:
        """The message definitions."""
        return typestore()

    def cloud(self, scan: Scan, intensities: np.ndarray, rings: np.ndarray) -> bytes:
        """`sensor_msgs/PointCloud2`: stamp at the start of the sweep, `t` in ns after it; arrays (N,) per point."""
        points = np.zeros(len(scan.points), dtype=POINT)
        points["x"], points["y"], points["z"] = scan.points.T
        points["intensity"], points["t"], points["ring"] = intensities, scan.offsets_ns, rings
        return self._cloud(self._header(scan.stamp_ns, scan.frame_id), points, is_dense=True)

    def imu(self, batch: ImuBatch, row: int, frame_id: str, variances: tuple[float, float]) -> bytes:
        """`sensor_msgs/Imu` of one sample, without an orientation; variances of rate and force, per axis."""
        vector, quaternion = self._type("geometry_msgs/msg/Vector3"), self._type("geometry_msgs/msg/Quaternion")
        return self._serialised(
            "sensor_msgs/msg/Imu",
            header=self._header(int(batch.stamps_ns[row]), frame_id),
            orientation=quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
            orientation_covariance=_NO_ORIENTATION,
            angular_velocity=vector(*batch.gyro[row]),
            angular_velocity_covariance=np.diag(np.full(3, variances[0])).ravel(),
            linear_acceleration=vector(*batch.accel[row]),
            linear_acceleration_covariance=np.diag(np.full(3, variances[1])).ravel(),
        )

    def transforms(self, stamp_ns: int, parent: str, children: Mapping[str, np.ndarray]) -> bytes:
        """`tf2_msgs/TFMessage` with `T_parent_child` (4, 4) of each child frame."""
        kind, header = self._type("geometry_msgs/msg/TransformStamped"), self._header(stamp_ns, parent)
        transforms = [
            kind(header=header, child_frame_id=child, transform=self._transform(T)) for child, T in children.items()
        ]
        return self._serialised("tf2_msgs/msg/TFMessage", transforms=transforms)

    def image(self, stamp_ns: int, frame_id: str, data: bytes, kind: str = JPEG) -> bytes:
        """`sensor_msgs/CompressedImage`; `kind` names pixels and compression as image_transport does."""
        return self._serialised(
            "sensor_msgs/msg/CompressedImage",
            header=self._header(stamp_ns, frame_id),
            format=kind,
            data=np.frombuffer(data, dtype=np.uint8),
        )

    def camera_info(self, stamp_ns: int, frame_id: str, model: CameraModel) -> bytes:
        """`sensor_msgs/CameraInfo`; an ideal lens is plumb_bob with zeros."""
        ideal = model.distortion == "none"
        roi = self._type("sensor_msgs/msg/RegionOfInterest")
        return self._serialised(
            "sensor_msgs/msg/CameraInfo",
            header=self._header(stamp_ns, frame_id),
            height=model.height,
            width=model.width,
            distortion_model="plumb_bob" if ideal else model.distortion,
            d=np.zeros(NUM_COEFFICIENTS["plumb_bob"]) if ideal else model.D,
            k=model.K.ravel(),
            r=np.eye(3).ravel(),
            p=np.column_stack([model.K, np.zeros(3)]).ravel(),
            binning_x=0,
            binning_y=0,
            roi=roi(x_offset=0, y_offset=0, height=0, width=0, do_rectify=False),
        )

    def detections(self, stamp_ns: int, frame_id: str, labels: ObjectLabels) -> bytes:
        """`vision_msgs/Detection2DArray` of the true visible boxes; ignored ones have the score 0."""
        box, pose, point = (self._type(f"vision_msgs/msg/{name}") for name in ("BoundingBox2D", "Pose2D", "Point2D"))
        detection, header = self._type("vision_msgs/msg/Detection2D"), self._header(stamp_ns, frame_id)
        out = []
        for row, (low_x, low_y, high_x, high_y) in enumerate(labels.boxes.astype(float)):
            centre = pose(position=point(x=0.5 * (low_x + high_x), y=0.5 * (low_y + high_y)), theta=0.0)
            out.append(
                detection(
                    header=header,
                    results=[self._hypothesis(int(labels.class_ids[row]), float(not labels.is_ignored[row]))],
                    bbox=box(center=centre, size_x=high_x - low_x, size_y=high_y - low_y),
                    id=str(labels.instance_ids[row]),
                )
            )
        return self._serialised("vision_msgs/msg/Detection2DArray", header=header, detections=out)

    def boxes(self, stamp_ns: int, frame_id: str, labels: BoxLabels3d) -> bytes:
        """`vision_msgs/Detection3DArray` of the true boxes in space."""
        box, detection = self._type("vision_msgs/msg/BoundingBox3D"), self._type("vision_msgs/msg/Detection3D")
        header, out = self._header(stamp_ns, frame_id), []
        for row in range(len(labels.class_ids)):
            half = 0.5 * float(labels.yaws[row])
            pose = self._pose(labels.centres[row], np.array([0.0, 0.0, np.sin(half), np.cos(half)]))
            size = self._type("geometry_msgs/msg/Vector3")(*labels.sizes[row])
            results = [self._hypothesis(int(labels.class_ids[row]), 1.0)]
            identity = str(labels.instance_ids[row])
            out.append(detection(header=header, results=results, bbox=box(center=pose, size=size), id=identity))
        return self._serialised("vision_msgs/msg/Detection3DArray", header=header, detections=out)

    def lines(self, stamp_ns: int, frame_id: str, labels: LineLabels) -> bytes:
        """`visualization_msgs/ImageMarker` of line segments: a list of pairs of points in px."""
        point, colour = self._type("geometry_msgs/msg/Point"), self._type("std_msgs/msg/ColorRGBA")
        ends = labels.segments.reshape(-1, 2).astype(float)
        return self._serialised(
            "visualization_msgs/msg/ImageMarker",
            header=self._header(stamp_ns, frame_id),
            ns="lines",
            id=0,
            type=LINE_LIST,
            action=ADD,
            position=point(x=0.0, y=0.0, z=0.0),
            scale=1.5,
            outline_color=colour(*_LINE_COLOUR),
            filled=0,
            fill_color=colour(0.0, 0.0, 0.0, 0.0),
            lifetime=self._type("builtin_interfaces/msg/Duration")(sec=0, nanosec=0),
            points=[point(x=x, y=y, z=0.0) for x, y in ends],
            outline_colors=[],
        )

    def voxels(self, stamp_ns: int, frame_id: str, labels: OccupancyLabels) -> bytes:
        """`visualization_msgs/Marker` of the occupied voxels: a list of cubes in the colours of their classes."""
        where = np.argwhere(labels.semantics != Class.FREE)
        centres = OCCUPANCY_LOW + VOXEL * (where + 0.5)
        point, colour = self._type("geometry_msgs/msg/Point"), self._type("std_msgs/msg/ColorRGBA")
        shades = {int(kind): colour(*(value / 255.0 for value in rgb), 1.0) for kind, rgb in CLASS_COLOURS.items()}
        vector = self._type("geometry_msgs/msg/Vector3")
        return self._serialised(
            "visualization_msgs/msg/Marker",
            **self._plain_marker(),
            header=self._header(stamp_ns, frame_id),
            ns="occupancy",
            id=0,
            type=CUBE_LIST,
            action=ADD,
            pose=self._pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0])),
            scale=vector(VOXEL, VOXEL, VOXEL),
            color=colour(1.0, 1.0, 1.0, 1.0),
            lifetime=self._type("builtin_interfaces/msg/Duration")(sec=0, nanosec=0),
            points=[point(x, y, z) for x, y, z in centres.tolist()],
            colors=[shades[kind] for kind in labels.semantics[tuple(where.T)].tolist()],
            text="",
        )

    def cubes(self, stamp_ns: int, frame_id: str, boxes: Sequence[Cube], seconds: int) -> bytes:
        """`visualization_msgs/MarkerArray` with one cube for each box; they disappear after `seconds`."""
        marker, colour = self._type("visualization_msgs/msg/Marker"), self._type("std_msgs/msg/ColorRGBA")
        header, plain = self._header(stamp_ns, frame_id), self._plain_marker()
        markers = [
            marker(
                **plain,
                header=header,
                ns=box.label,
                id=box.number,
                type=CUBE,
                action=ADD,
                pose=box.pose,
                scale=box.size,
                color=colour(*(value / 255.0 for value in colour_of(box.label)), CUBE_ALPHA),
                lifetime=self._type("builtin_interfaces/msg/Duration")(sec=seconds, nanosec=0),
                points=[],
                colors=[],
                text=f"{box.label} {box.number}",
            )
            for box in boxes
        ]
        return self._serialised("visualization_msgs/msg/MarkerArray", markers=markers)

    def path(self, stamp_ns: int, stamps_ns: np.ndarray, T_frame_base: np.ndarray, frame_id: str = ODOM_FRAME) -> bytes:
        """`nav_msgs/Path` of poses (N, 4, 4) in a frame at times (N,)."""
        stamped = self._type("geometry_msgs/msg/PoseStamped")
        poses = [
            stamped(
                header=self._header(int(time_ns), frame_id),
                pose=self._pose(T[:3, 3], quaternion_from_matrix(T[:3, :3])),
            )
            for time_ns, T in zip(stamps_ns, T_frame_base, strict=True)
        ]
        return self._serialised("nav_msgs/msg/Path", header=self._header(stamp_ns, frame_id), poses=poses)

    def odometry(self, stamp_ns: int, T_odom_base: np.ndarray, child_frame: str) -> bytes:
        """`nav_msgs/Odometry` of the true pose, without a twist."""
        with_covariance = self._type("geometry_msgs/msg/PoseWithCovariance")
        vector = self._type("geometry_msgs/msg/Vector3")
        pose = self._pose(T_odom_base[:3, 3], quaternion_from_matrix(T_odom_base[:3, :3]))
        twist = self._type("geometry_msgs/msg/Twist")(linear=vector(0.0, 0.0, 0.0), angular=vector(0.0, 0.0, 0.0))
        unknown = np.diag(np.full(6, -1.0)).ravel()  # covariance of what is not given
        return self._serialised(
            "nav_msgs/msg/Odometry",
            header=self._header(stamp_ns, ODOM_FRAME),
            child_frame_id=child_frame,
            pose=with_covariance(pose=pose, covariance=np.zeros(36)),
            twist=self._type("geometry_msgs/msg/TwistWithCovariance")(twist=twist, covariance=unknown),
        )

    def clock(self, stamp_ns: int) -> bytes:
        """`rosgraph_msgs/Clock`."""
        return self._serialised("rosgraph_msgs/msg/Clock", clock=self._time(stamp_ns))

    def _cloud(self, header: Any, points: np.ndarray, is_dense: bool) -> bytes:
        field = self._type("sensor_msgs/msg/PointField")
        fields = [
            field(name=name, offset=offset, datatype=_DATATYPES[kind.str], count=1)
            for name, (kind, offset) in points.dtype.fields.items()
        ]
        step = points.dtype.itemsize
        return self._serialised(
            "sensor_msgs/msg/PointCloud2",
            header=header,
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=step,
            row_step=step * len(points),
            data=points.view(np.uint8),
            is_dense=is_dense,
        )

    def _plain_marker(self) -> dict[str, Any]:
        """The fields of a marker that has neither a mesh nor a texture."""
        nothing = np.zeros(0, dtype=np.uint8)
        image = self._type("sensor_msgs/msg/CompressedImage")
        return {
            "frame_locked": False,
            "texture_resource": "",
            "texture": image(header=self._header(0, ""), format="", data=nothing),
            "uv_coordinates": [],
            "mesh_resource": "",
            "mesh_file": self._type("visualization_msgs/msg/MeshFile")(filename="", data=nothing),
            "mesh_use_embedded_materials": False,
        }

    def _hypothesis(self, class_id: int, score: float) -> Any:
        with_pose = self._type("vision_msgs/msg/ObjectHypothesisWithPose")
        covariance = self._type("geometry_msgs/msg/PoseWithCovariance")
        nowhere = covariance(pose=self._pose(np.zeros(3), np.array([0.0, 0.0, 0.0, 1.0])), covariance=np.zeros(36))
        kind = self._type("vision_msgs/msg/ObjectHypothesis")(class_id=Class(class_id).label, score=score)
        return with_pose(hypothesis=kind, pose=nowhere)

    def _pose(self, position: np.ndarray, quaternion: np.ndarray) -> Any:
        return self._type("geometry_msgs/msg/Pose")(
            position=self._type("geometry_msgs/msg/Point")(*position),
            orientation=self._type("geometry_msgs/msg/Quaternion")(*quaternion),
        )

    def _serialised(self, name: str, **fields: Any) -> bytes:
        return bytes(self.typestore.serialize_cdr(self._type(name)(**fields), name))

    def _type(self, name: str) -> Any:
        return self.typestore.types[name]

    def _time(self, stamp_ns: int) -> Any:
        sec, nanosec = divmod(stamp_ns, NS_PER_S)
        return self._type("builtin_interfaces/msg/Time")(sec=sec, nanosec=nanosec)

    def _header(self, stamp_ns: int, frame_id: str) -> Any:
        return self._type("std_msgs/msg/Header")(stamp=self._time(stamp_ns), frame_id=frame_id)

    def _transform(self, T: np.ndarray) -> Any:
        vector, quaternion = self._type("geometry_msgs/msg/Vector3"), self._type("geometry_msgs/msg/Quaternion")
        return self._type("geometry_msgs/msg/Transform")(
            translation=vector(*T[:3, 3]), rotation=quaternion(*quaternion_from_matrix(T[:3, :3]))
        )
