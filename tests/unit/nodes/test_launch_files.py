"""The launch files are held against the description by stand-ins that record, and by the real tool where it is."""

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from nodes.description import default_texts
from nodes.middleware import PROFILE_VARIABLE

LAUNCH = Path(__file__).resolve().parents[3] / "launch"
NAMES = {
    "launch": ("LaunchContext", "LaunchDescription"),
    "launch.actions": (
        "DeclareLaunchArgument",
        "ExecuteProcess",
        "IncludeLaunchDescription",
        "OpaqueFunction",
        "SetEnvironmentVariable",
        "Shutdown",
    ),
    "launch.conditions": ("IfCondition",),
    "launch.launch_description_sources": ("PythonLaunchDescriptionSource",),
    "launch.substitutions": ("LaunchConfiguration", "PathJoinSubstitution", "ThisLaunchFileDir"),
    "launch_ros": (),
    "launch_ros.actions": ("LifecycleNode", "Node"),
    "launch_ros.substitutions": ("FindPackageShare",),
}


@dataclass
class Recorded:
    """One thing that a launch file made, with what it was given."""

    kind: str
    args: tuple = ()
    given: dict = field(default_factory=dict)


@pytest.fixture
def stand_ins(monkeypatch):
    for name, kinds in NAMES.items():
        module = ModuleType(name)
        for kind in kinds:
            setattr(module, kind, lambda *args, _kind=kind, **given: Recorded(_kind, args, given))
        module.__path__ = []
        monkeypatch.setitem(sys.modules, name, module)


def load(name):
    spec = importlib.util.spec_from_file_location(name.replace(".", "_"), LAUNCH / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entities(name):
    return load(name).generate_launch_description().args[0]


def declared(name):
    return {e.args[0]: e.given["default_value"] for e in entities(name) if e.kind == "DeclareLaunchArgument"}


def started(name, **given):
    """What the launch file starts with these arguments, by kind."""
    texts = {key: text for key, text in declared(name).items() if text is not None}
    context = SimpleNamespace(launch_configurations={**texts, **given})
    (function,) = [e.given["function"] for e in entities(name) if e.kind == "OpaqueFunction"]
    actions = function(context)
    return {kind: [a for a in actions if a.kind == kind] for kind in {a.kind for a in actions}}


def test_launch_folder_is_no_package():
    assert not (LAUNCH / "__init__.py").exists()


@pytest.mark.parametrize("name", ["full.launch.py", "replay.launch.py"])
def test_every_option_is_an_argument_with_a_sentence(stand_ins, name):
    arguments = [e for e in entities(name) if e.kind == "DeclareLaunchArgument"]
    assert set(default_texts()) <= {argument.args[0] for argument in arguments}
    assert all(argument.given["description"].endswith(".") for argument in arguments)


def test_full_starts_the_described_node_with_the_profile(stand_ins):
    actions = started("full.launch.py")
    (node,) = actions["LifecycleNode"]
    assert (node.given["package"], node.given["executable"], node.given["name"]) == (
        "perception",
        "full_node",
        "perception",
    )
    assert node.given["parameters"] == [{"use_sim_time": False, "autostart": True}]
    assert node.given["on_exit"].kind == "Shutdown"
    assert PROFILE_VARIABLE in {action.args[0] for action in actions["SetEnvironmentVariable"]}


def test_full_passes_its_arguments_on(stand_ins):
    actions = started(
        "full.launch.py",
        placement="split",
        points="/os/points",
        namespace="robot",
        respawn="true",
        overrides="odometry.time.max_gap=2.5",
    )
    (node,) = actions["LifecycleNode"]
    assert (node.given["executable"], node.given["namespace"]) == ("odometry_node", "robot")
    assert node.given["remappings"] == [("points", "/os/points")]
    assert node.given["parameters"][0]["odometry.time.max_gap"] == 2.5
    assert node.given["respawn"] is True
    assert "on_exit" not in node.given


def test_rviz_shows_the_map_where_one_is_made(stand_ins):
    def view(**given):
        (rviz,) = started("full.launch.py", **given)["Node"]
        return rviz.given["arguments"][1].args[0][-1]

    assert view() == "odometry.rviz"
    assert view(overrides="mapping.is_enabled=true") == "mapping.rviz"
    assert all((LAUNCH / "rviz" / name).is_file() for name in ("odometry.rviz", "mapping.rviz"))


def test_executables_of_the_description_are_installed_stubs_and_modules():
    for name in ("full_node", "odometry_node", "mapping_node"):
        stub = LAUNCH.parent / "nodes" / "scripts" / name
        assert stub.stat().st_mode & 0o111
        assert 'nodes.$(basename "$0")' in stub.read_text()
        assert (LAUNCH.parent / "nodes" / f"{name}.py").is_file()


def test_replay_plays_the_bag_in_simulated_time_and_ends_with_it(stand_ins):
    assert declared("replay.launch.py")["use_sim_time"] == "true"
    (player,) = started("replay.launch.py", bag="drive.mcap", rate="2.0")["ExecuteProcess"]
    assert player.given["cmd"][1:6] == ["-m", "perception", "play", "drive.mcap", "--rate"]
    assert player.given["on_exit"].kind == "Shutdown"
    assert any(e.kind == "IncludeLaunchDescription" for e in entities("replay.launch.py"))


@pytest.mark.parametrize("name", ["full.launch.py", "replay.launch.py"])
def test_real_launch_tool_accepts_the_file(name):
    pytest.importorskip("launch_ros", reason="ROS's launch tool is not installed")
    from launch import LaunchContext
    from launch.actions import OpaqueFunction

    description = load(name).generate_launch_description()
    context = LaunchContext()
    for action in description.entities:
        if action.__class__.__name__ == "DeclareLaunchArgument":
            context.launch_configurations[action.name] = "x" if action.name == "bag" else ""
            if action.default_value is not None:
                action.execute(context)
    for action in description.entities:
        if isinstance(action, OpaqueFunction):
            assert action.execute(context)
