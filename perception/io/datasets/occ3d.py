"""Reader of occupancy labels that come with their own list of frames: Occ3D-nuScenes and generated recordings.

Layout: `annotations.json` with `scene_infos` -> scene -> token -> cameras and poses, arrays in `gts` (and
`openocc_v2`), images in `imgs` or beside the list.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.core.labels import BoxLabels3d
from perception.io.datasets.boxes3d import read_boxes
from perception.io.datasets.fields import field, numbers, pose
from perception.io.datasets.frames import Dataset, DatasetFrame, View, attempt
from perception.io.datasets.occupancy_files import occupancy_paths, read_occupancy
from perception.io.datasets.pictures import image_size
from perception.io.recording import Losses

NS_PER_US = 1000
IMAGE_FOLDERS = ("", "imgs")  # below the root
BOXES = ("boxes.json", "../annotations/boxes.json")  # of generated recordings


def open_occ3d(path: Path, content: dict[str, Any]) -> Dataset:
    """The key frames of the file `path` with the given `content`, scene by scene, each scene in the order of time."""
    where = str(path)
    scenes = field(content, "scene_infos", dict, where)
    keys = [(scene, token) for scene in scenes for token in _ordered(field(scenes, scene, dict, where))]
    losses = Losses()
    reader = _Reader(where, path.parent, scenes, losses, _boxes_beside(path.parent))
    return Dataset(path, "Occ3D", keys, reader.load, notes=("the ego frame is that of the list",), losses=losses)


@dataclass(frozen=True, slots=True)
class _Reader:
    where: str
    root: Path
    scenes: dict[str, dict[str, Any]]
    losses: Losses
    boxes: dict[str, BoxLabels3d]  # by scene and token

    def load(self, key: tuple[str, str]) -> DatasetFrame:
        """One key frame. Cameras and occupancy that are damaged are counted and left out."""
        scene, token = key
        spot = f"{self.where}: {scene}/{token}"
        record = field(self.scenes[scene], token, dict, f"{self.where}: {scene}")
        cameras = field(record, "camera_sensor", dict, spot)
        views = [attempt(self.losses, partial(self._view, cameras, name, spot)) for name in cameras]
        paths = occupancy_paths(self.root, scene, token)
        occupancy = attempt(self.losses, partial(read_occupancy, *paths)) if any(paths) else None
        return DatasetFrame(
            f"{scene}/{token}",
            tuple(view for view in views if view is not None),
            _stamp(record),
            pose(field(record, "ego_pose", dict, spot), f"{spot}: ego_pose"),
            self.boxes.get(f"{scene}/{token}"),
            occupancy,
            is_start=record.get("prev") in ("", "EOF", None),
        )

    def _view(self, cameras: dict[str, Any], token: str, where: str) -> View:
        record, where = field(cameras, token, dict, where), f"{where}: {token}"
        file = self._image(field(record, "img_path", str, where))
        model = _model(record, file, where)
        return View(
            record.get("name") or file.parent.name,
            file,
            record.get("stamp_ns"),
            model,
            pose(field(record, "extrinsic", dict, where), f"{where}: extrinsic"),
            pose(field(record, "ego_pose", dict, where), f"{where}: ego_pose"),
            size=(model.width, model.height),
        )

    def _image(self, name: str) -> Path:
        """The image below the root, or in generated recordings beside it."""
        places = [inside(self.root, f"{folder}/{name}" if folder else name) for folder in IMAGE_FOLDERS]
        places.append(inside(self.root.resolve().parent, name))
        return next((place for place in places if place.is_file()), places[0])


def _boxes_beside(root: Path) -> dict[str, BoxLabels3d]:
    """The boxes of generated recordings; none where there is no such file."""
    found = [root / name for name in BOXES if (root / name).is_file()]
    return read_boxes(found[0]) if found else {}


def _model(record: dict[str, Any], file: Path, where: str) -> CameraModel:
    """The camera; its size comes from the image where the list does not have it."""
    name = "intrinsic" if "intrinsic" in record else "intrinsics"
    K = numbers(field(record, name, list, where), (3, 3), f"{where}: {name}")
    known = isinstance(record.get("width"), int) and isinstance(record.get("height"), int)
    width, height = (record["width"], record["height"]) if known else image_size(file)
    D, distortion = numbers(record.get("D", []), (-1,), f"{where}: D"), record.get("distortion", "none")
    if not isinstance(distortion, str):
        raise InvalidInput(f"{where}: distortion: expected a name, got {distortion!r}")
    return CameraModel(width, height, K, distortion, D)  # type: ignore[arg-type]  # checks the name itself


def _ordered(frames: dict[str, Any]) -> list[str]:
    """Tokens of a scene in the order of time."""
    return sorted(frames, key=lambda token: _order(frames[token]))


def _order(record: Any) -> int:
    try:
        return int(record["timestamp"])
    except (KeyError, TypeError, ValueError):
        return 0


def _stamp(record: dict[str, Any]) -> int | None:
    """Nanoseconds; None where the list holds a token instead of microseconds."""
    stamp_ns = record.get("stamp_ns")
    return stamp_ns if isinstance(stamp_ns, int) else _order(record) * NS_PER_US or None
