"""The peers of the detection benchmark: YOLO11n and YOLOv8n as ONNX files, made once by the wheel they come from.

Their environment takes 6 GB and replaces torch; it is made beside the files, outside the repository, and deleted.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.environment import installer, pins
from benchmarks.jobs import ROOT, SHOWN_ERROR, JobFailed
from benchmarks.options import BenchOptions

NAMES = ("yolo11n", "yolov8n")
SIDES = (640, 320)  # px
REQUIREMENTS = "bench-detection"
FOLDER_VARIABLE = "PERCEPTION_BENCH_DATA"
SECONDS = 1800  # for gigabytes to download and unpack


def data_folder() -> Path:
    """Where benchmarks keep what is made once: $PERCEPTION_BENCH_DATA, else in the user's cache."""
    return Path(os.environ.get(FOLDER_VARIABLE) or cache_folder())


def cache_folder() -> Path:
    """`perception/bench` in the user's cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "perception" / "bench"


def peer_file(name: str, side: int) -> Path:
    """The ONNX file of a peer for square inputs of `side` px: raw heads, weights at random, batch-norms folded."""
    name = f"{name}-{side}-{pins(REQUIREMENTS)['ultralytics']}.onnx"
    places = [folder / "peers" / name for folder in (data_folder(), cache_folder())]
    return next((place for place in places if place.is_file()), places[0])


def missing_peers() -> list[Path]:
    """Files that are not there yet."""
    return [file for name in NAMES for side in SIDES if not (file := peer_file(name, side)).is_file()]


def make_peers(options: BenchOptions) -> None:
    """Make the files that are missing. Raises `JobFailed`."""
    if not missing_peers():
        return
    folder = data_folder()
    folder.mkdir(parents=True, exist_ok=True)
    options.say("making the ONNX files of the peers: gigabytes to download, once")
    with tempfile.TemporaryDirectory(prefix="peers-", dir=folder) as name:
        python = _environment(Path(name))
        out = Path(name) / "models"
        out.mkdir()
        command = [str(python), str(ROOT / "benchmarks" / "detection_export_peers.py"), str(out), *map(str, SIDES)]
        _run([*command, *NAMES], Path(name))
        for peer in NAMES:
            for side in SIDES:
                file = peer_file(peer, side)
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(out / f"{peer}-{side}.onnx", file)


def _environment(folder: Path) -> Path:
    """The interpreter of an environment with the peers. The CPU build of torch is taken where its index is reached."""
    venv = folder / "venv"
    _run([sys.executable, "-m", "venv", str(venv)], folder)
    python = venv / "bin" / "python"
    install = [*installer(python), "-r", str(ROOT / "requirements" / f"{REQUIREMENTS}.in")]
    try:
        _run([*install, "--torch-backend", "cpu"], folder)  # an option of uv
    except JobFailed:
        _run(install, folder)
    return python


def _run(command: list[str], folder: Path) -> None:
    """Run a command whose caches and settings stay in `folder`. Raises `JobFailed`."""
    places = {"UV_CACHE_DIR": "uv", "PIP_CACHE_DIR": "pip", "YOLO_CONFIG_DIR": "settings", "MPLCONFIGDIR": "settings"}
    variables = {**os.environ, **{key: str(folder / name) for key, name in places.items()}, "YOLO_OFFLINE": "true"}
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    if done.returncode:
        raise JobFailed(f"{' '.join(command[1:4])}: exit code {done.returncode}: {done.stderr[-SHOWN_ERROR:]}")


if __name__ == "__main__":
    make_peers(BenchOptions(say=print))
