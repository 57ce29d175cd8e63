"""After the warm-up nothing is left to compile: the first scan is as fast as the others."""

import gc

import numpy as np
import pytest


def num_signatures():
    from numba.core.dispatcher import Dispatcher

    return {
        f"{d.py_func.__module__}.{d.py_func.__name__}": len(d.signatures)
        for d in gc.get_objects()
        if isinstance(d, Dispatcher) and d.py_func.__module__.startswith(("slam.", "perception."))
    }


@pytest.mark.parametrize("with_imu", [True, False])
def test_a_drive_compiles_nothing_after_the_warm_up(with_imu):
    from perception.core.types import ImuBatch, Scan, SensorRig
    from perception.pipeline.config import PerceptionConfig
    from perception.pipeline.stages import make_odometry
    from slam.imu_rate import ImuRatePredictor
    from slam.warm_up import warm_up
    from tests.contract import room

    warm_up()
    before = num_signatures()
    rig = SensorRig("base_link", "lidar", np.eye(4), *(("imu", np.eye(4)) if with_imu else ()))
    worker, predictor = make_odometry(PerceptionConfig(), rig), ImuRatePredictor(PerceptionConfig().odometry, rig)
    num_poses = 0
    for kind, index in room.events(10):
        if kind == "scan":
            outputs = worker.step("scan", Scan(room.START_NS + index * room.SCAN_NS, "lidar", *room.scan_points(index)))
        elif with_imu:
            stamp_ns, gyro, accel = room.imu_sample(index)
            batch = ImuBatch(np.array([stamp_ns], dtype=np.int64), gyro[None], accel[None])
            outputs = worker.step("imu", batch)
            predictor.add_imu(batch)
        for _, update in outputs if kind == "scan" or with_imu else ():
            num_poses += 1
            if update.imu_state is not None:
                predictor.correct(update.imu_state)
    assert num_poses == 10
    assert num_signatures() == before
