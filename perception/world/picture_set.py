"""A data set of single pictures from many generated worlds: what detectors are trained on and measured with.

Cheaper than recordings, and more varied: each world is built once, pictured at random moments of a drive, and left.
Objects are written as COCO has them, line segments as the Wireframe set has them.
"""

from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field

from perception.core.config import Config, to_yaml
from perception.core.errors import ConfigError, InvalidInput
from perception.core.files import write_atomic
from perception.core.labels import LineLabels, ObjectLabels
from perception.io.datasets.coco_writer import CocoWriter, ImageEntry
from perception.io.datasets.pictures import write_jpeg
from perception.io.datasets.wireframe_writer import LIST, WireframeWriter
from perception.world.ahead import done_ahead
from perception.world.config import CameraConfig, Route, SceneConfig, Weather, WorldConfig
from perception.world.data_sets import drop_drafts
from perception.world.recording import EPOCH_NS, SyntheticRecording
from perception.world.truth.instances import ObjectTruth
from perception.world.truth.lines import LineTruth

ANNOTATIONS, IMAGES, SETTINGS = "annotations/instances.json", "images", "pictures.yaml"
LINES = "lines"  # folder of the line segments
FINAL = {"coco": ANNOTATIONS, "lines": f"{LINES}/{LIST}"}  # by format: what is there when it is finished
PICTURE_RATE = 10  # moments per second that may be pictured
PICK_STREAM = 71  # of random numbers

Progress = Callable[[int, int], None]
Picture = tuple[ImageEntry, ObjectLabels | None, LineLabels | None]


class PictureSetConfig(Config):
    """How many worlds are pictured, and how often."""

    first_seed: int = Field(1, ge=0, le=2**30, description="Seed of the first world; from 1000000 on: for evaluation.")
    num_worlds: int = Field(100, ge=1, le=10_000, description="Worlds, with consecutive seeds.")
    per_world: int = Field(60, ge=1, le=1000, description="Pictures of each.")
    routes: tuple[Route, ...] = Field(
        ("district", "campus", "office", "district", "campus"), min_length=1, description="Taken in turn by seed."
    )
    weather: Weather = Field("random", description="Light and weather; random: the seed decides.")
    freedom: float = Field(
        0.6, ge=0.0, le=1.0, description="Share of objects of any shape and colour; 0 for evaluation seeds, always."
    )
    scene: SceneConfig = Field(default_factory=SceneConfig, description="How densely the worlds are furnished.")
    duration: float = Field(120.0, ge=10.0, le=3600.0, description="Length (s) of the drive they are picked from.")

    @property
    def seeds(self) -> range:
        """Seeds of the worlds."""
        return range(self.first_seed, self.first_seed + self.num_worlds)


def write_picture_set(
    out: Path,
    config: PictureSetConfig,
    progress: Progress | None = None,
    num_threads: int = 2,
    formats: Collection[str] = ("coco",),
) -> Path:
    """Write `images/SEED/NUMBER.jpg` (640x480) and their labels to the folder `out`, and return it.

    `formats`: coco (`annotations/instances.json`), lines (`lines/lines.json`), or both; one can be added to a set
    later. Interrupted, the same call goes on after the last picture. Same configuration, same bytes.
    Raises `InvalidInput` where `out` holds a set with other settings, `ConfigError` for other formats.
    """
    out = Path(out)
    unknown = next((name for name in formats if name not in FINAL), None)
    if unknown is not None or not formats:
        raise ConfigError(f"format: {unknown or 'none'!r}, expected {' or '.join(FINAL)}")
    settings = out / SETTINGS
    if settings.is_file() and settings.read_text(encoding="utf-8") != to_yaml(config):
        raise InvalidInput(f"out {out}: holds pictures with other settings ({settings}); choose another folder")
    due = [name for name in formats if not (out / FINAL[name]).is_file()]
    if not due:
        return out
    write_atomic(settings, to_yaml(config))
    writers = _Writers(out, due)
    try:
        for done, _ in enumerate(_all(out, config, writers, num_threads), start=1):
            if progress is not None:
                progress(done, config.num_worlds * config.per_world)
    except BaseException:
        writers.abort()
        raise
    writers.close()
    if "lines" in due:
        drop_drafts(out)
    return out


