"""Records a generated world to a folder: a bag, the truth beside it, and data sets in the formats of the field."""

import fcntl
import json
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from perception import __version__
from perception.core.config import to_yaml
from perception.core.errors import ConfigError, InvalidInput
from perception.core.files import write_atomic
from perception.world.bag import Taken, topics_of, write_bag
from perception.world.config import WorldConfig
from perception.world.data_sets import DEFAULT_FORMATS, FORMATS, Wanted, drop_drafts, key_frame
from perception.world.recording import EPOCH_NS, REFERENCE_STEP_NS, SyntheticRecording
from perception.world.sensors.lidar import SWEEP_NS
from perception.world.shelf import LABELS

SIDECAR = "generated.json"  # marks a folder as one that this module wrote
KITTI, POSES, LOOPS = "ground_truth_kitti.txt", "poses", "loops.json"
REQUEST = "request.json"  # in the working folder: what it is the beginning of
BYTES_PER_SCAN = 2_000_000  # what a scan may take on the disk, with reserve
BYTES_PER_PIXEL = 2.4  # likewise of an image with all its labels, the copy in the bag included

Progress = Callable[[int, int], None]


def synthesise(
    out: Path,
    config: WorldConfig,
    progress: Progress | None = None,
    force: bool = False,
    formats: Collection[str] = DEFAULT_FORMATS,
) -> Path:
    """Record a generated world to the folder `out` and return it.

    The folder appears when it is complete: rosbag2 MCAP (zstd), `ground_truth.tum` (`T_odom_base` at 100 Hz),
    `world.yaml` (the configuration), a side-car, and with cameras the data sets named by `formats`. Until then the
    work lies in a hidden neighbour; the same call after an interruption goes on from there.
    Raises `InvalidInput` where `out` holds something already or the beginning of something else, unless `force` is
    set and this function wrote it, or where the disk is too full; `ConfigError` for an unknown format.
    """
    out = Path(out).resolve()
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown:
        raise ConfigError(f"format {unknown[0]!r}: is unknown; use {', '.join(FORMATS)}")
    _check_free(out, force)
    out.parent.mkdir(parents=True, exist_ok=True)
    recording = SyntheticRecording(config)
    _check_space(out.parent, recording)
    with _working_folder(out, config, formats, force) as folder:
        _record(folder, out.name, recording, formats, progress or (lambda done, total: None))
        _write_truth(folder, out.name, recording, formats)
        shutil.rmtree(folder / LABELS, ignore_errors=True)
        drop_drafts(folder)
        (folder / REQUEST).unlink()
        if out.exists():
            shutil.rmtree(out)
        folder.rename(out)
    return out


@contextmanager
def _working_folder(out: Path, config: WorldConfig, formats: Collection[str], force: bool) -> Iterator[Path]:
    """The folder in which a recording grows. It stays when the block fails, and is found again by the same request."""
    folder = out.with_name(f".{out.name}.part")
    request = json.dumps({"config": to_yaml(config), "formats": sorted(formats), "version": __version__})
    folder.mkdir(exist_ok=True)
    with _locked(folder, out):
        earlier = folder / REQUEST
        if earlier.is_file() and earlier.read_text(encoding="utf-8") != request:
            if not force:
                raise InvalidInput(
                    f"out {out}: {folder} holds the beginning of a recording with other settings; "
                    f"add --force to start anew, or repeat the earlier command to finish it"
                )
            for path in folder.iterdir():
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        write_atomic(earlier, request)
        yield folder


