"""Late answers over a real graph, with every executor that a node may be run with."""

import threading
import time

import pytest
from rclpy.executors import MultiThreadedExecutor, SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from std_srvs.srv import Trigger

from nodes.services import LateService
from tests.contract.graph import WAIT, wait_for


@pytest.mark.parametrize("kind", [EventsExecutor, SingleThreadedExecutor, MultiThreadedExecutor])
def test_callbacks_go_on_while_answers_are_awaited_and_each_comes_to_its_caller(robot, kind):
    node, ticks, waiting = Node("late"), [], []
    LateService(node, Trigger, "~/ask", lambda request, response, send: waiting.append((response, send)))
    node.create_timer(0.01, lambda: ticks.append(1))
    executor, stop = kind(), threading.Event()
    executor.add_node(node)

    def spin():
        while not stop.is_set():
            executor.spin_once(timeout_sec=0.05)

    thread = threading.Thread(target=spin, daemon=True)
    thread.start()
    try:
        client = robot.node.create_client(Trigger, "/late/ask")
        assert client.wait_for_service(WAIT)
        asked = [client.call_async(Trigger.Request()) for _ in range(3)]
        wait_for(lambda: len(waiting) == 3, "the requests")
        num_ticks = len(ticks)
        time.sleep(0.3)
        assert len(ticks) > num_ticks + 5
        assert not any(future.done() for future in asked)
        for number, (response, send) in reversed(list(enumerate(waiting))):
            response.success, response.message = True, str(number)
            send(response)
        wait_for(lambda: all(future.done() for future in asked), "the answers")
        assert sorted(future.result().message for future in asked) == ["0", "1", "2"]
    finally:
        stop.set()
        thread.join()
        executor.shutdown()
        node.destroy_node()
