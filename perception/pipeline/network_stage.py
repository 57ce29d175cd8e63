"""What the stages of detectors share: one detector for all cameras, loaded with the first image."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable
from typing import Any

from perception.core.errors import ModelError, PerceptionError
from perception.core.health import OK, Health, Level
from perception.core.types import ImageFrame
from perception.pipeline.spec import Output

FAILING = 3  # images in a row whose answers are refused: the stage says that it has failed


class NetworkStage(ABC):
    """One detector for the images of all cameras.

    It is loaded when the first image comes. Where that fails, the stage raises the reason at every image until it is
    made anew; other stages go on.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self._detector: Any = None
        self._refusal: PerceptionError | None = None  # why there is no detector
        self._wrong = ("", 0)  # why the newest answer was refused, and how many were in a row

    @abstractmethod
    def _opened(self, size: tuple[int, int]) -> Any:
        """The detector for images of `size` (height, width). Raises what a model or a backend refuses."""

    @abstractmethod
    def _outputs(self, item: ImageFrame, found: Any) -> Iterable[Output]:
        """What the stage writes of what was found in an image."""

    def step(self, stream: str, item: ImageFrame) -> Iterable[Output]:
        """Take an image of any camera; returns what was found in it, and the picture that shows it.

        Depth images are skipped. An answer of the network that is not finite is counted and gives nothing. Raises
        `ModelError`, `ConfigError` or `MissingDependency` where there is no detector.
        """
        if item.is_depth:
            self.events["depth images skipped"] += 1
            return []
        detector = self._ready(item)
        self.events["images"] += 1
        try:
            found = detector.detect(item.pixels)
        except ModelError as error:
            self._wrong = (str(error), self._wrong[1] + 1)
            self.events["answers refused"] += 1
            return []
        self._wrong = ("", 0)
        return self._outputs(item, found)

    def finish(self) -> Iterable[Output]:
        """Nothing is held back."""
        return []

    def health(self) -> Health:
        """DEGRADED when the newest answer of the network was refused, FAILED when that goes on."""
        reason, in_a_row = self._wrong
        if not in_a_row:
            return OK
        return Health(Level.FAILED if in_a_row >= FAILING else Level.DEGRADED, reason)

    def counters(self) -> dict[str, int]:
        """Images that came, what was found, and what was refused."""
        return dict(self.events)

    def facts(self) -> dict[str, str]:
        """The network and the runtime, once they are loaded."""
        if self._detector is None:
            return {}
        runtime = self._detector.runtime
        backend = f"{runtime.backend}, {runtime.precision}, {runtime.device}"
        return {"model": self._detector.card.name, "backend": backend, "choice": runtime.choice}

    def close(self) -> None:
        """The runtime goes with the detector."""
        self._detector = None

    def _ready(self, item: ImageFrame) -> Any:
        if self._refusal is not None:
            raise self._refusal.with_traceback(None)
        if self._detector is None:
            try:
                self._detector = self._opened(item.pixels.shape[:2])
            except PerceptionError as error:
                self._refusal = error
                raise
        return self._detector
