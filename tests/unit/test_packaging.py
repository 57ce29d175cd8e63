"""What is installed, by pip and by colcon, and that the facts stated in several files agree."""

import ast
import os
import re
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest
from packaging.markers import Marker

import perception

ROOT = Path(__file__).resolve().parents[2]
TAGS = ("py310", "py311", "py312")
SHIPPED = ("perception", "slam", "nodes", "launch", "requirements")
SHIPPED_FILES = ("setup.py", "setup.cfg", "pyproject.toml", "package.xml", "MANIFEST.in", "LICENSE")
LEFT_BEHIND = shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
SITE_PACKAGES = str(Path(pytest.__file__).resolve().parents[1])


def names_in(file: str, python: str | None = None) -> dict[str, str]:
    """Distribution name -> version of a requirements file; comments and extras dropped, lines not for `python` too."""
    found = {}
    for line in (ROOT / "requirements" / file).read_text().splitlines():
        match = re.match(r"([A-Za-z0-9_.-]+)(?:\[[^]]*\])?([^;#]*)(?:;([^#]*))?", line)
        marker = Marker(match[3].strip()) if match and match[3] and python else None
        if marker is not None and not marker.evaluate({"python_version": python}):
            continue
        if match and not line.startswith("#"):
            found[match[1].lower()] = match[2].strip()
    return found


def node_names() -> list[str]:
    return [path.stem for path in sorted((ROOT / "nodes").glob("*_node.py"))]


