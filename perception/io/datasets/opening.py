"""Recognises a data set by the files in it and opens it with the reader that fits."""

from pathlib import Path
from typing import Any

from perception.core.errors import InvalidInput
from perception.io.datasets.fields import load_json
from perception.io.datasets.frames import Dataset
from perception.io.kitti import is_odometry_sequence

KNOWN = "a generated recording, COCO, YouTube-VIS, Occ3D, nuScenes, KITTI, DAVIS, Wireframe or YorkUrban"
MAX_FILES = 100_000  # annotation files that a folder of them may hold


def open_dataset(path: Path | str, images: Path | str | None = None) -> Dataset:
    """The data set at `path`: a JSON file of labels, or the folder of a set.

    `images`: folder that the file names in a JSON file refer to; None: found beside it. Raises `InvalidInput` where
    nothing fits, where several files of labels do, or where a file is damaged.
    """
    path, images = Path(path), None if images is None else Path(images)
    if path.is_file():
        return _open_file(path, images)
    if not path.is_dir():
        raise InvalidInput(f"{path}: is not there; give the folder or the JSON file of a data set")
    return _open_folder(path, images)


def _open_file(path: Path, images: Path | None) -> Dataset:
    if path.suffix.lower() != ".json":
        raise InvalidInput(f"{path}: is no file of labels; expected the JSON of {KNOWN}")
    content = load_json(path)
    match _kind(content):
        case "YouTube-VIS":
            from perception.io.datasets.youtube_vis import open_youtube_vis

            return open_youtube_vis(path, content, images)
        case "COCO":
            from perception.io.datasets.coco import open_coco

            return open_coco(path, content, images)
        case "Occ3D":
            from perception.io.datasets.occ3d import open_occ3d

            return open_occ3d(path, content)
        case "info":
            from perception.io.datasets.info_json import open_info

            return open_info(path, content)
    from perception.io.datasets.wireframe import open_wireframe

    return open_wireframe(path, content, images)


def _kind(content: Any) -> str:
    """What a JSON file holds, by the names in it."""
    names = content.keys() if isinstance(content, dict) else set()
    if "videos" in names:
        return "YouTube-VIS"
    if {"images", "annotations"} <= names:
        return "COCO"
    if "scene_infos" in names:
        return "Occ3D"
    return "info" if "metainfo" in names else "segments"


def _open_folder(path: Path, images: Path | None) -> Dataset:
    match _folder_kind(path):
        case "generated":
            from perception.io.datasets.generated import open_generated

            return open_generated(path)
        case "nuScenes":
            from perception.io.datasets.nuscenes import open_nuscenes

            version = _version(path)
            return open_nuscenes(version.parent, version)
        case "KITTI object":
            from perception.io.datasets.kitti_frames import open_kitti_object

            return open_kitti_object(path / "training" if (path / "training").is_dir() else path)
        case "KITTI raw drive":
            from perception.io.datasets.kitti_frames import open_kitti_raw

            return open_kitti_raw(path)
        case "KITTI odometry sequence":
            from perception.io.datasets.kitti_frames import open_kitti_sequence

            return open_kitti_sequence(path)
        case "KITTI packed":
            from perception.io.datasets.kitti_frames import open_kitti_packed

            return open_kitti_packed(path)
        case "DAVIS":
            from perception.io.datasets.davis import open_davis

            return open_davis(path)
        case "YorkUrban":
            from perception.io.datasets.wireframe import YORK_SUFFIX, open_york_urban

            return open_york_urban(path, sorted(path.rglob(f"*{YORK_SUFFIX}")))
    return _open_only_file(path, images)


def _folder_kind(path: Path) -> str:
    from perception.io.datasets.davis import clips_of
    from perception.io.datasets.generated import is_generated
    from perception.io.datasets.wireframe import YORK_SUFFIX

    if is_generated(path):
        return "generated"
    labelled = path / "training" if (path / "training").is_dir() else path
    has_images = next(path.glob("image_*"), None) is not None
    if _versions(path):
        return "nuScenes"
    if (labelled / "calib").is_dir() and (labelled / "image_2").is_dir():
        return "KITTI object"
    if has_images and next(path.glob("image_*/data"), None) is not None:
        return "KITTI raw drive"
    if has_images and is_odometry_sequence(path):
        return "KITTI odometry sequence"
    if has_images and (path / "calib.txt").is_file():
        return "KITTI packed"
    if clips_of(path):
        return "DAVIS"
    return "YorkUrban" if next(path.glob(f"*/*{YORK_SUFFIX}"), None) is not None else ""


def _versions(path: Path) -> list[Path]:
    """Folders with the tables of nuScenes: `path` itself, or v1.0-* in it."""
    places = [path, *sorted(path.glob("v1.0-*"))]
    return [place for place in places if (place / "sample_data.json").is_file()]


def _version(path: Path) -> Path:
    found = _versions(path)
    if len(found) > 1:
        raise InvalidInput(f"{path}: holds {', '.join(place.name for place in found)}; give one of these folders")
    return found[0]


def _open_only_file(path: Path, images: Path | None) -> Dataset:
    """The one file of labels of a folder, or of its `annotations`; one file per image makes a Wireframe set."""
    files = [file for file in sorted(path.glob("*.json")) if file.is_file()]
    folder = path / "annotations"
    if not files and folder.is_dir():
        files = [file for file in sorted(folder.rglob("*.json"))[:MAX_FILES] if file.is_file()]
    if len(files) == 1:
        return _open_file(files[0], images)
    if files and _is_single(files[0]):
        from perception.io.datasets.wireframe import open_wireframe_folder

        return open_wireframe_folder(folder if files[0].is_relative_to(folder) else path, files, images)
    if files:
        raise InvalidInput(f"{path}: holds several files of labels; give one of {', '.join(f.name for f in files[:9])}")
    raise InvalidInput(f"{path}: is no data set that is known; expected {KNOWN}")


def _is_single(file: Path) -> bool:
    """True for the segments of one image."""
    try:
        return file.stat().st_size < 10_000_000 and {"size", "objects"} <= load_json(file).keys()
    except (InvalidInput, AttributeError, OSError):
        return False
