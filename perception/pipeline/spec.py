"""The words in which a pipeline is described: plain data that launch, replay and tests all read."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from perception.core.errors import ConfigError
from perception.core.health import Health

if TYPE_CHECKING:
    from perception.pipeline.config import PerceptionConfig

Output = tuple[str, Any]  # name of a stream, and the item written to it
MAX_SOURCES = 16  # of one stream, e.g. cameras of a robot


class Worker(Protocol):
    """What a stage does, free of threads and of ROS: items in, items out."""

    def step(self, stream: str, item: Any) -> Iterable[Output]:
        """Take one item of an input stream and return what it caused, in order."""

    def finish(self) -> Iterable[Output]:
        """The input has ended: return what was held back."""

    def reset(self) -> None:
        """Forget all state at once."""

    def health(self) -> Health:
        """State of the stage after the last item."""

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know, each a sentence."""

    def counters(self) -> dict[str, int]:
        """What was taken, dropped and refused so far, by name, for diagnostics."""

    def facts(self) -> dict[str, str]:
        """What it works with, by name, for diagnostics."""

    def close(self) -> None:
        """Let go of processes and files; nothing comes after it."""


@dataclass(frozen=True, slots=True)
class Inbox:
    """How items wait in front of a stage: `latest` keeps the newest of each source, `ordered` keeps the order."""

    kind: Literal["latest", "ordered"]
    capacity: int


def latest() -> Inbox:
    """The newest item of each source, such as a camera, wins; what it replaces is counted."""
    return Inbox("latest", MAX_SOURCES)


def ordered(capacity: int) -> Inbox:
    """In order, at most `capacity` items: for odometry and mapping."""
    return Inbox("ordered", capacity)


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of the pipeline: what it reads, what it writes, and how its input waits."""

    name: str
    make: Callable[["PerceptionConfig", Any], Worker]  # from the configuration and a `SensorRig`
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    inbox: Inbox
    deadline_ms: int  # an output older than this is reported as late
    needs_rig: bool = True  # False: live, `make` is given None and the places of the sensors are not awaited
    warm_up: Callable[[], None] = lambda: None  # compile or load what the first items would wait for
    on_demand: bool = False  # True: live, it works only while somebody listens to it or to a stage behind it
    is_enabled: Callable[["PerceptionConfig"], bool] = lambda config: True  # False: it is left out
    also_reads: tuple[str, ...] = ()  # streams that help where they are; it works without them
    on_restart: tuple[Output, ...] = ()  # live: what the stages behind are told when it begins anew
    forgets: tuple[str, ...] = ()  # live: streams whose waiting items mean nothing once it has begun anew

    def takes(self, stream: str) -> bool:
        """Whether items of `stream` are for it."""
        return stream in self.reads or stream in self.also_reads


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Stages in the order of the data flow."""

    stages: tuple[Stage, ...]

    def stage(self, name: str) -> Stage:
        """The stage called `name`; raises `ConfigError` listing the known ones."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise ConfigError(f"stage {name!r} is unknown; use {', '.join(stage.name for stage in self.stages)}")

    def only(self, names: Iterable[str]) -> "Pipeline":
        """The same pipeline with the named stages alone, in its own order."""
        wanted = [self.stage(name) for name in names]
        return Pipeline(tuple(stage for stage in self.stages if stage in wanted))

    def enabled(self, config: "PerceptionConfig") -> "Pipeline":
        """Only the stages that `config` wants."""
        return Pipeline(tuple(stage for stage in self.stages if stage.is_enabled(config)))

    def inputs(self) -> tuple[str, ...]:
        """Streams that must come from outside: from sensors or a recording."""
        written = {stream for stage in self.stages for stream in stage.writes}
        taken = (name for stage in self.stages for name in (*stage.reads, *stage.also_reads))
        return tuple(dict.fromkeys(name for name in taken if name not in written))

    def producing(self, streams: Iterable[str]) -> "Pipeline":
        """Only the stages without which `streams` could not be written: what nobody asks for is not computed."""
        wanted, kept = set(streams), []
        for stage in reversed(self.stages):
            if wanted.intersection(stage.writes):
                kept.append(stage)
                wanted.update(stage.reads)
        return Pipeline(tuple(reversed(kept)))

    def fed_by(self, streams: Iterable[str]) -> "Pipeline":
        """Only the stages whose input comes from `streams` or from a stage before them."""
        available, kept = set(streams), []
        for stage in self.stages:
            if available.issuperset(stage.reads):
                kept.append(stage)
                available.update(stage.writes)
        return Pipeline(tuple(kept))