class _Writers:
    """The data sets that are being written."""

    def __init__(self, out: Path, due: Collection[str]) -> None:
        self.objects = CocoWriter(out / ANNOTATIONS) if "coco" in due else None
        self.lines = WireframeWriter(out / LINES) if "lines" in due else None
        self._all = [writer for writer in (self.objects, self.lines) if writer is not None]

    def __contains__(self, name: str) -> bool:
        return all(name in writer for writer in self._all)

    def add(self, entry: ImageEntry, objects: ObjectLabels | None, lines: LineLabels | None) -> None:
        """Add one picture to each."""
        if self.objects is not None and objects is not None:
            self.objects.add(entry, objects)
        if self.lines is not None and lines is not None:
            self.lines.add(entry, lines)

    def close(self) -> None:
        """Write the final files."""
        for writer in self._all:
            writer.close()

    def abort(self) -> None:
        """Stop; what was added is kept for the next run."""
        for writer in self._all:
            writer.abort()


class _World:
    """A world and what is known about its pictures."""

    def __init__(self, recording: SyntheticRecording, writers: _Writers) -> None:
        self.recording = recording
        self.renderer = recording.renderer  # built here, before threads ask for it
        self._objects = None if writers.objects is None else ObjectTruth(recording.scene, recording.world)
        self._lines = None if writers.lines is None else LineTruth(recording.scene, recording.world)

    def picture(self, out: Path, number: int, name: str) -> Picture:
        """Render one picture, write it, and tell what it shows."""
        recording, camera = self.recording, self.recording.cameras[0]
        exposure = recording.exposure(camera, number)
        frame = self.renderer.render(exposure)
        write_jpeg(out / IMAGES / name, frame.color, recording.config.cameras.jpeg_quality)
        stamp_ns = EPOCH_NS + recording.picture_time_ns(camera, number)
        objects = None if self._objects is None else self._objects.labels(exposure, frame.rows)
        lines = None if self._lines is None else self._lines.segments(exposure, frame.rows, frame.depth)
        return ImageEntry(name, camera.model.width, camera.model.height, stamp_ns), objects, lines


def _all(out: Path, config: PictureSetConfig, writers: _Writers, num_threads: int) -> Iterator[None]:
    for seed in config.seeds:
        names = {number: f"{seed}/{number:06d}.jpg" for number in _moments(seed, config)}
        missing = {number: name for number, name in names.items() if name not in writers}
        yield from [None] * (len(names) - len(missing))
        if missing:
            world = _World(_recording(seed, config), writers)
            jobs = (partial(world.picture, out, number, name) for number, name in missing.items())
            for picture in done_ahead(jobs, num_threads, waiting=num_threads):
                writers.add(*picture)
                yield


def _moments(seed: int, config: PictureSetConfig) -> list[int]:
    """Numbers of the pictures of a world, in order: one at random in each of equal parts of the drive."""
    rng = np.random.default_rng([seed, PICK_STREAM])
    part = config.duration * PICTURE_RATE / config.per_world
    starts = np.arange(config.per_world) * part
    return sorted({int(number) for number in starts + rng.uniform(0, part, config.per_world)})


def _recording(seed: int, config: PictureSetConfig) -> SyntheticRecording:
    cameras = CameraConfig(has_front=True, rate=PICTURE_RATE)
    route = config.routes[seed % len(config.routes)]
    return SyntheticRecording(
        WorldConfig(
            seed=seed,
            duration=config.duration,
            rest=0.0,
            route=route,
            weather=config.weather,
            freedom=config.freedom,
            cameras=cameras,
            scene=config.scene,
        )
    )
