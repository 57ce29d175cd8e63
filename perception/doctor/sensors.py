"""Checks of sensor streams: pure functions from the facts of `streams.py` to findings."""

import numpy as np

from perception.core.stamps import NS_PER_S
from perception.doctor.findings import Finding, error, ok, warn
from perception.doctor.streams import CloudFacts, ImuFacts, StreamFacts
from perception.io.imu import ACCEL_RANGE, ACCEL_RANGE_G, MIN_RATE

GRAVITY = 9.81  # m/s^2
LIDAR_RATES = (4.0, 30.0)  # Hz, of the sensors this project knows
GOOD_IMU_RATE = 100.0  # Hz
GAP_PERIODS, MIN_GAP = 3.5, 0.05  # a step of the stamps of so many periods, and at least so many s, is a gap
MIN_POINTS = 500  # usable points that a scan should have
MIN_USABLE = 0.3  # of the points of a message
SWEEP_SHARE = (0.3, 1.15)  # of the period: how long the points of a spinning or scanning sensor take
DEGREES_NORM, DEGREES_PEAK = 3.0, 15.0  # rad/s: median and peak that suggest degrees
MAX_TILT, WRONG_TILT = 15.0, 80.0  # deg between gravity and the z axis of the base
CLOCK_WARN, CLOCK_ERROR = 0.15, 1.0  # s between the clocks of two sensors
RECORDER_CLOCK = 10.0  # s between a sensor's clock and the recorder's that is worth a word


def check_stream(stream: StreamFacts, min_rate: float, max_rate: float) -> list[Finding]:
    """Rate, gaps, order and stamps of one topic."""
    name, found = stream.topic, []
    if stream.num == 0:
        return [error(f"{name}: messages", "none came", "check that the driver runs, the topic and its QoS")]
    if stream.num_unset:
        value = f"{stream.num_unset} of {stream.num} messages have a zero or malformed header.stamp"
        return [error(f"{name}: stamps", value, "set header.stamp in the driver to the time of measurement")]
    if len(stream.frames) > 1 or not stream.frames[0]:
        value = ", ".join(repr(frame) for frame in stream.frames)
        found.append(error(f"{name}: frame", f"frames {value}", "give the driver one frame_id that /tf_static knows"))
    found += [_refused(name, reason, count) for reason, count in stream.refused.items()]
    found += _order(stream)
    period = 1.0 / stream.rate if stream.rate else 0.0
    if stream.max_gap > max(GAP_PERIODS * period, MIN_GAP):
        value = f"longest gap {stream.max_gap:.3f} s at {stream.rate:.4g} Hz"
        remedy = "messages were lost: look at the network, the QoS depth and the recorder's cache"
        found.append(warn(f"{name}: gaps", value, remedy))
    found.append(_rate(stream, min_rate, max_rate))
    return found


def check_cloud(cloud: CloudFacts) -> list[Finding]:
    """The clouds of a LiDAR: their stream, points and point times."""
    found = check_stream(cloud.stream, *LIDAR_RATES)
    name = cloud.stream.topic
    if not cloud.format:
        return found
    value = f"{cloud.num_usable:.0f} usable of {cloud.num_points:.0f}"
    if cloud.num_usable < MIN_POINTS:
        remedy = "check the range limits and filters of the driver; odometry needs some hundred points a scan"
        found.append(error(f"{name}: points", value, remedy))
    elif cloud.num_usable < MIN_USABLE * cloud.num_points:
        found.append(warn(f"{name}: points", value, "most points are zero or not finite: look at the sensor's window"))
    else:
        found.append(ok(f"{name}: points", value))
    return [*found, _point_times(cloud)]


def check_imu(imu: ImuFacts) -> list[Finding]:
    """The samples of an IMU: their stream, and whether they are in units that physics allows."""
    name = imu.stream.topic
    found = check_stream(imu.stream, MIN_RATE, 2000.0)
    if imu.accel_norm == imu.gyro_norm == 0.0 and imu.up is None and imu.stream.num < 2:
        return found
    if imu.is_constant:
        value = "every sample is the same"
        return [*found, error(f"{name}: values", value, "the sensor or its driver is stuck; start it again")]
    if imu.is_unknown:
        value = "linear_acceleration_covariance[0] is -1: the acceleration is not measured"
        return [*found, error(f"{name}: acceleration", value, "use the topic of the raw IMU, or --set input.imu=off")]
    found += [_gravity(imu), _angular_rate(imu)]
    if MIN_RATE <= imu.stream.rate < GOOD_IMU_RATE:
        value = f"{imu.stream.rate:.0f} Hz"
        found.append(warn(f"{name}: rate", value, f"set the sensor to {GOOD_IMU_RATE:.0f} Hz or more for fast turns"))
    return found


