"""Plays a recording to the nodes of `full.launch.py`, in simulated time, and ends with it."""

import sys

from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
    SetEnvironmentVariable,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import PathJoinSubstitution, ThisLaunchFileDir

from nodes.description import default_texts, options_from_text
from nodes.middleware import environment

PLAY_ARGUMENTS = {
    "bag": (None, "The recording to play."),
    "rate": ("1.0", "Times real time."),
    "wait": ("30.0", "Longest time (s) to wait until the nodes listen."),
}


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` asks for: every argument, the nodes and the player."""
    texts = {**default_texts(), "use_sim_time": ("true", default_texts()["use_sim_time"][1])}
    arguments = [
        DeclareLaunchArgument(name, default_value=text, description=sentence)
        for name, (text, sentence) in {**PLAY_ARGUMENTS, **texts}.items()
    ]
    full = PythonLaunchDescriptionSource(PathJoinSubstitution([ThisLaunchFileDir(), "full.launch.py"]))
    return LaunchDescription([*arguments, IncludeLaunchDescription(full), OpaqueFunction(function=play)])


def play(context: LaunchContext) -> list[object]:
    """The player, in the environment of the nodes."""
    given = context.launch_configurations
    options = options_from_text({name: given[name] for name in default_texts()})
    command = [
        sys.executable,
        "-m",
        "perception",
        "play",
        given["bag"],
        "--rate",
        given["rate"],
        "--wait",
        given["wait"],
    ]
    if options.network:
        command.append("--network")
    variables = [SetEnvironmentVariable(name, value) for name, value in environment(options.network).items()]
    return [*variables, ExecuteProcess(cmd=command, output="screen", on_exit=Shutdown())]
