"""Ahead-of-time compilation of what the odometry as a whole runs: a few scans of a small room, with and without IMU.

`slam.kernels` compiles the map and the registration in all their forms; the filter and the prediction at IMU rate
follow here, with exactly the types that a drive gives them.
"""

import numpy as np

from perception.core.types import ImuBatch, Scan, SensorRig

SCAN_NS, IMU_NS = 100_000_000, 5_000_000
NUM_SCANS = 8  # the IMU's start needs half a second
EPOCH_NS = 1_000_000_000
GRAVITY = 9.81  # m/s^2


def warm_up() -> None:
    """Compile every kernel of the odometry, or load it from the cache."""
    from slam import kernels
    from slam.config import OdometryConfig
    from slam.imu_rate import ImuRatePredictor
    from slam.odometry import LidarInertialOdometry

    kernels.warm_up()
    config, eye = OdometryConfig(), np.eye(4)
    for rig in (SensorRig("base", "lidar", eye), SensorRig("base", "lidar", eye, "imu", eye)):
        odometry, predictor = LidarInertialOdometry(config, rig), ImuRatePredictor(config, rig)
        for index in range(NUM_SCANS):
            batch = _still(index)
            updates = (odometry.add_imu(batch) if rig.has_imu else []) + odometry.add_scan(_room(index))
            for update in updates:
                if update.imu_state is not None:
                    predictor.correct(update.imu_state)
            predictor.add_imu(batch)


def _room(index: int) -> Scan:
    """Floor and two walls, a point every 0.5 m."""
    a, b = (grid.ravel() for grid in np.mgrid[-8.0:8.0:0.5, -8.0:8.0:0.5])
    far = np.full_like(a, 6.0)
    points = np.concatenate([np.stack(wall, axis=1) for wall in ((a, b, 0.3 * far - 3.5), (far, a, b), (a, far, b))])
    offsets_ns = np.linspace(0, SCAN_NS - 1, len(points)).astype(np.int64)
    return Scan(EPOCH_NS + index * SCAN_NS, "lidar", points.astype(np.float32), offsets_ns)


def _still(index: int) -> ImuBatch:
    """The samples of one scan and the first after it, of a sensor at rest."""
    first = -1 if index == 0 else 1
    stamps_ns = EPOCH_NS + index * SCAN_NS + np.arange(first, SCAN_NS // IMU_NS + 1, dtype=np.int64) * IMU_NS
    return ImuBatch(stamps_ns, np.zeros((len(stamps_ns), 3)), np.tile([0.0, 0.0, GRAVITY], (len(stamps_ns), 1)))
