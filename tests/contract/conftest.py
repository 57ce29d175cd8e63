import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")


@pytest.fixture
def robot(tmp_path):
    """A robot in a graph of its own."""
    from tests.contract import graph

    with graph.ros(tmp_path):
        robot = graph.Robot()
        with graph.spinning(robot.node):
            yield robot
        robot.node.destroy_node()
