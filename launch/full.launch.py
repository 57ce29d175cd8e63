"""Starts the nodes that `nodes/description.py` describes; `perception run` starts the same without this tool."""

from launch import LaunchContext, LaunchDescription
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable, Shutdown
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import LifecycleNode, Node
from launch_ros.substitutions import FindPackageShare

from nodes.description import default_texts, describe, options_from_text


def generate_launch_description() -> LaunchDescription:
    """What `ros2 launch` asks for: every argument, and what to start with them."""
    arguments = [
        DeclareLaunchArgument(name, default_value=text, description=sentence)
        for name, (text, sentence) in default_texts().items()
    ]
    rviz = DeclareLaunchArgument("rviz", default_value="false", description="Also start rviz2.")
    return LaunchDescription([*arguments, rviz, OpaqueFunction(function=start)])


def start(context: LaunchContext) -> list[object]:
    """The nodes of the given arguments, the environment that they need, and rviz2 where it is wanted."""
    options = options_from_text({name: context.launch_configurations[name] for name in default_texts()})
    plan = describe(options)
    ends = {"respawn": True, "respawn_delay": 1.0} if options.respawn else {"on_exit": Shutdown()}
    nodes = [
        LifecycleNode(
            package="perception",
            executable=process.executable,
            name=process.name,
            namespace=process.namespace,
            parameters=[process.parameters],
            remappings=list(process.remappings.items()),
            output="screen",
            **ends,
        )
        for process in plan.processes
    ]
    variables = [SetEnvironmentVariable(name, value) for name, value in plan.environment.items()]
    return [*variables, *nodes, show(plan.view)]


def show(file: str) -> Node:
    """rviz2 with the topics of the nodes."""
    view = PathJoinSubstitution([FindPackageShare("perception"), "rviz", file])
    return Node(
        package="rviz2",
        executable="rviz2",
        arguments=["-d", view],
        condition=IfCondition(LaunchConfiguration("rviz")),
    )
