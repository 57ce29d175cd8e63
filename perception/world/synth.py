"""Writes a generated recording as a ROS 2 bag with standard messages, and its ground truth beside it.

The `rosbags` writer closes a chunk after the first message that makes it longer than 1 MiB, so a chunk is about one
sweep with its IMU samples: a reader unpacks no more than it needs.
"""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from perception.core.config import to_yaml
from perception.core.errors import InvalidInput
from perception.core.stamps import NS_PER_MS
from perception.core.types import ImuBatch
from perception.world.config import WorldConfig
from perception.world.messages import Messages
from perception.world.recording import EPOCH_NS, IMU_FRAME, SyntheticRecording
from perception.world.sensors.lidar import LidarScan

CLOCK_STEP_NS = 20 * NS_PER_MS
SIDECAR = "generated.json"  # marks a folder as one that this module wrote
BYTES_PER_SCAN = 2_000_000  # what a scan may take on the disk, with reserve
TOPICS = {
    "/points": "sensor_msgs/msg/PointCloud2",
    "/imu": "sensor_msgs/msg/Imu",
    "/tf_static": "tf2_msgs/msg/TFMessage",
    "/clock": "rosgraph_msgs/msg/Clock",
}


def synthesise(
    out: Path, config: WorldConfig, progress: Callable[[int, int], None] | None = None, force: bool = False
) -> Path:
    """Record a generated world to the folder `out` and return it.

    The folder appears when it is complete: rosbag2 MCAP (zstd), `ground_truth.tum` (`T_odom_base` at 100 Hz),
    `world.yaml` (the configuration) and a side-car. Raises `InvalidInput` where `out` holds something already,
    unless `force` is set and this function wrote it, or where the disk is too full.
    """
    out = Path(out).resolve()
    _check_free(out, force)
    out.parent.mkdir(parents=True, exist_ok=True)
    _check_space(out.parent, config)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder:
        made = Path(folder) / out.name
        recording = SyntheticRecording(config, progress)
        _write_bag(made, recording)
        _write_truth(made, recording)
        if out.exists():
            shutil.rmtree(out)
        made.rename(out)
    return out


def _check_free(out: Path, force: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / SIDECAR).is_file():
        raise InvalidInput(f"out {out}: holds something that is not a generated recording; choose another folder")
    if not force:
        raise InvalidInput(f"out {out}: holds a generated recording already; add --force to replace it")


def _check_space(folder: Path, config: WorldConfig) -> None:
    need = int(config.duration * 10 * BYTES_PER_SCAN)
    free = shutil.disk_usage(folder).free
    if need > free:
        raise InvalidInput(
            f"out {folder}: {config.duration:g} s may take {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are free; "
            f"free some space or shorten --duration"
        )


def _write_bag(folder: Path, recording: SyntheticRecording) -> None:
    from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer

    messages = Messages()
    bag = Writer(folder, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP)
    bag.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
    with bag:
        topics = {
            topic: bag.add_connection(topic, kind, typestore=messages.typestore, offered_qos_profiles=_qos(topic))
            for topic, kind in TOPICS.items()
        }
        bag.write(topics["/tf_static"], EPOCH_NS, messages.static_transforms(recording.rig, EPOCH_NS))
        clock_ns = EPOCH_NS
        for event in recording.detailed_events():
            if isinstance(event, LidarScan):
                bag.write(topics["/points"], event.scan.end_ns, messages.cloud(event))
                continue
            for row, stamp_ns in enumerate(event.stamps_ns.tolist()):
                while clock_ns <= stamp_ns:
                    bag.write(topics["/clock"], clock_ns, messages.clock(clock_ns))
                    clock_ns += CLOCK_STEP_NS
                bag.write(topics["/imu"], stamp_ns, _imu(messages, event, row, recording))


def _imu(messages: Messages, batch: ImuBatch, row: int, recording: SyntheticRecording) -> bytes:
    return messages.imu(batch, row, IMU_FRAME, recording.config.imu)


def _qos(topic: str) -> list[Any]:
    """`/tf_static` is kept for late subscribers, all else is reliable and not kept."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(2147483647, 4294967295)
    return [
        Qos(
            QosHistory.KEEP_LAST,
            1 if topic == "/tf_static" else 10,
            QosReliability.RELIABLE,
            QosDurability.TRANSIENT_LOCAL if topic == "/tf_static" else QosDurability.VOLATILE,
            forever,
            forever,
            QosLiveliness.AUTOMATIC,
            forever,
            False,
        )
    ]


def _write_truth(folder: Path, recording: SyntheticRecording) -> None:
    from perception.io.trajectories import write_tum

    write_tum(folder / "ground_truth.tum", recording.reference)
    (folder / "world.yaml").write_text(to_yaml(recording.config), encoding="utf-8")
    facts = {
        "what": "A recording of a generated world, written by `perception synth`. All of it is made up.",
        "bag": f"{folder.name}.mcap with metadata.yaml (rosbag2)",
        "topics": TOPICS,
        "points": "header.stamp is the start of a sweep; t is in ns after it; intensity 0 to 255",
        "ground_truth.tum": "T_odom_base: seconds x y z qx qy qz qw, odom has z up, base_link on the ground",
        "world.yaml": "the configuration; `perception synth --config world.yaml` writes the same bytes again",
        "scans": recording.num_scans,
        "triangles": len(recording.world.mesh),
    }
    (folder / SIDECAR).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
