"""THE description of the pipeline. Launch, `perception run`, replay and tests assemble these stages and no others."""

from perception.pipeline.spec import Pipeline, Stage, ordered
from perception.pipeline.stages import make_odometry

FULL = Pipeline(
    (
        Stage(
            "odometry",
            make_odometry,
            reads=("scan", "imu"),
            writes=("odometry", "odometry_reset"),
            inbox=ordered(400),  # one second of 200 Hz IMU and 10 Hz scans is 210
            deadline_ms=100,
        ),
    )
)
