"""A Python that has the peers: this one where they are installed as pinned, else an environment made for them."""

import importlib.util
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.jobs import ROOT, JobFailed, child

PINS = ROOT / "requirements" / "bench.in"
FOLDER = ROOT / ".cache" / "bench-venv"


def pins() -> dict[str, str]:
    """Version of each peer, from `requirements/bench.in`."""
    found = re.findall(r"^([\w.-]+)==([\w.]+)", PINS.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(found)


def python_with_peers() -> str:
    """An interpreter that imports every pinned peer; makes an environment where needed. Raises `JobFailed`."""
    if all(_installed(name) == wanted for name, wanted in pins().items()):
        return sys.executable
    python = FOLDER / "bin" / "python"
    if not _complete(python):
        shutil.rmtree(FOLDER, ignore_errors=True)
        child([sys.executable, "-m", "venv", str(FOLDER)])
        child([*_installer(python), "-r", str(PINS), "numpy"])
    if not _complete(python):
        raise JobFailed(f"peers: {FOLDER} was made but does not hold {', '.join(pins())}; delete it and try again")
    return str(python)


def _installer(python: Path) -> list[str]:
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


def _complete(python: Path) -> bool:
    if not python.is_file():
        return False
    code = f"from importlib.metadata import version as v; assert all(v(n) == w for n, w in {pins()!r}.items())"
    return subprocess.run([str(python), "-c", code], capture_output=True, check=False).returncode == 0
