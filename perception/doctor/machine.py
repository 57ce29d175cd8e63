"""Gathers the facts that `installation.py` judges."""

import os
import shutil
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from xml.etree import ElementTree

from perception.doctor.installation import InstallationFacts, Package, SharedMemory

ROOT = Path(__file__).resolve().parents[2]  # of the checkout, or site-packages
SHARED_MEMORY = Path("/dev/shm")
DEFAULT_SEGMENT = 32 * 2**20  # bytes


def probe() -> InstallationFacts:
    """Facts about this machine, this interpreter and its environment."""
    import psutil

    variables = {name: value for name, value in os.environ.items() if name.isupper()}
    distributions = {_canonical(d.name): d.version for d in metadata.distributions() if d.name}
    folder, files = kernel_cache(variables)
    return InstallationFacts(
        python=sys.version_info[:3],
        executable=sys.executable,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        prefix=sys.prefix,
        memory=psutil.virtual_memory().total,
        packages=tuple(_packages(distributions)),
        distributions=distributions,
        environment=variables,
        shared_memory=_shared_memory(),
        has_libusb=_has_libusb(),
        cache_folder=str(folder),
        cache_is_writable=_is_writable(folder),
        num_cached=files,
        ros_errors=_ros_errors(),
    )


def kernel_cache(variables: dict[str, str]) -> tuple[Path, int]:
    """Where Numba keeps compiled kernels by its own rules, and how many are there for this Python."""
    tag = f".py{sys.version_info.major}{sys.version_info.minor}."
    beside = [ROOT / "slam", ROOT / "perception"]
    if variables.get("NUMBA_CACHE_DIR"):
        folders = [Path(variables["NUMBA_CACHE_DIR"])]
    elif os.access(beside[0], os.W_OK):
        folders = beside
    else:
        folders = [Path(variables.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "numba"]
    files = (path for folder in folders for path in folder.rglob("*.nbi"))
    return folders[0], sum(tag in path.name for path in files)


def requirement_lines() -> Iterator[str]:
    """Requirements of this project with their extras as markers: of the installed package, else of the checkout."""
    try:
        lines = metadata.requires("perception")
    except metadata.PackageNotFoundError:
        lines = None
    if lines:
        yield from lines
        return
    for file in sorted((ROOT / "requirements").glob("*.in")):
        for line in file.read_text(encoding="utf-8").splitlines():
            wanted, _, marker = line.partition("#")[0].strip().partition(";")
            if wanted:
                extra = "" if file.stem == "base" else f'extra == "{file.stem}"'
                marker = " and ".join(f"({part.strip()})" for part in (marker, extra) if part.strip())
                yield wanted.strip() + (f"; {marker}" if marker else "")


def _packages(distributions: dict[str, str]) -> Iterator[Package]:
    from packaging.requirements import Requirement

    for line in requirement_lines():
        wanted = Requirement(line)
        extra = _extra_of(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        version = distributions.get(_canonical(wanted.name))
        fits = version is not None and wanted.specifier.contains(version, prereleases=True)
        yield Package(_canonical(wanted.name), str(wanted.specifier), extra, version, fits)


def _extra_of(line: str) -> str:
    _, found, rest = line.partition("extra ==")
    return rest.split("'" if "'" in rest else '"')[1] if found else ""


def _canonical(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _shared_memory() -> SharedMemory | None:
    if not SHARED_MEMORY.is_dir():
        return None
    usage = shutil.disk_usage(SHARED_MEMORY)
    num_left = sum(1 for _ in SHARED_MEMORY.glob("fastrtps_*"))
    return SharedMemory(usage.total, usage.free, _segment_size(), num_left)


def _segment_size() -> int:
    """Bytes of the shared-memory segment in our Fast DDS profile."""
    from nodes.middleware import profile_file

    for element in ElementTree.parse(profile_file()).iter():
        if element.tag.endswith("segment_size") and element.text:
            return int(element.text)
    return DEFAULT_SEGMENT


def _has_libusb() -> bool:
    import ctypes

    try:
        ctypes.CDLL("libusb-1.0.so.0")
    except OSError:
        return False
    return True


def _is_writable(folder: Path) -> bool:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return os.access(folder, os.W_OK)


def _ros_errors() -> dict[str, str]:
    from nodes.doctor import import_errors

    return import_errors()
