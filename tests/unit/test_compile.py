"""Kernels compiled ahead: which modules, anew after a change, and into a cache that later processes use."""

import subprocess
import sys
from pathlib import Path

import pytest

from perception import compile as ahead

ROOT = Path(__file__).resolve().parents[2]
INNER = "from numba import njit\n\n@njit(cache=True)\ndef number():\n    return {}\n"
OUTER = """
from numba import njit
from kernels_here.inner import number

@njit(cache=True)
def doubled():
    return 2 * number()

def warm_up():
    doubled()
"""


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with a kernel that calls one in another file."""
    folder = tmp_path / "kernels_here"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "inner.py").write_text(INNER.format(1))
    (folder / "outer.py").write_text(OUTER)
    return folder


def compiled_value(package: Path) -> int:
    """Compile ahead in a process of its own, then call the kernel."""
    code = (
        "from perception import compile as ahead\n"
        "ahead.PACKAGES = ('kernels_here',)\n"
        "print(*(name for name, _ in ahead.compile_all()))\n"
        "from kernels_here.outer import doubled\n"
        "print(doubled())"
    )
    env = {"PATH": "/usr/bin", "PYTHONPATH": f"{package.parent}:{ROOT}"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    names, value = done.stdout.split()
    assert names == "kernels_here.outer"
    return int(value)


def test_a_change_of_a_kernel_in_another_file_is_not_missed(package: Path) -> None:
    assert compiled_value(package) == 2
    (package / "inner.py").write_text(INNER.format(21))
    assert compiled_value(package) == 42


def test_the_machine_code_lies_beside_the_sources(package: Path) -> None:
    compiled_value(package)
    assert list((package / "__pycache__").glob("outer.doubled*.nbc"))


def test_the_kernels_of_the_odometry_are_found() -> None:
    assert "slam.kernels" in set(ahead.kernel_modules())


@pytest.mark.long
def test_every_kernel_is_compiled_ahead(tmp_path: Path) -> None:
    """But for those that are part of their callers, and those for several threads, which are not the default."""
    code = (
        "import importlib, pathlib\n"
        "from numba.core.dispatcher import Dispatcher\n"
        "from perception import compile as ahead\n"
        "ahead.drop_cached = lambda: None\n"
        "list(ahead.compile_all())\n"
        "for name in ahead.PACKAGES:\n"
        "    for path in pathlib.Path(name).rglob('*.py'):\n"
        "        if 'njit' in path.read_text() and 'ros_interfaces' not in path.parts:\n"
        "            module = importlib.import_module('.'.join(path.with_suffix('').parts))\n"
        "            for key, value in vars(module).items():\n"
        "                if isinstance(value, Dispatcher) and not value.signatures:\n"
        "                    if value.targetoptions.get('inline') != 'always' and not key.endswith('_parallel'):\n"
        "                        print(module.__name__, key)\n"
    )
    env = {"PATH": "/usr/bin", "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
