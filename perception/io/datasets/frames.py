"""What every reader of data sets gives: frames of images and scans with the shared records of labels, one at a time."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.geometry import apply
from perception.core.labels import BoxLabels3d, LineLabels, ObjectLabels, OccupancyLabels
from perception.core.types import ImageFrame, check
from perception.io.columns import read_columns
from perception.io.datasets.pictures import read_classes, read_color, read_depth
from perception.io.recording import Losses

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One image and what is known about it; None: the set does not say. Pixels are read when asked for."""

    camera: str
    path: Path
    stamp_ns: int | None = None
    model: CameraModel | None = None
    T_ego_camera: np.ndarray | None = None  # (4, 4) float64, optical axes
    T_world_ego: np.ndarray | None = None  # (4, 4) float64, at `stamp_ns` of this view
    objects: ObjectLabels | None = None
    category_ids: np.ndarray | None = None  # (N,) int64, the set's own number of each object's class
    lines: LineLabels | None = None
    size: tuple[int, int] | None = None  # px, width and height the labels belong to
    depth_path: Path | None = None  # 16-bit PNG
    classes_path: Path | None = None  # 16-bit PNG

    def pixels(self) -> np.ndarray:
        """The image (H, W, 3) uint8 RGB. Raises `InvalidInput` where it is damaged or of another size."""
        image = read_color(self.path)
        if self.size not in (None, image.shape[1::-1]):
            raise InvalidInput(
                f"{self.path}: has {image.shape[1]}x{image.shape[0]} px, its labels belong to "
                f"{self.size[0]}x{self.size[1]}; use the images that the labels were made for"
            )
        return image

    def depth(self) -> np.ndarray | None:
        """Depth (H, W) float32, m, NaN: none; None where the set has none. Raises `InvalidInput`."""
        return None if self.depth_path is None else read_depth(self.depth_path)

    def classes(self) -> np.ndarray | None:
        """The `Class` of each pixel, (H, W) uint8; None where the set has none. Raises `InvalidInput`."""
        return None if self.classes_path is None else read_classes(self.classes_path)

    def image(self) -> ImageFrame:
        """The image with its stamp (0: unknown) and calibration."""
        return ImageFrame(self.stamp_ns or 0, self.camera, self.pixels(), self.model)


@dataclass(frozen=True, slots=True, eq=False)
class ScanFile:
    """A LiDAR scan on disk."""

    path: Path
    T_ego_lidar: np.ndarray  # (4, 4) float64
    num_columns: int = 4  # float32 of a point in a .bin file, x y z first

    def points(self) -> np.ndarray:
        """Points (N, 3) float32 in the ego frame, m. Raises `InvalidInput`."""
        return apply(self.T_ego_lidar, self._points())

    def _points(self) -> np.ndarray:
        if self.path.suffix.lower() == ".bin":
            return _bin_points(self.path, self.num_columns)
        columns = read_columns(self.path)
        return np.stack([columns[name] for name in "xyz"], axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class DatasetFrame:
    """One moment of a data set. Boxes, occupancy and scan are in its ego frame (x ahead, y left, z up)."""

    name: str  # within the set
    views: tuple[View, ...]
    stamp_ns: int | None = None
    T_world_ego: np.ndarray | None = None  # (4, 4) float64
    boxes: BoxLabels3d | None = None
    occupancy: OccupancyLabels | None = None
    scan: ScanFile | None = None
    is_start: bool = False  # the first frame of a video or scene

    def __post_init__(self) -> None:
        if self.T_world_ego is not None:
            check("T_world_ego", self.T_world_ego, (4, 4), np.float64)


@dataclass(slots=True, eq=False)
class Dataset:
    """A finite list of frames, of which only an index is in memory. Labels are read with a frame, pixels later.

    A file or entry that is damaged costs itself and is counted in `losses`.
    """

    path: Path
    kind: str  # for people, e.g. "COCO"
    keys: Sequence[Any]  # one for each frame
    load: Callable[[Any], DatasetFrame]  # may raise `InvalidInput`
    categories: dict[int, str] = field(default_factory=dict)  # the set's own numbers and names of classes
    notes: tuple[str, ...] = ()  # what the reader assumed, each a sentence
    losses: Losses = field(default_factory=Losses)

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, row: int) -> DatasetFrame:
        """Frame `row`. Raises `InvalidInput` where nothing of it can be read."""
        return self.load(self.keys[row])

    def frames(self) -> Iterator[DatasetFrame]:
        """All frames that can be read, in order."""
        self.losses.clear()
        try:
            for key in self.keys:
                frame = attempt(self.losses, partial(self.load, key))
                if frame is not None:
                    yield frame
        finally:
            if self.losses.counts:
                log.warning("%s: not used: %s", self.path, self.losses)

    def images(self) -> Iterator[tuple[DatasetFrame, View, np.ndarray]]:
        """All images that can be read, each with its frame and its view."""
        for frame in self.frames():
            for view in frame.views:
                pixels = attempt(self.losses, view.pixels)
                if pixels is not None:
                    yield frame, view, pixels


def attempt(losses: Losses, read: Callable[[], Any]) -> Any:
    """What `read` returns; None, and one more loss, where it raises `InvalidInput`."""
    try:
        return read()
    except InvalidInput as error:
        losses.add(str(error))
        return None


def _bin_points(path: Path, num_columns: int) -> np.ndarray:
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from None
    if len(raw) % (4 * num_columns):
        raise InvalidInput(f"{path}: {len(raw)} bytes are no whole number of points of {num_columns} float32")
    points = np.frombuffer(raw, dtype="<f4").reshape(-1, num_columns)[:, :3]
    return np.ascontiguousarray(points[np.isfinite(points).all(axis=1)], dtype=np.float32)
