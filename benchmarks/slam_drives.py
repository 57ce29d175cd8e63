"""The generated recordings of `perception bench slam`, made once and kept. All are of held-out seeds.

`python -m benchmarks.slam_drives FOLDER NAME` makes one. The LiDAR has 32 rings of 512 points, which is a cheap sensor
of today, and makes drives of minutes affordable.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import clouds
from benchmarks.clouds import Clouds
from benchmarks.detection_peers import cache_folder, data_folder
from benchmarks.jobs import child
from benchmarks.options import BenchOptions

FOLDER = "slam-drives"
SEED = 1_000_000
SENSOR = {"num_rings": 32, "num_columns": 512}
CHEAP_SENSOR = {"num_rings": 16, "num_columns": 512}
SCENE = {"leaves_per_tree": 80, "clutter": 0.5}
NOISY_IMU = {
    "gyro_noise": 2.4e-3, "accel_noise": 2.0e-2, "gyro_walk": 2.0e-4, "accel_walk": 3.0e-3,
    "gyro_bias": 2.0e-2, "accel_bias": 0.3,
}  # fmt: skip
TOWN, OFFICE, STREET, NOISY, LONG = "town", "office", "self-similar street", "town, 10x IMU noise", "town, 2 km"
TUNNELS = tuple(f"tunnel {seed}" for seed in range(3))
_WORLDS: dict[str, dict[str, object]] = {
    # One lap and a third: the middle street both ways within a lap, then the first third once more.
    TOWN: {"route": "town", "duration": 165.0, "beams": SENSOR},
    # Two laps of a ring of corridors and rooms.
    OFFICE: {"route": "office", "seed": SEED + 1, "duration": 140.0, "speed": 2.0, "beams": SENSOR},
    # The world repeats every 320 m: what looks like a revisit never is one.
    STREET: {"route": "straight", "duration": 90.0, "beams": SENSOR},
    NOISY: {"route": "town", "duration": 165.0, "beams": CHEAP_SENSOR, "imu": NOISY_IMU},
    LONG: {"route": "town", "duration": 320.0, "speed": 9.0, "beams": SENSOR},
    **{
        name: {"route": "tunnel", "seed": SEED + k, "duration": 40.0, "beams": SENSOR} for k, name in enumerate(TUNNELS)
    },
}
NAMES = tuple(_WORLDS)


def drive(options: BenchOptions, name: str) -> Path:
    """The folder (`benchmarks.clouds`) of a drive; made where it is missing."""
    for folder in (data_folder(), cache_folder()):
        if (folder / FOLDER / name).is_dir():
            return folder / FOLDER / name
    target = data_folder() / FOLDER / name
    options.say(f"generating {name}")
    part = target.with_name(f"{name}.part")
    shutil.rmtree(part, ignore_errors=True)
    child([sys.executable, "-m", "benchmarks.slam_drives", str(part), name])
    part.rename(target)
    return target


def drives(options: BenchOptions, names: Sequence[str]) -> dict[str, Path]:
    """The folders of several drives."""
    return {name: drive(options, name) for name in names}


def read(folder: Path) -> Clouds:
    """A drive, mapped into memory."""
    return clouds.read(folder)


def make(folder: str, name: str) -> None:
    """Write one drive."""
    from perception.core.config import validated
    from perception.world.config import WorldConfig
    from perception.world.recording import SyntheticRecording

    recording = SyntheticRecording(validated(WorldConfig, {"seed": SEED, "scene": SCENE, **_WORLDS[name]}))
    clouds.write(Path(folder), recording.events(), recording.rig, recording.reference)


if __name__ == "__main__":
    make(*sys.argv[1:])
