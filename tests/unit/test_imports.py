"""Who may import whom. The graph is read from the sources, so that an import inside a function counts as well."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
METHODS = ("inference", "networks", "detection", "segmentation", "occupancy", "lines")
BASE = ("core", "kernels")

# part -> parts of this repository that it may import besides itself
ALLOWED = {
    "core": (),
    "kernels": ("core",),
    "slam": (*BASE, "inference"),
    **dict.fromkeys(METHODS, (*BASE, "inference", "networks")),
    "place": (*BASE, "inference", "networks", "slam"),
    "mapping": (*BASE, "inference", "networks", "place", "slam"),
    "world": (*BASE, "io"),
    "io": (*BASE, *METHODS, "slam"),
    "evaluation": (*BASE, *METHODS, "mapping", "place", "slam", "io"),
    "pipeline": (*BASE, *METHODS, "mapping", "place", "slam", "io", "evaluation", "world", "progress"),
    "progress": (),
    "view": (*BASE, "io", "slam"),
    "nodes": (
        *BASE,
        *METHODS,
        "mapping",
        "slam",
        "io",
        "evaluation",
        "pipeline",
        "doctor",
    ),  # doctor: its facts, for nodes/doctor.py
    "training": (*BASE, "networks", "io", "place", "world", "evaluation"),
    "presets": (),
}
COMMANDS = ("cli", "commands", "__main__", "bench", "doctor", "compile")  # the top: may import every part

# package that only these files may import; True: no file of the product
ONLY_IN = {
    "rclpy": ("nodes/",),
    "torch": (
        "perception/inference/torch.py",
        "perception/inference/torch_device.py",
        "perception/networks/",
        "perception/training/",
    ),
    "tensorrt": ("perception/inference/tensorrt.py",),
    "onnxruntime": ("perception/inference/onnx.py",),
    "openvino": ("perception/inference/openvino.py",),
    "gtsam": ("slam/graph/",),
    "faiss": ("perception/place/index.py",),
    "tf2_ros": (),
    "cv_bridge": (),
    "evo": (),
    "kiss_icp": (),
    "rko_lio": (),
    "small_gicp": (),
    "open3d": (),
}


@dataclass(frozen=True)
class Import:
    path: str  # of the importing file, relative to the root
    line: int
    module: str  # dotted
    in_function: bool

    def __str__(self) -> str:
        return f"{self.path}:{self.line} imports {self.module}"


def imports_of(path: str, text: str) -> Iterator[Import]:
    """Every import in a source file, wherever it stands."""
    tree = ast.parse(text)
    inner = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield Import(path, node.lineno, name.name, id(node) in inner)
        elif isinstance(node, ast.ImportFrom):
            package = Path(path).with_suffix("").parts[: -node.level] if node.level else ()
            module = ".".join((*package, node.module) if node.module else package)
            for name in node.names:
                yield Import(path, node.lineno, f"{module}.{name.name}", id(node) in inner)


def part_of(module: str) -> str | None:
    """The part of this repository that holds a dotted name; None: not ours; "": a name of perception/__init__.py."""
    top, _, rest = module.partition(".")
    if top in ("slam", "nodes"):
        return top
    if top != "perception":
        return None
    name = rest.partition(".")[0]
    folder = ROOT / "perception"
    is_part = name in ALLOWED or name in COMMANDS or (folder / name).is_dir() or (folder / f"{name}.py").exists()
    return name if is_part else ""


def forbidden(item: Import) -> str | None:
    """Why an import breaks a rule, or None."""
    top = item.module.partition(".")[0]
    if top.endswith("_msgs") or top == "builtin_interfaces":
        top = "rclpy"
    if top in ONLY_IN and not item.path.startswith(ONLY_IN[top] or "-"):
        return f"{item}: only {', '.join(ONLY_IN[top]) or 'tests and benchmarks'} may"
    source, target = part_of(item.path.removesuffix(".py").replace("/", ".")), part_of(item.module)
    if top in ("tests", "benchmarks") and source not in COMMANDS:
        return f"{item}: the product knows no tests or benchmarks"
    if target in (None, "", source) or source == "":
        return None
    if source in COMMANDS:
        return f"{item}: inside the function that needs it" if target == "nodes" and not item.in_function else None
    if source not in ALLOWED:
        return f"{item}: perception.{source} has no rule; add it to ALLOWED"
    if target not in ALLOWED[source]:
        return f"{item}: {source} may import {', '.join(ALLOWED[source]) or 'nothing of ours'}"
    return None


def product_files() -> list[Path]:
    return [
        path
        for folder in ("perception", "slam", "nodes")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "ros_interfaces" not in path.parts
    ]


def test_no_file_of_the_product_imports_what_it_must_not() -> None:
    files = product_files()
    assert len(files) > 20
    broken = [
        reason
        for path in files
        for item in imports_of(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        if (reason := forbidden(item))
    ]
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("perception/core/types.py", "from perception.io import config"),
        ("perception/kernels/clouds.py", "import slam.state"),
        ("slam/odometry.py", "from perception.pipeline.spec import Stage"),
        ("slam/odometry.py", "def f():\n    from perception.io.config import InputConfig"),
        ("slam/odometry.py", "import rclpy"),
        ("perception/io/bags.py", "from sensor_msgs.msg import Imu"),
        ("perception/io/bags.py", "from perception.evaluation import report"),
        ("perception/evaluation/trajectory.py", "import evo"),
        ("slam/local_map.py", "def f():\n    import gtsam"),
        ("nodes/base.py", "from tf2_ros import Buffer"),
        ("perception/cli.py", "from nodes.process import main"),
        ("slam/registration.py", "from perception import cli"),
        ("slam/registration.py", "from tests.shared import shared"),
    ],
)
def test_a_forbidden_import_is_found(path: str, text: str) -> None:
    assert any(forbidden(item) for item in imports_of(path, text))


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("slam/odometry.py", "from perception.core.types import Scan\nfrom slam import state\nimport numpy"),
        ("slam/odometry.py", "from . import state"),
        ("nodes/messages.py", "from sensor_msgs.msg import Imu\nfrom perception.pipeline.full import FULL"),
        ("perception/cli.py", "def run():\n    from nodes.process import main"),
        ("perception/cli.py", "from perception import __version__"),
        ("slam/graph/solver.py", "import gtsam"),
    ],
)
def test_an_allowed_import_passes(path: str, text: str) -> None:
    assert not [reason for item in imports_of(path, text) if (reason := forbidden(item))]


@pytest.mark.parametrize("folder", ["launch", "docker"])
def test_folders_that_would_hide_other_packages_are_no_packages(folder: str) -> None:
    assert not (ROOT / folder / "__init__.py").exists()


def printed(code: str, **env: str) -> str:
    """What a fresh interpreter prints that runs `code` with almost no environment."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={"PATH": "/usr/bin", **env})
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded_by(statement: str) -> set[str]:
    """Top-level names in `sys.modules` after `statement` in a fresh interpreter."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    return set(printed(code).split())


def test_the_command_line_loads_nothing_heavy_before_a_command_runs() -> None:
    heavy = {"numpy", "scipy", "numba", "pydantic", "rclpy", "cv2", "gtsam", "faiss", "rosbags", "plotly", "yaml"}
    assert not loaded_by("import perception.cli") & heavy


def test_the_odometry_loads_neither_ros_nor_the_viewers() -> None:
    assert not loaded_by("import slam.odometry") & {"rclpy", "cv2", "gtsam", "faiss", "rosbags", "plotly", "torch"}


def test_the_threading_settings_stand_before_numba_is_imported() -> None:
    code = "import perception, os; print(os.environ['NUMBA_THREADING_LAYER'], os.environ['OMP_WAIT_POLICY'])"
    assert printed(code).split() == ["omp", "PASSIVE"]


def test_settings_of_the_user_win_over_ours() -> None:
    code = "import perception, os; print(os.environ['NUMBA_THREADING_LAYER'])"
    assert printed(code, NUMBA_THREADING_LAYER="tbb").strip() == "tbb"
