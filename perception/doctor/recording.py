"""Checks of a recording: its topics, sensors, transforms and clocks, and what would go wrong in a replay.

Pure functions from facts to findings. `inspection.py` gathers the facts.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from perception.core.types import SensorRig
from perception.doctor.findings import Finding, error, ok, warn
from perception.doctor.motion import MotionFacts, check_motion
from perception.doctor.sensors import check_clocks, check_cloud, check_gravity_direction, check_imu
from perception.doctor.streams import CloudFacts, ImuFacts, StreamFacts
from perception.io.recording import Summary

MAX_ARM = 5.0  # m between two sensors of one robot
SAME_PLACE = 1e-6  # m and of the rotation matrix
AS_IT_SAYS = "change what it names, or record again"


@dataclass(frozen=True, slots=True, eq=False)
class RecordingFacts:
    """What was found in a recording."""

    path: str
    topics: tuple[tuple[str, str, int], ...] = ()  # name, type and number of messages; none for a folder
    clouds: tuple[CloudFacts, ...] = ()
    imus: tuple[ImuFacts, ...] = ()
    edges: tuple[tuple[str, str], ...] = ()  # parent and child of every transform
    bad_transforms: tuple[str, ...] = ()  # why transforms were refused
    seconds: float = 0.0  # how much of it was looked at
    damage: str = ""  # what is lost, and why
    refusal: str = ""  # why a replay would refuse it
    summary: Summary | None = None  # what a replay would use; None where it would refuse
    rig: SensorRig | None = None
    motion: MotionFacts | None = None  # None without an IMU
    losses: Mapping[str, int] = field(default_factory=dict)  # what a replay would drop, by reason

    def used_cloud(self) -> CloudFacts | None:
        """The clouds that a replay would use, known by their frame."""
        return next((c for c in self.clouds if self.rig and _is_in(self.rig.lidar_frame, c.stream)), None)

    def used_imu(self) -> ImuFacts | None:
        """The IMU that a replay would use, known by its frame."""
        frame = self.rig.imu_frame if self.rig and self.rig.has_imu else None
        return next((imu for imu in self.imus if frame is not None and _is_in(frame, imu.stream)), None)


def check_recording(facts: RecordingFacts) -> list[Finding]:
    """All checks of a recording. Sensors that a replay leaves aside cause warnings, not errors."""
    cloud, imu = facts.used_cloud(), facts.used_imu()
    found = [*check_contents(facts), *check_damage(facts)]
    for one in facts.clouds:
        found += check_cloud(one) if cloud in (None, one) else _milder(check_cloud(one))
    for other in facts.imus:
        found += check_imu(other) if facts.rig is None or imu is other else _milder(check_imu(other))
    found += check_transforms(facts)
    if cloud is not None and imu is not None:
        found += check_clocks(cloud.stream, imu.stream)
    if imu is not None and facts.rig is not None and facts.rig.T_base_imu is not None:
        found += check_gravity_direction(imu, facts.rig.T_base_imu[:3, :3])
    if facts.motion is not None:
        found += check_motion(facts.motion)
    return [*found, *check_replay(facts)]


def check_contents(facts: RecordingFacts) -> list[Finding]:
    """What is in it, and how much was looked at."""
    found = []
    if facts.topics:
        listed = ", ".join(f"{name} ({kind.split('/')[-1]}, {count})" for name, kind, count in facts.topics)
        found.append(ok("topics", listed))
    elif facts.summary is not None:
        found.append(ok("contents", facts.summary.kind))
    return [*found, ok("looked at", f"the first {facts.seconds:.1f} s")]


def check_damage(facts: RecordingFacts) -> list[Finding]:
    """The file can be read to its end, and its messages can be used."""
    found = []
    if facts.damage:
        remedy = "the readable part is used; copy the file again, or `ros2 bag reindex` the original"
        found.append(error("damage", facts.damage, remedy))
    for reason, count in facts.losses.items():
        found.append(warn("dropped", f"{count} x {reason}", AS_IT_SAYS))
    return found


def check_transforms(facts: RecordingFacts) -> list[Finding]:
    """The tree of frames, and the place of the sensors in it."""
    found = [error("transforms", reason, "correct the publisher of this transform") for reason in facts.bad_transforms]
    parents = Counter(child for _, child in facts.edges)
    for child in (child for child, count in parents.items() if count > 1):
        names = " and ".join(sorted(parent for parent, other in facts.edges if other == child))
        found.append(error("transforms", f"{child!r} has the parents {names}", "stop one of the two publishers"))
    if facts.edges:
        found.append(ok("transforms", ", ".join(f"{parent} -> {child}" for parent, child in facts.edges)))
    if facts.rig is not None and facts.rig.T_base_imu is not None:
        found.append(_lever_arm(facts.rig))
    return found


def check_replay(facts: RecordingFacts) -> list[Finding]:
    """What a replay would use and assume, or why it would refuse."""
    if facts.refusal:
        return [error("replay", facts.refusal, AS_IT_SAYS)]
    if facts.summary is None:
        return []
    found = [ok(f"replay: {name}", value) for name, value in facts.summary.rows]
    remedy = "see that this is meant; `perception config --reference` lists the settings under input"
    found += [warn("replay: note", note, remedy) for note in facts.summary.notes]
    if facts.rig is not None and not facts.rig.has_imu:
        value = "no usable IMU: the motion between scans is taken as constant"
        found.append(warn("replay: imu", value, "record an IMU of 100 Hz or more for fast turns and rough ground"))
    return found


def _is_in(frame: str, stream: StreamFacts) -> bool:
    return frame in (name.lstrip("/") for name in stream.frames)


def _milder(findings: list[Finding]) -> list[Finding]:
    return [replace(finding, level="warn") if finding.level == "error" else finding for finding in findings]


def _lever_arm(rig: SensorRig) -> Finding:
    T_lidar_imu = np.linalg.inv(rig.T_base_lidar) @ rig.T_base_imu
    x, y, z = T_lidar_imu[:3, 3]
    arm = float(np.linalg.norm(T_lidar_imu[:3, 3]))
    value = f"imu in {rig.lidar_frame}: {x:.3f} {y:.3f} {z:.3f} m"
    if arm > MAX_ARM:
        return error("place of the imu", value, "transforms are in metres; correct input.T_base_imu or /tf_static")
    if rig.imu_frame != rig.lidar_frame and np.abs(T_lidar_imu - np.eye(4)).max() < SAME_PLACE:
        remedy = "if this is a placeholder, put the measured place on /tf_static or in input.T_base_imu"
        return warn("place of the imu", f"{value}, not turned: exactly that of the LiDAR", remedy)
    return ok("place of the imu", value)
