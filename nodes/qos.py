"""Quality of service of every topic, in one place."""

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy

CLOUD_DEPTH = 30  # three seconds of scans: what may wait in the middleware while the machine is busy with others
IMU_DEPTH = 1000  # five seconds at 200 Hz
FIX_DEPTH, WHEEL_DEPTH = 20, 200  # a few seconds of each
COMMAND_DEPTH = 5
IMAGE_DEPTH = 2  # the newest counts; one more, so that a busy moment loses none


def _profile(depth: int, reliability: ReliabilityPolicy, durability: DurabilityPolicy) -> QoSProfile:
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=depth, reliability=reliability, durability=durability)


def sensor_input(depth: int) -> QoSProfile:
    """For subscriptions: best effort fits every driver, whatever it offers."""
    return _profile(depth, ReliabilityPolicy.BEST_EFFORT, DurabilityPolicy.VOLATILE)


def result(depth: int = 10) -> QoSProfile:
    """For publishers: reliable fits every consumer."""
    return _profile(depth, ReliabilityPolicy.RELIABLE, DurabilityPolicy.VOLATILE)


def latched(depth: int = 1) -> QoSProfile:
    """Kept for those who come later: static transforms, paths, maps."""
    return _profile(depth, ReliabilityPolicy.RELIABLE, DurabilityPolicy.TRANSIENT_LOCAL)


TRANSFORMS = result(100)
STATIC_TRANSFORMS = latched(100)
