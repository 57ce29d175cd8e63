"""THE description of the pipeline. Launch, `perception run`, replay and tests assemble these stages and no others."""

from perception.pipeline.camera import make_camera, warm_up_camera
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.detection import make_detection, warm_up_detection
from perception.pipeline.lines import make_lines, make_lines_3d, warm_up_lines, warm_up_lines_3d
from perception.pipeline.mapping import make_mapping, warm_up_mapping
from perception.pipeline.spec import Pipeline, Stage, latest, ordered
from perception.pipeline.stages import make_odometry, warm_up_odometry

FULL = Pipeline(
    (
        Stage(
            "odometry",
            make_odometry,
            reads=("scan", "imu"),
            writes=("odometry", "odometry_reset"),
            inbox=ordered(400),  # one second of 200 Hz IMU and 10 Hz scans is 210
            deadline_ms=100,
            warm_up=warm_up_odometry,
            on_restart=(("odometry_reset", "the odometry begins anew"),),
        ),
        Stage(
            "mapping",
            make_mapping,
            reads=("odometry", "odometry_reset"),
            also_reads=("fix", "wheels", "map_command"),
            writes=("map_odom", "map_path", "map_grid", "loops"),
            inbox=ordered(2000),  # 30 s of scans, fixes and 50 Hz wheels, while a place is looked for
            deadline_ms=1000,
            warm_up=warm_up_mapping,
            forgets=("odometry", "odometry_reset"),
            is_enabled=lambda config: config.mapping.is_enabled,
        ),
        Stage(
            "camera",
            make_camera,
            reads=("image_raw",),
            writes=("image",),
            inbox=latest(),
            deadline_ms=50,
            needs_rig=False,
            warm_up=warm_up_camera,
            on_demand=True,
        ),
        Stage(
            "detection",
            make_detection,
            reads=("image",),
            writes=("detections", "detections_image"),
            inbox=latest(),
            deadline_ms=50,
            needs_rig=False,
            warm_up=warm_up_detection,
            on_demand=True,
            is_enabled=lambda config: config.detection.is_enabled,
        ),
        Stage(
            "lines",
            make_lines,
            reads=("image",),
            writes=("lines", "lines_image"),
            inbox=latest(),
            deadline_ms=50,
            needs_rig=False,
            warm_up=warm_up_lines,
            on_demand=True,
            is_enabled=lambda config: config.lines.is_enabled,
        ),
        Stage(
            "lines_3d",
            make_lines_3d,
            reads=("lines_image", "scan", "odometry"),
            writes=("lines_3d",),
            inbox=latest(),
            deadline_ms=100,
            warm_up=warm_up_lines_3d,
            on_demand=True,
            is_enabled=lambda config: config.lines.is_enabled and config.lines_3d.is_enabled,
        ),
    )
)


def live_streams(config: PerceptionConfig) -> tuple[str, ...]:
    """Streams that the sensors of a robot give: images only where cameras are configured."""
    return ("scan", "imu", "image_raw") if config.input.camera_topics else ("scan", "imu")
