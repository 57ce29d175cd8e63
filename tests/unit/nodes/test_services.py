import threading
from types import SimpleNamespace

import pytest

pytest.importorskip("rclpy", reason="rclpy is not installed")

from nodes.services import LateService, Questions

MOMENT = 100


@pytest.fixture
def told():
    return []


def ask(questions, told, name="load", deadline_ns=MOMENT):
    return questions.ask(name, deadline_ns, lambda is_done, text: told.append((name, is_done, text)))


def test_a_question_is_answered_once(told):
    questions = Questions()
    question = ask(questions, told)
    question.answer(True, "yes")
    question.answer(False, "no")
    questions.end("over")
    assert told == [("load", True, "yes")]
    assert questions.newest == "load: yes"


def test_a_question_whose_time_is_over_is_answered_for_mapping(told):
    questions = Questions()
    early, late = ask(questions, told, "save", MOMENT), ask(questions, told, "load", 2 * MOMENT)
    questions.expire(MOMENT - 1, "too late")
    assert not told
    questions.expire(MOMENT, "too late")
    early.answer(True, "after all")
    late.answer(True, "in time")
    assert told == [("save", False, "too late"), ("load", True, "in time")]


def test_the_end_answers_all_that_wait(told):
    questions = Questions()
    for name in ("save", "load"):
        ask(questions, told, name)
    questions.end("the node was deactivated")
    assert sorted(told) == [(name, False, "the node was deactivated") for name in ("load", "save")]
    assert questions.newest.endswith("refused: the node was deactivated")


def test_answers_of_many_threads_are_one(told):
    questions = Questions()
    for _ in range(50):
        question = ask(questions, told)
        threads = [threading.Thread(target=question.answer, args=(True, str(i))) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(told) == 50


class FakeService:
    srv_name = "/mapping/ask"

    def __init__(self, callback):
        self.callback, self.sent = callback, []

    def send_response(self, response, address):
        if address == "gone":
            raise RuntimeError("client will not receive response")
        self.sent.append((response, address))


class FakeNode:
    def __init__(self):
        self.warnings = []

    def create_service(self, kind, name, callback):
        self.service = FakeService(callback)
        return self.service

    def get_logger(self):
        return SimpleNamespace(warning=self.warnings.append)


def serve(service, request, address):
    """What an executor does with a request."""
    service.send_response(service.callback(request, {}), address)


def test_each_caller_gets_the_answer_to_its_own_request_whenever_it_comes():
    node, waiting = FakeNode(), []
    LateService(node, object, "~/ask", lambda request, response, send: waiting.append((request, response, send)))
    for number in range(3):
        serve(node.service, number, f"caller {number}")
    assert node.service.sent == []
    for request, response, send in reversed(waiting):
        response["answer"] = request
        send(response)
    assert node.service.sent == [({"answer": n}, f"caller {n}") for n in (2, 1, 0)]


def test_a_caller_that_is_gone_does_not_hurt_the_thread_that_answers():
    node, waiting = FakeNode(), []
    LateService(node, object, "~/ask", lambda request, response, send: waiting.append((response, send)))
    serve(node.service, 0, "gone")
    response, send = waiting[0]
    send(response)
    assert node.warnings == ["/mapping/ask: the answer could not be sent: client will not receive response"]
