"""Replays a recording through a pipeline, item after item, so that the result does not depend on the machine."""

import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

from perception.core.errors import DataLoss, MapError
from perception.core.stamps import NS_PER_S
from perception.core.types import ImageFrame, ImuBatch, Scan, SensorRig
from perception.io.recording import Event
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.spec import Output, Pipeline, Worker
from slam.graph.sensors import AntennaFix, WheelTwist

Sink = Callable[[str, Any], None]


class Runner:
    """The stages of a pipeline joined by their streams, in one thread.

    Where a map cannot be written or read the item is lost to its stage and `lost` says so; everything else goes on.
    `stage_cpu_ns` holds the CPU time of every step of every stage that took a scan or wrote something.
    """

    def __init__(self, pipeline: Pipeline, config: PerceptionConfig, rig: SensorRig, sink: Sink) -> None:
        self.pipeline = pipeline
        self.workers: dict[str, Worker] = {stage.name: stage.make(config, rig) for stage in pipeline.stages}
        self.sink = sink
        self.lost: DataLoss | None = None
        self.stage_cpu_ns: dict[str, list[int]] = {stage.name: [] for stage in pipeline.stages}

    def feed(self, stream: str, item: Any) -> None:
        """Give one item to every stage that reads `stream`, and what they write to the next ones and to the sink."""
        for stage in self.pipeline.stages:
            if stage.takes(stream):
                start = time.thread_time_ns()
                outputs = self._outputs(stage.name, lambda worker: worker.step(stream, item))
                if outputs:
                    self.stage_cpu_ns[stage.name].append(time.thread_time_ns() - start)
                self._deliver(outputs)

    def finish(self) -> None:
        """The recording has ended: every stage gives what it held back."""
        for stage in self.pipeline.stages:
            self._deliver(self._outputs(stage.name, lambda worker: worker.finish()))

    def close(self) -> None:
        """Every stage lets go of its processes and files."""
        with ExitStack() as stack:  # each, also where one raises
            for worker in self.workers.values():
                stack.callback(worker.close)

    def counters(self) -> dict[str, dict[str, int]]:
        """Counters of every stage, by its name."""
        return {name: worker.counters() for name, worker in self.workers.items()}

    def notes(self) -> tuple[str, ...]:
        """What the stages want a reader of the results to know."""
        return tuple(note for worker in self.workers.values() for note in worker.notes())

    def _outputs(self, name: str, of: Callable[[Worker], Iterable[Output]]) -> list[Output]:
        try:
            return list(of(self.workers[name]))
        except MapError as error:
            self.lost = self.lost or DataLoss(f"{name}: {error}")
            return []

    def _deliver(self, outputs: Iterable[Output]) -> None:
        for stream, item in outputs:
            self.sink(stream, item)
            self.feed(stream, item)


STREAMS = {Scan: "scan", ImuBatch: "imu", ImageFrame: "image_raw", AntennaFix: "fix", WheelTwist: "wheels"}


def stream_of(event: Event) -> str:
    """The stream that an item of a recording belongs to."""
    return STREAMS[type(event)]


class Pace:
    """Holds a replay back to `rate` times real time; a rate of 0 never waits."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._start: tuple[int, float] | None = None

    def wait_for(self, stamp_ns: int) -> None:
        """Sleep until it is time for the item stamped `stamp_ns`."""
        if self.rate <= 0.0:
            return
        if self._start is None:
            self._start = (stamp_ns, time.monotonic())
        first_ns, start = self._start
        delay = start + (stamp_ns - first_ns) / NS_PER_S / self.rate - time.monotonic()
        if delay > 0.0:
            time.sleep(delay)