def run(*command: str | Path, cwd: Path = ROOT, **env: str) -> str:
    """Output of a command that must succeed."""
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**os.environ, **env},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is shipped, so that building leaves nothing in the checkout."""
    target = tmp_path_factory.mktemp("sources") / "perception"
    for name in SHIPPED:
        shutil.copytree(ROOT / name, target / name, ignore=LEFT_BEHIND)
    for name in SHIPPED_FILES:
        shutil.copy2(ROOT / name, target)
    return target


def test_the_version_is_the_same_wherever_it_is_written() -> None:
    version = perception.__version__
    assert ElementTree.parse(ROOT / "package.xml").findtext("version") == version
    assert f'version="{version}"' in (ROOT / "setup.py").read_text()
    assert f"## {version}" in (ROOT / "CHANGELOG.md").read_text()


def test_package_xml_is_what_colcon_and_ros_ask_for() -> None:
    package = ElementTree.parse(ROOT / "package.xml").getroot()
    assert package.get("format") == "3"
    assert package.findtext("export/build_type") == "ament_python"
    assert package.findtext("license") == "Apache-2.0"
    assert re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", package.find("maintainer").get("email"))


def test_every_ros_package_that_the_nodes_import_is_a_dependency() -> None:
    declared = {item.text for item in ElementTree.parse(ROOT / "package.xml").iter("exec_depend")}
    imported = set()
    for path in (ROOT / "nodes").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add((node.module or "").partition(".")[0])
    ros = {name for name in imported if name.endswith(("_msgs", "_interfaces")) or name == "rclpy"}
    assert ros, "the nodes import rclpy"
    assert ros <= declared


@pytest.mark.parametrize("tag", TAGS)
def test_each_lock_pins_everything_that_is_asked_for(tag: str) -> None:
    for asked in ("base", "ros", "test", "bench"):
        lock = f"lock-{tag}.txt" if asked in ("base", "ros") else f"lock-{asked}-{tag}.txt"
        pinned = names_in(lock)
        assert set(names_in(f"{asked}.in", f"3.{tag[3:]}")) <= set(pinned), lock
        assert all(re.fullmatch(r"==\S+", version) for version in pinned.values())


@pytest.mark.parametrize("tag", TAGS)
def test_the_locks_of_one_python_agree(tag: str) -> None:
    base = names_in(f"lock-{tag}.txt")
    for part in ("test", "bench"):
        other = names_in(f"lock-{part}-{tag}.txt")
        assert {name: (base[name], other[name]) for name in base if base[name] != other.get(name, base[name])} == {}


def test_the_locks_name_no_host() -> None:
    for path in (ROOT / "requirements").glob("lock-*.txt"):
        assert "://" not in path.read_text(), path.name


def test_each_node_has_a_main_and_an_executable_launch_stub() -> None:
    assert {path.name for path in (ROOT / "nodes" / "scripts").iterdir()} == set(node_names()) != set()
    for name in node_names():
        tree = ast.parse((ROOT / "nodes" / f"{name}.py").read_text())
        assert any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body), name
        assert os.access(ROOT / "nodes" / "scripts" / name, os.X_OK), name


@pytest.mark.parametrize(
    "script", ["requirements/install.sh", "requirements/lock.sh", ".ci/run", "docker/entrypoint.sh"]
)
def test_each_shell_script_parses_and_is_executable(script: str) -> None:
    run("bash", "-n", ROOT / script)
    assert os.access(ROOT / script, os.X_OK)


def refusal(tmp_path: Path, version: str, rest: str = "exit 1") -> str:
    """What install.sh says on refusing an interpreter that claims to be of `version` and then does `rest`."""
    fake = tmp_path / "python"
    fake.write_text(f'#!/bin/sh\ncase "$2" in *version_info*) echo {version} ;; *) {rest} ;; esac\n')
    fake.chmod(0o755)
    command = [str(ROOT / "requirements" / "install.sh"), str(tmp_path / "venv")]
    done = subprocess.run(command, env={**os.environ, "PYTHON": str(fake)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert not (tmp_path / "venv").exists()
    return done.stderr


@pytest.mark.parametrize("version", ["3.9", "3.13"])
def test_set_up_with_an_unsupported_python_says_which_ones_are_supported(tmp_path: Path, version: str) -> None:
    message = refusal(tmp_path, version)
    assert version in message
    assert "3.10 3.11 3.12" in message


def test_set_up_without_the_venv_module_names_the_package_to_install(tmp_path: Path) -> None:
    assert "apt-get install python3-venv" in refusal(tmp_path, "3.11")


def test_set_up_does_not_replace_a_folder_that_is_no_environment(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "file").touch()
    command = [str(ROOT / "requirements" / "install.sh"), str(folder)]
    done = subprocess.run(command, env={**os.environ, "PYTHON": sys.executable}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "no virtual environment" in done.stderr
    assert (folder / "file").exists()


def files_of_the_packages(root: Path) -> set[str]:
    """Sources and the files beside them that the code may read at run time."""
    return {
        path.relative_to(root).as_posix()
        for package in ("perception", "slam", "nodes")
        for path in (root / package).rglob("*")
        if path.is_file() and not {"ros_interfaces", "scripts"} & set(path.parts)
    }


def test_the_wheel_holds_every_file_of_the_packages_and_what_ros_looks_for(sources: Path, tmp_path: Path) -> None:
    code = "import sys, setuptools.build_meta as b; b.build_wheel(sys.argv[1])"
    run(sys.executable, "-c", code, tmp_path, cwd=sources)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
        metadata = wheel.read(next(name for name in names if name.endswith("METADATA"))).decode()
    assert files_of_the_packages(sources) <= names
    foreign = [name for name in names if name.startswith(("tests", "benchmarks", "perception/ros_interfaces"))]
    assert {Path(name).suffix for name in foreign} == {".msg"}  # definitions that are read, nothing that is built
    data = {name.partition(".data/data/")[2] for name in names if ".data/data/" in name}
    assert "share/ament_index/resource_index/packages/perception" in data
    assert "share/perception/package.xml" in data
    assert {f"share/perception/launch/{path.name}" for path in (ROOT / "launch").glob("*.launch.py")} <= data
    assert {f"share/perception/rviz/{path.name}" for path in (ROOT / "launch/rviz").iterdir()} <= data
    assert {f"share/perception/config/{path.name}" for path in (ROOT / "perception/presets").glob("*.yaml")} <= data
    assert {f"lib/perception/{name}" for name in node_names()} <= data
    assert "Provides-Extra: ros" in metadata
    assert "Requires-Dist: numpy" in metadata


def test_the_source_archive_builds_again(sources: Path, tmp_path: Path) -> None:
    code = "import sys, setuptools.build_meta as b; getattr(b, sys.argv[1])(sys.argv[2])"
    run(sys.executable, "-c", code, "build_sdist", tmp_path, cwd=sources)
    shutil.unpack_archive(next(tmp_path.glob("*.tar.gz")), tmp_path)
    folder = next(path for path in tmp_path.iterdir() if path.is_dir())
    run(sys.executable, "-c", code, "build_wheel", tmp_path, cwd=folder)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert files_of_the_packages(sources) <= set(wheel.namelist())


@pytest.mark.long
def test_pip_install_gives_a_working_command_and_launchable_nodes(sources: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-deps", "--no-build-isolation", sources, PYTHONPATH=SITE_PACKAGES)
    where = run(python, "-c", "import slam; print(slam.__file__)", cwd=tmp_path, PYTHONPATH="")
    assert where.startswith(str(tmp_path))
    version = run(tmp_path / "venv/bin/perception", "--version", cwd=tmp_path, PYTHONPATH=SITE_PACKAGES)
    assert perception.__version__ in version
    for name in node_names():
        assert os.access(tmp_path / "venv/lib/perception" / name, os.X_OK)


@pytest.mark.long
@pytest.mark.parametrize("option", [(), ("--symlink-install",), ("--merge-install",)])
def test_colcon_builds_and_installs_the_package(sources: Path, tmp_path: Path, option: tuple[str, ...]) -> None:
    colcon = Path(sys.executable).parent / "colcon"
    if not colcon.exists():
        pytest.skip("colcon is not in this environment: make test-long installs it")
    run(colcon, "build", *option, "--base-paths", sources, cwd=tmp_path)
    prefix = tmp_path / "install" if "--merge-install" in option else tmp_path / "install" / "perception"
    expected = [
        "share/ament_index/resource_index/packages/perception",
        "share/perception/package.xml",
        "lib/perception/perception",
        *(f"lib/perception/{name}" for name in node_names()),
        *(f"share/perception/launch/{path.name}" for path in (ROOT / "launch").glob("*.launch.py")),
        "share/perception/rviz/odometry.rviz",
        *(f"share/perception/config/{path.name}" for path in (ROOT / "perception/presets").glob("*.yaml")),
    ]
    assert [name for name in expected if not (prefix / name).exists()] == []
    shell = "source install/setup.bash && python -c 'import slam; print(slam.__file__)'"
    where = run("bash", "-c", shell, cwd=tmp_path, PATH=f"{colcon.parent}:{os.environ['PATH']}")
    assert str(tmp_path) in where
