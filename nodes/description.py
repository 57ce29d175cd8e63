"""What is started: which processes, with which parameters, names and environment. Plain data, free of ROS.

`perception run` and `launch/full.launch.py` both read it; neither adds anything of its own.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from nodes import middleware
from perception.core.config import Config, fields, validated
from perception.core.errors import ConfigError
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL, live_streams
from perception.pipeline.presets import configured

SHARED_GROUPS = ("input", "publish")


class RunOptions(Config):
    """Arguments of the launch files and options of `perception run`; their defaults and help texts live here."""

    config: str = Field("", description="YAML file with overrides of the defaults.")
    preset: str = Field("", description="Name of a packaged preset.")
    overrides: tuple[str, ...] = Field((), description="Overrides a.b=c; in a launch argument separated by spaces.")
    placement: Literal["single", "split"] = Field(
        "single", description="single: all stages in one process; split: one process for each stage."
    )
    points: str = Field("", description="Topic of the point clouds; empty: input.lidar_topic, else points.")
    imu: str = Field("", description="Topic of the IMU; empty: input.imu_topic, else imu.")
    namespace: str = Field("", description="Namespace of the nodes and their relative topics.")
    use_sim_time: bool = Field(False, description="Take the time from /clock.")
    autostart: bool = Field(True, description="Configure and activate the nodes at once.")
    respawn: bool = Field(False, description="Start a node again when it dies or hangs; else everything ends with it.")
    network: bool = Field(False, description="Open the graph to other machines; else only this one takes part.")


@dataclass(frozen=True, slots=True)
class NodeProcess:
    """One process to start."""

    name: str
    executable: str  # in lib/perception, and the module of that name in `nodes`
    namespace: str
    parameters: dict[str, Any] = field(default_factory=dict)  # what differs from the defaults, dotted names
    remappings: dict[str, str] = field(default_factory=dict)

    def command(self) -> list[str]:
        """Command line that starts the process without ROS's launch tool."""
        arguments = ["-r", f"__node:={self.name}"]
        if self.namespace:
            arguments += ["-r", f"__ns:=/{self.namespace.strip('/')}"]
        for source, target in self.remappings.items():
            arguments += ["-r", f"{source}:={target}"]
        for name, value in self.parameters.items():
            arguments += ["-p", f"{name}:={json.dumps(value)}"]  # JSON is YAML that keeps text and numbers apart
        return [sys.executable, "-m", f"nodes.{self.executable}", "--ros-args", *arguments]


@dataclass(frozen=True, slots=True)
class Plan:
    """All processes, and the variables to set for them."""

    processes: tuple[NodeProcess, ...]
    environment: dict[str, str]
    view: str  # what RViz shows of them: a file in launch/rviz


def describe(options: RunOptions) -> Plan:
    """The processes that `options` ask for. Raises `ConfigError` for a wrong configuration before anything starts."""
    config = configured(Path(options.config) if options.config else None, options.preset or None, options.overrides)
    stages = tuple(stage.name for stage in FULL.stages)
    if options.placement == "single":
        processes = [_process("perception", "full_node", stages, config, options)]
    else:
        parts = FULL.enabled(config).fed_by(live_streams(config)).stages
        names = [part.name for part in parts]
        if "mapping" in names:
            names.remove("odometry")  # map -> odom belongs to the very odometry that mapping works on: one process
        processes = [_process(name, f"{name}_node", alone(name), config, options) for name in names]
    view = "mapping.rviz" if config.mapping.is_enabled else "odometry.rviz"
    return Plan(tuple(processes), middleware.environment(options.network), view)


def alone(name: str) -> tuple[str, ...]:
    """Stages in a process of the stage `name` alone: those that make its input of what sensors give run beside it."""
    return tuple(stage.name for stage in FULL.producing(FULL.stage(name).writes).stages)


def options_from_text(texts: Mapping[str, str]) -> RunOptions:
    """Options from launch arguments, which are text. Raises `ConfigError`."""
    values: dict[str, Any] = {}
    for option in fields(RunOptions):
        if option.path not in texts:
            continue
        text = texts[option.path]
        if option.annotation is bool:
            if text.lower() not in ("true", "false"):
                raise ConfigError(f"{option.path}: expected true or false, got {text!r}")
            values[option.path] = text.lower() == "true"
        else:
            values[option.path] = tuple(text.split()) if option.path == "overrides" else text
    return validated(RunOptions, values)


def default_texts() -> dict[str, tuple[str, str]]:
    """Name of every launch argument with its default as text and its sentence."""
    return {option.path: (_text(option.default), option.description) for option in fields(RunOptions)}


def _process(
    name: str, executable: str, stages: tuple[str, ...], config: PerceptionConfig, options: RunOptions
) -> NodeProcess:
    parameters = {"use_sim_time": options.use_sim_time, "autostart": options.autostart}
    parameters.update(changed_fields(config, (*SHARED_GROUPS, *stages)))
    topics = {"points": options.points or config.input.lidar_topic, "imu": options.imu or config.input.imu_topic}
    remappings = {source: target for source, target in topics.items() if target and target != source}
    return NodeProcess(name, executable, options.namespace, parameters, remappings)


def changed_fields(config: PerceptionConfig, groups: tuple[str, ...]) -> dict[str, Any]:
    """Fields of `groups` whose value is not the default, by dotted name, as values of ROS parameters."""
    values = {}
    for option in fields(PerceptionConfig):
        value: Any = config
        for part in option.path.split("."):
            value = getattr(value, part)
        if option.path.split(".")[0] in groups and value != option.default:
            values[option.path] = list(value) if isinstance(value, tuple) else value
    return values


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(value) if isinstance(value, tuple) else str(value)
