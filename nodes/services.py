"""Services whose answers come later, from another thread.

The executors of this version cannot wait for an answer: EventsExecutor knows no coroutines, and a callback that waits
holds up all others. So the callback only takes the request; `send_response`, which the executor calls next with the
address of the caller, begins the work, and the answer is sent when it is there.
"""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.lifecycle import LifecycleNode

Handle = Callable[[Any, Any, Callable[[Any], None]], None]  # request, empty response, what sends it


class LateService:
    """A service that hands each request to `handle`, which has the response sent whenever it is filled."""

    def __init__(self, node: LifecycleNode, kind: type, name: str, handle: Handle) -> None:
        self.node, self._handle, self._request = node, handle, None
        self.service = node.create_service(kind, name, self._take)
        self._send = self.service.send_response
        self.service.send_response = self._begin  # type: ignore[method-assign, assignment]

    def destroy(self) -> None:
        """Take the service back."""
        self.node.destroy_service(self.service)

    def _take(self, request: Any, response: Any) -> Any:
        self._request = request
        return response

    def _begin(self, response: Any, address: Any) -> None:
        self._handle(self._request, response, partial(self._answer, address))

    def _answer(self, address: Any, response: Any) -> None:
        """Send it; that the caller is gone, or the service, is no matter of the thread that has the answer."""
        try:
            self._send(response, address)
        except Exception as error:
            self.node.get_logger().warning(f"{self.service.srv_name}: the answer could not be sent: {error}")


class Question:
    """Something that was asked of another thread: answered once, by it, by a time limit or by the end."""

    def __init__(self, name: str, deadline_ns: int, on_answer: Callable[["Question", bool, str], None]) -> None:
        self.name, self.deadline_ns = name, deadline_ns
        self._on_answer, self._lock, self._is_open = on_answer, threading.Lock(), True

    def answer(self, is_done: bool, text: str) -> None:
        """The answer; every later one is ignored."""
        with self._lock:
            is_first, self._is_open = self._is_open, False
        if is_first:
            self._on_answer(self, is_done, text)


class Questions:
    """Those that wait for an answer."""

    def __init__(self) -> None:
        self._open: list[Question] = []
        self._lock = threading.Lock()
        self.newest = ""  # the last answer, for diagnostics

    def ask(self, name: str, deadline_ns: int, then: Callable[[bool, str], None]) -> Question:
        """A new question; `then` is called with its answer, in whatever thread gives it."""
        question = Question(name, deadline_ns, partial(self._answered, then))
        with self._lock:
            self._open.append(question)
        return question

    def expire(self, now_ns: int, text: str) -> None:
        """Those whose time is over are answered with `text`, which is no success."""
        for question in [question for question in self._open if question.deadline_ns <= now_ns]:
            question.answer(False, text)

    def end(self, text: str) -> None:
        """All are answered with `text`."""
        for question in list(self._open):
            question.answer(False, text)

    def _answered(self, then: Callable[[bool, str], None], question: Question, is_done: bool, text: str) -> None:
        with self._lock:
            self._open.remove(question)
        self.newest = f"{question.name}: {text if is_done else f'refused: {text}'}"
        then(is_done, text)