def check_clocks(lidar: StreamFacts, imu: StreamFacts) -> list[Finding]:
    """LiDAR and IMU are stamped by the same clock."""
    if not (lidar.first_ns and imu.first_ns):
        return []
    check, remedy = "clocks of lidar and imu", "synchronise the sensors (PTP), or let the drivers stamp by one clock"
    apart = (max(lidar.first_ns, imu.first_ns) - min(lidar.last_ns, imu.last_ns)) / NS_PER_S
    if apart > 0.0:
        return [error(check, f"their stamps do not overlap: {apart:.6g} s apart", remedy)]
    if lidar.delay is None or imu.delay is None:
        return [ok(check, "their stamps overlap")]
    offset = lidar.delay - imu.delay
    expected = 1.0 / lidar.rate if lidar.rate else 0.0  # a cloud comes when its sweep is over
    excess = max(offset - expected, -offset, 0.0)
    value = f"from stamp to arrival: lidar {lidar.delay * 1e3:.0f} ms, imu {imu.delay * 1e3:.0f} ms"
    if excess > CLOCK_ERROR:
        return [error(check, f"{value}: {excess:.3f} s apart", remedy)]
    if excess > CLOCK_WARN:
        return [warn(check, f"{value}: {excess * 1e3:.0f} ms more than a sweep explains", remedy)]
    if max(abs(lidar.delay), abs(imu.delay)) > RECORDER_CLOCK:
        return [ok(check, f"{value}; both run on another clock than the computer")]
    return [ok(check, value)]


def check_gravity_direction(imu: ImuFacts, R_base_imu: np.ndarray) -> list[Finding]:
    """Gravity points down in the base, so that the rotation of the IMU on the robot is right. `R_base_imu` (3, 3)."""
    if imu.up is None or imu.is_unknown:
        return []
    up = R_base_imu @ imu.up
    tilt = float(np.degrees(np.arccos(np.clip(up[2], -1.0, 1.0))))
    value = f"up is ({up[0]:.2f}, {up[1]:.2f}, {up[2]:.2f}) in the base, {tilt:.0f} deg from its z axis"
    if tilt <= MAX_TILT:
        return [ok("direction of gravity", value)]
    remedy = "correct the rotation of the IMU on /tf_static or input.T_base_imu; a hand-held robot may be tilted"
    return [(error if tilt > WRONG_TILT else warn)("direction of gravity", value, remedy)]


def _refused(name: str, reason: str, count: int) -> Finding:
    return error(f"{name}: refused", f"{count} x {reason}", "the driver or the configuration must change, as it says")


def _order(stream: StreamFacts) -> list[Finding]:
    found = []
    if stream.num_backward:
        value = f"{stream.num_backward} of {stream.num} stamps are older than the one before"
        remedy = "late messages are dropped: let one publisher stamp them, and do not loop a bag"
        found.append(warn(f"{stream.topic}: order", value, remedy))
    if stream.num_repeated:
        value = f"{stream.num_repeated} of {stream.num} stamps equal the one before"
        remedy = "repeats are dropped: look for a second publisher of this topic, or a stamp of low resolution"
        found.append(warn(f"{stream.topic}: repeats", value, remedy))
    return found


def _rate(stream: StreamFacts, min_rate: float, max_rate: float) -> Finding:
    value = f"{stream.num} messages at {stream.rate:.4g} Hz, frame {' '.join(stream.frames) or 'empty'}"
    if stream.num < 2 or min_rate <= stream.rate <= max_rate:
        return ok(f"{stream.topic}: stream", value)
    remedy = f"expected {min_rate:g} to {max_rate:g} Hz: check the driver's rate and the unit of its stamps"
    return (error if stream.rate < min_rate else warn)(f"{stream.topic}: stream", value, remedy)


def _point_times(cloud: CloudFacts) -> Finding:
    check = f"{cloud.stream.topic}: point times"
    value = f"{cloud.format}, {cloud.sweep:.3f} s a scan" + "".join(f"; {note}" for note in cloud.notes)
    if cloud.sweep == 0.0:
        remedy = "switch the driver to clouds with a time per point (t, time, timestamp); fast turns blur without"
        return warn(check, value, remedy)
    share = cloud.sweep * cloud.stream.rate
    if cloud.stream.num > 2 and not SWEEP_SHARE[0] <= share <= SWEEP_SHARE[1]:
        remedy = "check the unit of the time field: --set input.time_unit=s, ms, us or ns"
        return warn(check, f"{value}: {100.0 * share:.0f} % of the period", remedy)
    return ok(check, value)


def _gravity(imu: ImuFacts) -> Finding:
    check, value = f"{imu.stream.topic}: gravity", f"median acceleration {imu.accel_norm:.4g}"
    if ACCEL_RANGE[0] <= imu.accel_norm <= ACCEL_RANGE[1]:
        return ok(check, f"{value} m/s^2")
    if ACCEL_RANGE_G[0] <= imu.accel_norm <= ACCEL_RANGE_G[1]:
        return warn(check, f"{value}: in g, not m/s^2", "odometry scales it; a driver should publish m/s^2 (REP-103)")
    if imu.accel_norm < ACCEL_RANGE_G[0]:
        remedy = "use the raw topic: gravity was subtracted, or the unit is wrong; else --set input.imu=off"
        return error(check, f"{value}: gravity is missing", remedy)
    remedy = f"publish m/s^2: {GRAVITY} at rest; this stream is not used"
    return error(check, f"{value}: neither m/s^2 nor g", remedy)


def _angular_rate(imu: ImuFacts) -> Finding:
    check = f"{imu.stream.topic}: angular rate"
    value = f"median {imu.gyro_norm:.3g}, peak {imu.gyro_peak:.3g}, at rest {imu.still_gyro:.3g} rad/s"
    if imu.gyro_peak == 0.0:
        return error(check, "always zero", "the gyro is off or not published; check the driver")
    if imu.gyro_norm > DEGREES_NORM or imu.gyro_peak > DEGREES_PEAK:
        return warn(check, f"{value}: looks like deg/s", "publish rad/s (REP-103)")
    return ok(check, value)
