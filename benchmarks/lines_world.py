"""Held-out generated data for `perception bench lines`: pictures with their segments, and short drives with a LiDAR.

Seeds from 1 000 000 on: no training has seen their shapes, textures and layouts. Made once and kept.
"""

from pathlib import Path

from benchmarks.detection_peers import cache_folder, data_folder
from benchmarks.options import BenchOptions

PICTURES, DRIVES = "lines-heldout", "lines-use"
LIST = "lines/lines.json"
FIRST_SEED = 1_000_301
SMALL, LARGE = (4, 8), (16, 20)  # worlds, and pictures of each
SECONDS, REST, RATE = 6.0, 0.5, 2  # of a drive, of the standstill at its start, and images per second
KINDS = (("indoor", 1_004_002, "day"), ("mixed", 1_004_003, "day"), ("street", 1_004_004, "dusk"))
MORE_KINDS = (("indoor", 1_004_005, "day"), ("street", 1_004_001, "day"), ("mixed", 1_004_007, "rain"))


def held_out(options: BenchOptions) -> Path:
    """The folder of held-out pictures with segments: a set that is there, else one that is made, in minutes."""
    from perception.world.picture_set import PictureSetConfig, write_picture_set

    for folder in (data_folder(), cache_folder()):
        if (folder / PICTURES / LIST).is_file() and not options.long:
            return folder / PICTURES
    num_worlds, per_world = LARGE if options.long else SMALL
    out = data_folder() / (f"{PICTURES}-{num_worlds * per_world}" if options.long else PICTURES)
    config = PictureSetConfig(first_seed=FIRST_SEED, num_worlds=num_worlds, per_world=per_world)
    options.say(f"generated: {num_worlds * per_world} pictures of {num_worlds} held-out worlds")
    return write_picture_set(out, config, formats=("lines",))


def drives(options: BenchOptions) -> list[Path]:
    """Folders of held-out drives with a front camera, LiDAR, IMU and all that is true; made where they are missing."""
    return [_drive(options, *kind) for kind in (*KINDS, *(MORE_KINDS if options.long else ()))]


def _drive(options: BenchOptions, scene: str, seed: int, weather: str) -> Path:
    from perception.core.config import load_config
    from perception.world.choices import camera_overrides, route_of
    from perception.world.config import WorldConfig
    from perception.world.synth import synthesise

    name = f"{scene}-{seed}"
    for folder in (data_folder(), cache_folder()):
        if (folder / DRIVES / name).is_dir():
            return folder / DRIVES / name
    given = [f"seed={seed}", f"weather={weather}", f"duration={SECONDS}", f"rest={REST}", f"cameras.rate={RATE}"]
    config = load_config(WorldConfig, None, [*given, *camera_overrides("front"), *route_of(scene, None)])
    options.say(f"use: making {name}")
    return synthesise(data_folder() / DRIVES / name, config, formats=("lines", "pixels"))
