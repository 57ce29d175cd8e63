"""The generated recordings of `perception bench slam`, made once and kept. All are of held-out seeds.

`python -m benchmarks.slam_drives FOLDER NAME` makes one. The LiDAR has 32 rings of 512 points in most, which is a
cheap sensor of today, and makes drives of minutes affordable.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import clouds
from benchmarks.detection_peers import cache_folder, data_folder
from benchmarks.jobs import child
from benchmarks.options import BenchOptions

if TYPE_CHECKING:
    from perception.world.config import WorldConfig

FOLDER = "slam-drives"
SEED = 1_000_000
SENSOR = {"num_rings": 32, "num_columns": 512}
SCENE = {"leaves_per_tree": 80, "clutter": 0.5}
NOISY_IMU = {
    "gyro_noise": 2.4e-3, "accel_noise": 2.0e-2, "gyro_walk": 2.0e-4, "accel_walk": 3.0e-3,
    "gyro_bias": 2.0e-2, "accel_bias": 0.3,
}  # fmt: skip
TOWN, OFFICE, SPARSE = "town", "office", "office, 32 rings"
STREET, NOISY, LONG = "self-similar street", "town, 10x IMU noise", "town, 2 km"
TUNNELS = tuple(f"tunnel {seed}" for seed in range(3))
# With less to see. Their seeds are not held out: the start of the odometry was mended by them.
BARE_TUNNELS = {"bare tunnel 0": 900_001, "bare tunnel 1": 900_002}
_WORLDS: dict[str, dict[str, object]] = {
    # One lap and a third: the middle street both ways within a lap, then the first third once more.
    TOWN: {"route": "town", "duration": 165.0, "beams": SENSOR},
    # Two laps of a ring of corridors and rooms, with the sensor of all other benchmarks, and with the cheap one.
    OFFICE: {"route": "office", "seed": SEED + 1, "duration": 140.0, "speed": 2.0},
    SPARSE: {"route": "office", "seed": SEED + 1, "duration": 140.0, "speed": 2.0, "beams": SENSOR},
    # The world repeats every 320 m: what looks like a revisit never is one.
    STREET: {"route": "straight", "duration": 60.0, "beams": SENSOR},
    LONG: {"route": "town", "duration": 320.0, "speed": 9.0, "beams": SENSOR},
    **{
        name: {"route": "tunnel", "seed": seed, "duration": 40.0, "beams": SENSOR}
        for name, seed in {**{name: SEED + k for k, name in enumerate(TUNNELS)}, **BARE_TUNNELS}.items()
    },
}
NOISY_TUNNELS = tuple(f"{name}, 10x IMU noise" for name in TUNNELS)
_OTHER_IMU = {  # the same scans with another IMU
    noisy: (name, NOISY_IMU) for noisy, name in zip((NOISY, *NOISY_TUNNELS), (TOWN, *TUNNELS))
}


def drive(options: BenchOptions, name: str) -> Path:
    """The folder (`benchmarks.clouds`) of a drive; made where it is missing."""
    for folder in (data_folder(), cache_folder()):
        if (folder / FOLDER / name).is_dir():
            return folder / FOLDER / name
    target = data_folder() / FOLDER / name
    options.say(f"generating {name}")
    part = target.with_name(f"{name}.part")
    shutil.rmtree(part, ignore_errors=True)
    if name in _OTHER_IMU:
        shutil.copytree(drive(options, _OTHER_IMU[name][0]), part, copy_function=_linked)
    child([sys.executable, "-m", "benchmarks.slam_drives", str(part), name])
    part.rename(target)
    return target


def drives(options: BenchOptions, names: Sequence[str]) -> dict[str, Path]:
    """The folders of several drives, by name."""
    return {name: drive(options, name) for name in names}


def world(name: str) -> "WorldConfig":
    """The world, the sensors and the motion of a drive."""
    from perception.core.config import validated
    from perception.world.config import WorldConfig

    like, imu = _OTHER_IMU.get(name, (name, {}))
    return validated(WorldConfig, {"seed": SEED, "scene": SCENE, "imu": imu, **_WORLDS[like]})


def make(folder: str, name: str) -> None:
    """Write one drive, or into the copy of another one the samples of its own IMU."""
    from perception.world.recording import SyntheticRecording

    if name in _OTHER_IMU:
        _write_imu(Path(folder), world(name))
        return
    recording = SyntheticRecording(world(name))
    clouds.write(Path(folder), recording.events(), recording.rig, recording.reference)


def _write_imu(folder: Path, config: "WorldConfig") -> None:
    """The samples of another IMU on the same motion, at the same stamps."""
    from perception.world.layout import make_layout
    from perception.world.motion import Drive, Vehicle
    from perception.world.recording import EPOCH_NS, IMU_LEAD_NS, MARGIN, make_rig
    from perception.world.scene import LAYOUT_STREAM
    from perception.world.sensors.imu import ImuSimulator

    layout = make_layout(config, np.random.default_rng([config.seed, LAYOUT_STREAM]))
    vehicle = Vehicle(layout.course, Drive(layout.course, layout.pace, config.duration + MARGIN))
    simulator = ImuSimulator(vehicle, make_rig().T_base_imu, config.imu, config.seed)
    stamps = clouds.read(folder).imu_stamps_ns
    (batch,) = simulator.batches(-IMU_LEAD_NS, (int(stamps[-1]) + 1 - EPOCH_NS,), EPOCH_NS)
    if not np.array_equal(batch.stamps_ns, stamps):
        raise ValueError(f"{folder}: its samples have other stamps; delete it and try again")
    for name, values in (("gyro", batch.gyro), ("accel", batch.accel)):
        (folder / f"{name}.npy").unlink()  # a link: the other drive keeps its own
        np.save(folder / f"{name}.npy", values, allow_pickle=False)


def _linked(source: str, target: str) -> None:
    """A second name for a file, or a copy where that cannot be."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


if __name__ == "__main__":
    make(*sys.argv[1:])
