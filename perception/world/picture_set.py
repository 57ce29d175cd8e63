"""A COCO data set of single pictures from many generated worlds: what detectors are trained on and measured with.

Cheaper than recordings, and more varied: each world is built once, pictured at random moments of a drive, and left.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from pydantic import Field

from perception.core.config import Config, to_yaml
from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.core.labels import ObjectLabels
from perception.io.datasets.coco_writer import CocoWriter, ImageEntry
from perception.io.datasets.pictures import write_jpeg
from perception.world.ahead import done_ahead
from perception.world.config import CameraConfig, Route, SceneConfig, Weather, WorldConfig
from perception.world.recording import EPOCH_NS, SyntheticRecording
from perception.world.render.renderer import Renderer
from perception.world.truth.instances import ObjectTruth

ANNOTATIONS, IMAGES, SETTINGS = "annotations/instances.json", "images", "pictures.yaml"
PICTURE_RATE = 10  # moments per second that may be pictured
PICK_STREAM = 71  # of random numbers

Progress = Callable[[int, int], None]
Picture = tuple[ImageEntry, ObjectLabels]


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
    out: Path, config: PictureSetConfig, progress: Progress | None = None, num_threads: int = 2
) -> Path:
    """Write `images/SEED/NUMBER.jpg` (640x480) and `annotations/instances.json` to the folder `out`, and return it.

    Interrupted, the same call goes on after the last picture. Same configuration, same bytes.
    Raises `InvalidInput` where `out` holds a set with other settings.
    """
    out = Path(out)
    settings = out / SETTINGS
    if settings.is_file() and settings.read_text(encoding="utf-8") != to_yaml(config):
        raise InvalidInput(f"out {out}: holds pictures with other settings ({settings}); choose another folder")
    if (out / ANNOTATIONS).is_file():
        return out
    write_atomic(settings, to_yaml(config))
    writer = CocoWriter(out / ANNOTATIONS)
    try:
        for done, _ in enumerate(_all(out, config, writer, num_threads), start=1):
            if progress is not None:
                progress(done, config.num_worlds * config.per_world)
    except BaseException:
        writer.abort()
        raise
    writer.close()
    return out


def _all(out: Path, config: PictureSetConfig, writer: CocoWriter, num_threads: int) -> Iterator[None]:
    for seed in config.seeds:
        names = {number: f"{seed}/{number:06d}.jpg" for number in _moments(seed, config)}
        missing = {number: name for number, name in names.items() if name not in writer}
        yield from [None] * (len(names) - len(missing))
        if missing:
            for entry, labels in _pictures(out, _world(seed, config), missing, num_threads):
                writer.add(entry, labels)
                yield


def _moments(seed: int, config: PictureSetConfig) -> list[int]:
    """Numbers of the pictures of a world, in order: one at random in each of equal parts of the drive."""
    rng = np.random.default_rng([seed, PICK_STREAM])
    part = config.duration * PICTURE_RATE / config.per_world
    starts = np.arange(config.per_world) * part
    return sorted({int(number) for number in starts + rng.uniform(0, part, config.per_world)})


def _world(seed: int, config: PictureSetConfig) -> SyntheticRecording:
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


def _pictures(out: Path, world: SyntheticRecording, names: dict[int, str], num_threads: int) -> Iterator[Picture]:
    truth = ObjectTruth(world.scene, world.world)
    shot = partial(_picture, out, world, world.renderer, truth)  # the renderer is built here, before threads ask for it
    jobs = (partial(shot, number, name) for number, name in names.items())
    yield from done_ahead(jobs, num_threads, waiting=num_threads)


def _picture(
    out: Path, world: SyntheticRecording, renderer: Renderer, truth: ObjectTruth, number: int, name: str
) -> Picture:
    camera = world.cameras[0]
    exposure = world.exposure(camera, number)
    frame = renderer.render(exposure)
    write_jpeg(out / IMAGES / name, frame.color, world.config.cameras.jpeg_quality)
    stamp_ns = EPOCH_NS + world.picture_time_ns(camera, number)
    return ImageEntry(name, camera.model.width, camera.model.height, stamp_ns), truth.labels(exposure, frame.rows)
