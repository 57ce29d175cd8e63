"""The data sets that a generated recording is written as, beside its bag. All of them go on after an interruption."""

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from perception.core.labels import BoxLabels3d, OccupancyLabels
from perception.io.datasets.box_writer import BoxWriter
from perception.io.datasets.coco_writer import CocoWriter, ImageEntry, YoutubeVisWriter
from perception.io.datasets.occ3d_writer import ANNOTATIONS, CameraEntry, KeyFrame, OccupancyWriter
from perception.io.datasets.occupancy_files import occupancy_paths, read_occupancy
from perception.io.datasets.wireframe_writer import FOLDER as DRAFTS
from perception.io.datasets.wireframe_writer import LIST, WireframeWriter
from perception.world.recording import EPOCH_NS, SyntheticRecording
from perception.world.sensors.cameras import Camera
from perception.world.shelf import PictureLabels
from perception.world.variety import variety_of

COCO, YTVIS, OCCUPANCY, LINES = "annotations/instances.json", "annotations/videos.json", "occupancy", "lines"
BOXES = "annotations/boxes.json"


FORMATS = {
    "coco": f"{COCO}: boxes and masks of every image, and those of images/",
    "ytvis": f"{YTVIS}: masks followed through each camera's images, as YouTube-VIS has them",
    "occ3d": f"{OCCUPANCY}/: semantic occupancy and flow at 2 Hz, as Occ3D and OpenOcc; {BOXES}: boxes in space",
    "lines": f"{LINES}/: line segments, as the Wireframe set has them",
    "pixels": "depth/, semantic/, instance/: 16-bit PNG of metres times 256, class and instance of every pixel",
    "normals": "normals/: 16-bit PNG of 32768 + 32767 times the unit normal in camera axes",
}
DEFAULT_FORMATS = ("coco", "ytvis", "occ3d", "lines", "pixels")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which labels and data sets are made."""

    coco: bool
    ytvis: bool
    occ3d: bool
    lines: bool
    pixels: bool  # depth, semantic class and instance as PNG
    normals: bool

    @classmethod
    def from_names(cls, names: Collection[str]) -> "Wanted":
        """From names in `FORMATS`."""
        return cls(**{name: name in names for name in FORMATS})


class DataSets:
    """Notes pictures and key frames in every data set that is wanted. Names of images are relative to `images/`."""

    def __init__(self, recording: SyntheticRecording, folder: Path, wanted: Wanted) -> None:
        """A data set whose final file is there was finished by an interrupted run: it is left as it is."""
        self.recording = recording
        split = "val" if variety_of(recording.config.seed).is_held_out else "train"

        def is_due(is_wanted: bool, final: str) -> bool:
            return is_wanted and not (folder / final).is_file()

        self._objects = CocoWriter(folder / COCO) if is_due(wanted.coco, COCO) else None
        self._videos = YoutubeVisWriter(folder / YTVIS) if is_due(wanted.ytvis, YTVIS) else None
        self._lines = WireframeWriter(folder / LINES) if is_due(wanted.lines, f"{LINES}/{LIST}") else None
        self._boxes = BoxWriter(folder / BOXES) if is_due(wanted.occ3d, BOXES) else None
        occupancy = is_due(wanted.occ3d, f"{OCCUPANCY}/{ANNOTATIONS}")
        self._occupancy = OccupancyWriter(folder / OCCUPANCY, split) if occupancy else None
        every = (self._objects, self._videos, self._lines, self._boxes, self._occupancy)
        self._writers = [writer for writer in every if writer is not None]

    def add_picture(self, camera: Camera, number: int, labels: PictureLabels) -> None:
        """Note one picture; pictures that are there already stay as they are."""
        stamp_ns = EPOCH_NS + self.recording.picture_time_ns(camera, number)
        entry = ImageEntry(_name(camera, number), camera.model.width, camera.model.height, stamp_ns)
        if self._objects is not None:
            self._objects.add(entry, labels.objects)
        if self._videos is not None:
            self._videos.add(camera.name, entry, labels.objects)
        if self._lines is not None and labels.lines is not None:
            self._lines.add(entry, labels.lines)

    def has_key_frame(self, number: int) -> bool:
        """True where a key frame was noted."""
        return self._occupancy is None or (_scene(self.recording), _token(number)) in self._occupancy

    def add_key_frame(self, number: int, labels: OccupancyLabels, boxes: BoxLabels3d) -> None:
        """Note the boxes and the occupancy of one key frame, with the poses of all cameras at their own stamps."""
        scene, token = _scene(self.recording), _token(number)
        time_ns = self.recording.picture_time_ns(self.recording.cameras[0], number)
        cameras = tuple(self._camera(camera, number) for camera in self.recording.cameras)
        T_world_ego = self.recording.T_odom_base(time_ns)
        if self._boxes is not None:
            self._boxes.add(scene, token, EPOCH_NS + time_ns, boxes)
        if self._occupancy is not None:
            self._occupancy.add(KeyFrame(scene, token, EPOCH_NS + time_ns, T_world_ego, cameras), labels)

    def close(self) -> None:
        """Write the final files."""
        for writer in self._writers:
            writer.close()

    def abort(self) -> None:
        """Stop; what was noted is kept for the next run."""
        for writer in self._writers:
            writer.abort()

    def _camera(self, camera: Camera, number: int) -> CameraEntry:
        time_ns = self.recording.picture_time_ns(camera, number)
        return CameraEntry(
            camera.name,
            f"images/{_name(camera, number)}",
            EPOCH_NS + time_ns,
            camera.model,
            camera.T_base_camera,
            self.recording.T_odom_base(time_ns),
        )


def key_frame(recording: SyntheticRecording, folder: Path, number: int) -> OccupancyLabels | None:
    """The occupancy of a key frame that was noted; None where there is none."""
    occ3d, openocc = occupancy_paths(folder / OCCUPANCY, _scene(recording), _token(number))
    return read_occupancy(occ3d, openocc) if occ3d is not None else None


def drop_drafts(folder: Path) -> None:
    """Remove what only an interrupted run would need: the lines of single images are in their list as well."""
    shutil.rmtree(folder / LINES / DRAFTS, ignore_errors=True)


def _scene(recording: SyntheticRecording) -> str:
    return recording.path.name


def _name(camera: Camera, number: int) -> str:
    return f"{camera.name}/{number:06d}.jpg"


def _token(number: int) -> str:
    return f"{number:06d}"
