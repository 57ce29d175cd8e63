"""Reader of generated recordings: the images that all cameras took in one turn, with everything that is known of them.

It joins the files that `perception synth` writes side by side (docs/world.md); those that were not asked for are left
out. Each file can be opened alone as well, as the data set whose format it has.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.trajectory import Trajectory
from perception.io.datasets.coco import open_coco
from perception.io.datasets.fields import load_json
from perception.io.datasets.frames import Dataset, DatasetFrame, View, attempt
from perception.io.datasets.occ3d import open_occ3d
from perception.io.datasets.wireframe import open_wireframe
from perception.io.recording import Losses
from perception.io.trajectories import read_trajectory

MARK = "generated.json"  # the side-car of every generated recording
IMAGES, DEPTH, CLASSES, POSES = "images", "depth", "semantic", "poses"
OBJECTS, LINES, OCCUPANCY = "annotations/instances.json", "lines/lines.json", "occupancy/annotations.json"


def is_generated(path: Path) -> bool:
    """True for the folder of a generated recording with images."""
    return (path / MARK).is_file() and (path / IMAGES).is_dir()


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the data sets in the folder, whose frames are asked for by name."""

    dataset: Dataset | None
    rows: dict[str, int]

    def at(self, name: str, losses: Losses) -> DatasetFrame | None:
        """The frame of that name, or None; what was lost with it is counted in `losses`."""
        if self.dataset is None or name not in self.rows:
            return None
        frame = attempt(losses, partial(self.dataset.__getitem__, self.rows[name]))
        for reason, count in self.dataset.losses.counts.items():
            losses.add(reason, count)
        self.dataset.losses.clear()
        return frame


def open_generated(path: Path) -> Dataset:
    """One frame for each turn of the cameras; key frames have occupancy and boxes. Raises `InvalidInput`."""
    images = path / IMAGES
    cameras = sorted(folder.name for folder in images.iterdir() if folder.is_dir())
    numbers = sorted({file.stem for file in images.glob("*/*.jpg") if file.stem.isdecimal()})
    if not numbers:
        raise InvalidInput(f"{images}: holds no images; make the recording with --cameras")
    objects = _part(path / OBJECTS, partial(open_coco, images=images), "file_name")
    lines = _part(path / LINES, partial(open_wireframe, images=images), "filename")
    losses = Losses()
    key_frames = _key_frames(path)
    rig = _rig(key_frames, losses)
    reader = _Reader(path, tuple(cameras), _poses(path, cameras), objects, lines, key_frames, rig, losses)
    categories = objects.dataset.categories if objects.dataset else {}
    notes = tuple(f"{name} is not there" for name in (OBJECTS, LINES, OCCUPANCY) if not (path / name).is_file())
    return Dataset(path, "generated recording", numbers, reader.load, categories, notes, losses)


@dataclass(frozen=True, slots=True, eq=False)
class _Reader:
    root: Path
    cameras: tuple[str, ...]
    poses: dict[str, Trajectory]  # by camera
    objects: _Part
    lines: _Part
    key_frames: _Part
    rig: dict[str, View]  # calibration, by camera, in the order of exposure; empty where it is not known
    losses: Losses

    def load(self, number: str) -> DatasetFrame:
        """All images of one turn. The frame's pose and stamp are those of its first camera in the order of exposure."""
        key = self.key_frames.at(number, self.losses)
        names = [name for name in (self.rig or self.cameras) if (self._file(IMAGES, name, number)).is_file()]
        views = tuple(self._view(name, number) for name in names)
        if key is not None:
            return replace(key, name=number, views=views, is_start=int(number) == 0)
        stamp_ns, T_world_ego = (views[0].stamp_ns, views[0].T_world_ego) if views else (None, None)
        return DatasetFrame(number, views, stamp_ns, T_world_ego, is_start=int(number) == 0)

    def _view(self, camera: str, number: str) -> View:
        name = f"{camera}/{number}.jpg"
        found = self.objects.at(name, self.losses)
        drawn = self.lines.at(name, self.losses)
        known, labels = self.rig.get(camera), found.views[0] if found else None
        stamp_ns, T_world_ego = self._pose(camera, int(number))
        depth, classes = self._file(DEPTH, camera, number, "png"), self._file(CLASSES, camera, number, "png")
        return View(
            camera,
            self._file(IMAGES, camera, number),
            stamp_ns,
            known.model if known else None,
            known.T_ego_camera if known else None,
            T_world_ego,
            labels.objects if labels else None,
            labels.category_ids if labels else None,
            drawn.views[0].lines if drawn else None,
            labels.size if labels else None,
            depth if depth.is_file() else None,
            classes if classes.is_file() else None,
        )

    def _pose(self, camera: str, row: int) -> tuple[int | None, np.ndarray | None]:
        poses = self.poses.get(camera)
        if poses is None or row >= len(poses):
            return None, None
        return int(poses.stamps_ns[row]), poses.poses[row]

    def _file(self, kind: str, camera: str, number: str, ending: str = "jpg") -> Path:
        return self.root / kind / camera / f"{number}.{ending}"


def _part(path: Path, opened: Callable[[Path, Any], Dataset], name: str) -> _Part:
    """The data set of one file, by the names of its images."""
    if not path.is_file():
        return _Part(None, {})
    dataset = opened(path, load_json(path))
    return _Part(
        dataset, {str(entry.get(name)): row for row, entry in enumerate(dataset.keys) if isinstance(entry, dict)}
    )


def _key_frames(path: Path) -> _Part:
    if not (path / OCCUPANCY).is_file():
        return _Part(None, {})
    dataset = open_occ3d(path / OCCUPANCY, load_json(path / OCCUPANCY))
    return _Part(dataset, {token: row for row, (_, token) in enumerate(dataset.keys)})


def _rig(key_frames: _Part, losses: Losses) -> dict[str, View]:
    """The cameras of the first key frame."""
    first = key_frames.at(next(iter(key_frames.rows), ""), losses)
    return {view.camera: view for view in first.views} if first else {}


def _poses(path: Path, cameras: list[str]) -> dict[str, Trajectory]:
    """`T_world_ego` at every image of each camera."""
    files = {camera: path / POSES / f"{camera}.tum" for camera in cameras}
    return {camera: read_trajectory(file) for camera, file in files.items() if file.is_file()}
