"""Images, folders, videos and recordings through one stage of the pipeline: what `detect` and `lines` share."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from perception.core.errors import DataLoss, InvalidInput
from perception.core.types import ImageFrame
from perception.io.datasets.frames import attempt
from perception.io.image_sources import ImageSource, name_of, open_images
from perception.io.recording import Losses
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL
from perception.pipeline.pictures import FOLDER, PictureWriter
from perception.pipeline.spec import Worker

Update = Callable[[int, int], None]  # images done, in all (0: not known)
Frames = Iterable[tuple[str, ImageFrame]]


class Drawable(Protocol):
    """An image with what was found in it."""

    @property
    def stamp_ns(self) -> int:
        """Of the image."""

    @property
    def frame_id(self) -> str:
        """Of the image."""

    def draw(self) -> ImageFrame:
        """A copy of the image with what was found on it."""


@dataclass(slots=True)
class Searched:
    """What came out of a run over some images."""

    num_images: int = 0
    losses: Losses = field(default_factory=Losses)  # files and images that could not be used
    seconds: list[float] = field(default_factory=list)  # for each image, without reading, drawing and writing
    notes: list[str] = field(default_factory=list)

    @property
    def loss(self) -> DataLoss | None:
        """What could not be used, as an error; None where everything could."""
        return DataLoss(f"not used: {self.losses}") if self.losses.counts else None

    @property
    def speed(self) -> str:
        """How fast it went."""
        milliseconds = 1e3 * np.array(self.seconds[1:] or self.seconds)  # the first one loads the network
        return f"{np.median(milliseconds):.1f} ms each, p95 {np.percentile(milliseconds, 95):.1f} ms, without reading"


def open_sources(paths: Iterable[Path], config: PerceptionConfig, losses: Losses) -> list[tuple[ImageSource, str]]:
    """Sources that can be opened, each with what goes before the names of its images, so that no two are the same."""
    opened = [attempt(losses, partial(open_images, path, config.input)) for path in paths]
    sources = [source for source in opened if source is not None]
    return list(zip(sources, prefixes(sources)))


def prefixes(sources: Sequence[ImageSource]) -> list[str]:
    """What goes before the names of the images of each source, so that no two are the same."""
    if len(sources) == 1:
        return [""]
    names = [source.path.name for source in sources]
    unique = [name if names.count(name) == 1 else f"{row}_{name}" for row, name in enumerate(names, 1)]
    return [
        "" if source.path.is_file() and name == source.path.name else f"{name}/"
        for source, name in zip(sources, unique)
    ]


def total_of(sources: Iterable[tuple[ImageSource, str]]) -> int:
    """Images in all; 0 where one source does not know."""
    counts = [source.num_images for source, _ in sources]
    return sum(counts) if all(counts) else 0


class Search:
    """One worker for all sources, so that its network is loaded once. `take` gets each name and what was found.

    `stream` is that of the drawable outputs of the stage `stage`.
    """

    def __init__(
        self,
        config: PerceptionConfig,
        stage: str,
        stream: str,
        searched: Searched,
        take: Callable[[str, Any], None],
        out: Path | None,
        update: Callable[[int], None],
    ) -> None:
        self.config, self.stream, self.searched = config, stream, searched
        self.take, self.out, self.update = take, out, update
        self.stage: Worker = FULL.stage(stage).make(config, None)

    def run(self, source: ImageSource, prefix: str, frames: Iterator[tuple[str, ImageFrame]] | None = None) -> None:
        """Search the images of one source, which may come as `frames` instead; a damaged one up to the damage."""
        camera = FULL.stage("camera").make(self.config, None)
        pictures = PictureWriter(self.out / FOLDER / prefix, source) if self.out is not None else None
        self.stage.reset()
        try:
            for name, frame in source.frames() if frames is None else frames:
                image = self._prepared(camera, frame) if source.kind == "recording" else frame
                if image is not None:
                    self._search(prefix + name, name, image, pictures)
        except DataLoss as error:
            self.searched.losses.add(str(error))
        finally:
            if pictures is not None:
                pictures.close()
        for reason, count in source.losses.counts.items():
            self.searched.losses.add(reason, count)
        self.searched.notes += camera.notes() if source.kind == "recording" else ()

    def finish(self, nothing: str = "no image could be searched") -> None:
        """Put the notes of the stage first. Raises `InvalidInput` where there was no image at all."""
        if not self.searched.num_images:
            raise InvalidInput(f"{nothing}: {self.searched.losses or 'there is none'}")
        self.searched.notes = [*self.stage.notes(), *self.searched.notes]

    def _prepared(self, camera: Any, frame: ImageFrame) -> ImageFrame | None:
        """An image of a recording as the robot's cameras give it: rectified and cut."""
        for _, image in camera.step("image_raw", frame):
            return image
        self.searched.losses.add(f"{name_of(frame)}: {camera.health().reason}")
        return None

    def _search(self, name: str, file_name: str, frame: ImageFrame, pictures: PictureWriter | None) -> None:
        start = time.perf_counter()
        outputs = dict(self.stage.step("image", frame))
        self.searched.seconds.append(time.perf_counter() - start)
        image = outputs.get(self.stream)
        if image is None:
            if not frame.is_depth:
                self.searched.losses.add(f"{name}: {self.stage.health().reason}")
            return
        self.searched.num_images += 1
        self.take(name, image)
        if pictures is not None:
            pictures.add(file_name, image)
        self.update(self.searched.num_images)