@contextmanager
def _locked(folder: Path, out: Path) -> Iterator[None]:
    """Hold a folder against other runs. Raises `InvalidInput` where one holds it."""
    with out.with_name(f".{out.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InvalidInput(f"out {out}: another run is writing it ({folder}); wait for it or stop it") from None
        try:
            yield
        finally:
            Path(lock.name).unlink(missing_ok=True)


def _check_free(out: Path, force: bool) -> None:
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    if not (out / SIDECAR).is_file():
        raise InvalidInput(f"out {out}: holds something that is not a generated recording; choose another folder")
    if not force:
        raise InvalidInput(f"out {out}: holds a generated recording already; add --force to replace it")


def _check_space(folder: Path, recording: SyntheticRecording) -> None:
    pixels = sum(camera.model.width * camera.model.height for camera in recording.cameras)
    need = int(recording.num_scans * BYTES_PER_SCAN + recording.num_pictures * pixels * BYTES_PER_PIXEL)
    free = shutil.disk_usage(folder).free
    if need > free:
        raise InvalidInput(
            f"out {folder}: {recording.config.duration:g} s may take {need / 1e9:.1f} GB, {free / 1e9:.1f} GB are "
            f"free; free some space or shorten --duration"
        )


def _record(
    folder: Path, name: str, recording: SyntheticRecording, formats: Collection[str], progress: Progress
) -> None:
    """Take the pictures, then write the bag, which needs them; a bag that was interrupted is begun again."""
    num_jobs, taken = 0, None
    if recording.cameras:
        from perception.world.capture import Studio

        studio = Studio(recording, folder, Wanted.from_names(formats))
        num_jobs = len(studio.jobs)
        studio.take_all(lambda done: progress(done, num_jobs + recording.num_scans))
        taken = Taken(studio.shelf, partial(key_frame, recording, folder))
    bag = folder / "bag" / name
    shutil.rmtree(bag.parent, ignore_errors=True)
    write_bag(bag, recording, taken, lambda done: progress(num_jobs + done, num_jobs + recording.num_scans))
    for file in bag.iterdir():
        file.replace(folder / file.name)
    shutil.rmtree(bag.parent)


def _write_truth(folder: Path, name: str, recording: SyntheticRecording, formats: Collection[str]) -> None:
    from perception.io.trajectories import write_kitti, write_tum

    write_tum(folder / "ground_truth.tum", recording.reference)
    ends_ns = SWEEP_NS * (1 + np.arange(recording.num_scans, dtype=np.int64))
    write_kitti(folder / KITTI, recording.vehicle.poses(ends_ns))
    for camera in recording.cameras:
        write_tum(folder / POSES / f"{camera.name}.tum", recording.picture_poses(camera))
    write_atomic(folder / LOOPS, json.dumps(_loops(recording), indent=1) + "\n")
    (folder / "world.yaml").write_text(to_yaml(recording.config), encoding="utf-8")
    facts = {
        "what": "A recording of a generated world, written by `perception synth`. All of it is made up.",
        "bag": f"{name}.mcap with metadata.yaml (rosbag2)",
        "topics": topics_of(recording.cameras),
        "points": "header.stamp is the start of a sweep; t is in ns after it; intensity 0 to 255",
        "ground_truth.tum": "T_odom_base: seconds x y z qx qy qz qw, odom has z up, base_link on the ground",
        KITTI: "T_odom_base at the end of every scan, twelve numbers a line",
        LOOPS: "pairs of times (ns) at which the robot is at the same place again, at 2 Hz, nearest first",
        "world.yaml": "the configuration; `perception synth --config world.yaml` writes the same bytes again",
        "scans": recording.num_scans,
        "triangles": len(recording.world.mesh),
    }
    if recording.cameras:
        facts["cameras"] = {camera.name: f"{recording.num_pictures} images" for camera in recording.cameras}
        facts["formats"] = {key: FORMATS[key] for key in FORMATS if key in formats}
        facts[f"{POSES}/"] = "T_odom_base at the stamp of each image, a TUM file for each camera"
        facts["stamps"] = f"image n of a camera is at {EPOCH_NS} ns + n / rate + its offset, the middle of the exposure"
    (folder / SIDECAR).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _loops(recording: SyntheticRecording) -> dict[str, list[list[int]]]:
    """Stamps of key frames that see the same place again."""
    from perception.world.truth.loops import loop_pairs
    from perception.world.truth.occupancy import KEY_FRAME_NS

    reference = recording.reference
    every = KEY_FRAME_NS // REFERENCE_STEP_NS
    stamps_ns, poses = reference.stamps_ns[::every], reference.poses[::every]
    return {"pairs": stamps_ns[loop_pairs(stamps_ns, poses)].tolist()}
