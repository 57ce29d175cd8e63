"""Records a generated world to a folder: a bag, the truth beside it, and data sets in the formats of the field."""

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from perception.core.config import to_yaml
from perception.core.errors import InvalidInput
from perception.world.bag import topics_of, write_bag
from perception.world.config import WorldConfig
from perception.world.recording import SyntheticRecording
from perception.world.shelf import Shelf

SIDECAR = "generated.json"  # marks a folder as one that this module wrote
BYTES_PER_SCAN = 2_000_000  # what a scan may take on the disk, with reserve


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
        recording = SyntheticRecording(config)
        write_bag(made, recording, Shelf(made), progress or (lambda done, total: None))
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


def _write_truth(folder: Path, recording: SyntheticRecording) -> None:
    from perception.io.trajectories import write_tum

    write_tum(folder / "ground_truth.tum", recording.reference)
    (folder / "world.yaml").write_text(to_yaml(recording.config), encoding="utf-8")
    facts = {
        "what": "A recording of a generated world, written by `perception synth`. All of it is made up.",
        "bag": f"{folder.name}.mcap with metadata.yaml (rosbag2)",
        "topics": topics_of(recording.cameras),
        "points": "header.stamp is the start of a sweep; t is in ns after it; intensity 0 to 255",
        "ground_truth.tum": "T_odom_base: seconds x y z qx qy qz qw, odom has z up, base_link on the ground",
        "world.yaml": "the configuration; `perception synth --config world.yaml` writes the same bytes again",
        "scans": recording.num_scans,
        "triangles": len(recording.world.mesh),
    }
    (folder / SIDECAR).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
