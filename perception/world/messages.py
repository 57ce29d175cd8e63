"""Items of a generated recording as standard ROS 2 messages, without ROS: the definitions are those of `rosbags`."""

from functools import cached_property
from typing import Any

import numpy as np

from perception.core.geometry import quaternion_from_matrix
from perception.core.stamps import NS_PER_S
from perception.core.types import ImuBatch, SensorRig
from perception.world.config import ImuConfig
from perception.world.sensors.lidar import LidarScan

# 24 bytes a point: floats stay aligned, so that a reader gets them as views.
POINT = np.dtype(
    {
        "names": ["x", "y", "z", "intensity", "t", "ring"],
        "formats": ["<f4", "<f4", "<f4", "<f4", "<u4", "<u2"],
        "offsets": [0, 4, 8, 12, 16, 20],
        "itemsize": 24,
    }
)
_UINT16, _UINT32, _FLOAT32 = 4, 6, 7  # sensor_msgs/PointField
_DATATYPES = {"<u2": _UINT16, "<u4": _UINT32, "<f4": _FLOAT32}
_NO_ORIENTATION = np.array([-1.0, 0, 0, 0, 0, 0, 0, 0, 0])  # sensor_msgs/Imu: element 0 is -1 where there is none


class Messages:
    """Serialises the messages of one recording; all are of ROS 2 Jazzy."""

    @cached_property
    def typestore(self) -> Any:
        """The message definitions."""
        from rosbags.typesys import Stores, get_typestore

        return get_typestore(Stores.ROS2_JAZZY)

    def cloud(self, lidar: LidarScan) -> bytes:
        """`sensor_msgs/PointCloud2`: stamp at the start of the sweep, `t` in ns after it."""
        scan = lidar.scan
        points = np.zeros(len(scan.points), dtype=POINT)
        points["x"], points["y"], points["z"] = scan.points.T
        points["intensity"], points["t"], points["ring"] = lidar.intensities, scan.offsets_ns, lidar.rings
        field = self._type("sensor_msgs/msg/PointField")
        fields = [
            field(name=name, offset=offset, datatype=_DATATYPES[kind.str], count=1)
            for name, (kind, offset) in POINT.fields.items()
        ]
        return self._serialised(
            "sensor_msgs/msg/PointCloud2",
            header=self._header(scan.stamp_ns, scan.frame_id),
            height=1,
            width=len(points),
            fields=fields,
            is_bigendian=False,
            point_step=POINT.itemsize,
            row_step=POINT.itemsize * len(points),
            data=points.view(np.uint8),
            is_dense=True,
        )

    def imu(self, batch: ImuBatch, row: int, frame_id: str, config: ImuConfig) -> bytes:
        """`sensor_msgs/Imu` of one sample, without an orientation."""
        vector, quaternion = self._type("geometry_msgs/msg/Vector3"), self._type("geometry_msgs/msg/Quaternion")
        return self._serialised(
            "sensor_msgs/msg/Imu",
            header=self._header(int(batch.stamps_ns[row]), frame_id),
            orientation=quaternion(x=0.0, y=0.0, z=0.0, w=1.0),
            orientation_covariance=_NO_ORIENTATION,
            angular_velocity=vector(*batch.gyro[row]),
            angular_velocity_covariance=np.diag(np.full(3, config.gyro_noise**2 * config.rate)).ravel(),
            linear_acceleration=vector(*batch.accel[row]),
            linear_acceleration_covariance=np.diag(np.full(3, config.accel_noise**2 * config.rate)).ravel(),
        )

    def static_transforms(self, rig: SensorRig, stamp_ns: int) -> bytes:
        """`tf2_msgs/TFMessage` with the places of the sensors on the base."""
        kind = self._type("geometry_msgs/msg/TransformStamped")
        pairs = [(rig.lidar_frame, rig.T_base_lidar), (rig.imu_frame, rig.T_base_imu)]
        transforms = [
            kind(header=self._header(stamp_ns, rig.base_frame), child_frame_id=child, transform=self._transform(T))
            for child, T in pairs
        ]
        return self._serialised("tf2_msgs/msg/TFMessage", transforms=transforms)

    def clock(self, stamp_ns: int) -> bytes:
        """`rosgraph_msgs/Clock`."""
        return self._serialised("rosgraph_msgs/msg/Clock", clock=self._time(stamp_ns))

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
