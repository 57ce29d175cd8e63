"""A Python that has the peers: this one where they are installed as pinned, else an environment made for them."""

import importlib.util
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.jobs import ROOT, JobFailed, child

PEERS = "bench"  # the peers of the odometry; `requirements/<name>.in` holds the pins of each set
PIN = r'^([\w.-]+)==([\w.]+)(?:\s*;\s*python_version\s*<\s*"([\d.]+)")?'


def pins(peers: str = PEERS) -> dict[str, str]:
    """Version of each peer of a set that this Python can have, from its requirements."""
    found = re.findall(PIN, _file(peers).read_text(encoding="utf-8"), flags=re.MULTILINE)
    here = sys.version_info[:2]
    return {name: version for name, version, below in found if not below or here < tuple(map(int, below.split(".")))}


def python_with_peers(peers: str = PEERS) -> str:
    """An interpreter that imports every peer of a set; makes an environment where needed. Raises `JobFailed`."""
    wanted = pins(peers)
    if all(_installed(name) == version for name, version in wanted.items()):
        return sys.executable
    folder = ROOT / ".cache" / f"{peers}-venv"
    python = folder / "bin" / "python"
    if not _complete(python, wanted):
        shutil.rmtree(folder, ignore_errors=True)
        child([sys.executable, "-m", "venv", str(folder)])
        child([*installer(python), "-r", str(_file(peers)), "numpy"])
    if not _complete(python, wanted):
        raise JobFailed(f"peers: {folder} was made but does not hold {', '.join(wanted)}; delete it and try again")
    return str(python)


def _file(peers: str) -> Path:
    return ROOT / "requirements" / f"{peers}.in"


def installer(python: Path) -> list[str]:
    """The command that installs into the environment of `python`: uv where there is one, else pip."""
    uv = Path(sys.executable).with_name("uv")
    if uv.is_file():
        return [str(uv), "pip", "install", "--quiet", "--python", str(python)]
    if importlib.util.find_spec("uv"):
        return [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--python", str(python)]
    return [str(python), "-m", "pip", "install", "--quiet"]


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _complete(python: Path, wanted: dict[str, str]) -> bool:
    if not python.is_file():
        return False
    code = f"from importlib.metadata import version as v; assert all(v(n) == w for n, w in {wanted!r}.items())"
    return subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
