"""Reader of objects followed through videos: YouTube-VIS 2019 to 2022, OVIS, and generated recordings.

Format: `local2global_vis.md` section 10. An entry of a frame is null where the object is not seen.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.io.datasets.coco import images_root, instance_number, known_category, occlusion_of, read_categories
from perception.io.datasets.fields import field, size_of
from perception.io.datasets.frames import Dataset, DatasetFrame, View, attempt
from perception.io.datasets.masks import Labelled, box_of_mask, corners, mask_of, objects_of
from perception.io.datasets.names import class_of
from perception.io.recording import Losses


def open_youtube_vis(path: Path, content: dict[str, Any], images: Path | None = None) -> Dataset:
    """The data set of a file `path` with the given `content`: one frame for each image of each video, in order.

    Objects are numbered within a video, by `instance_id` or else by their order. A file without annotations (test
    split) gives frames without labels. Raises `InvalidInput` where a whole list is missing.
    """
    where = str(path)
    videos = field(content, "videos", list, where)
    tracks = _by_video(content.get("annotations"), where)
    keys = [
        (video, row) for video in videos for row in range(len(field(video, "file_names", list, f"{where}: videos")))
    ]
    root = images or images_root(path, [name for video in videos for name in video["file_names"][:1]])
    losses, categories = Losses(), read_categories(content, where)
    reader = _Reader(where, root, categories, tracks, losses)
    return Dataset(path, "YouTube-VIS", keys, reader.load, categories, (f"images are looked for in {root}",), losses)


@dataclass(slots=True)
class _Reader:
    where: str
    root: Path
    categories: dict[int, str]
    tracks: dict[int, list[dict[str, Any]]] | None  # by video; None: the file has no annotations
    losses: Losses

    def load(self, key: tuple[dict[str, Any], int]) -> DatasetFrame:
        """One frame of one video."""
        video, row = key
        name = video["file_names"][row]
        spot = f"{self.where}: image {name}"
        if not isinstance(name, str):
            raise InvalidInput(f"{self.where}: file_names: expected names, got {name!r}")
        file, size, stamps = inside(self.root, name), size_of(video, spot), video.get("stamps_ns")
        stamp_ns = stamps[row] if isinstance(stamps, list) and row < len(stamps) else None
        objects = category_ids = None
        if self.tracks is not None:
            objects, category_ids = objects_of(self._found(video, row, size, spot), size)
        view = View(file.parent.name, file, stamp_ns, objects=objects, category_ids=category_ids, size=size)
        return DatasetFrame(name, (view,), stamp_ns, is_start=row == 0)

    def _found(self, video: dict[str, Any], row: int, size: tuple[int, int], where: str) -> list[Labelled]:
        found = []
        for number, track in enumerate((self.tracks or {}).get(field(video, "id", int, where), []), start=1):
            item = attempt(self.losses, partial(self._labelled, track, number, row, size, where))
            found += [item] if item else []
        return found

    def _labelled(
        self, track: dict[str, Any], number: int, row: int, size: tuple[int, int], where: str
    ) -> Labelled | None:
        """An object in one frame; None where it is not seen."""
        where = f"{where}: annotation {track.get('id')}"
        segmentation = _at(track, "segmentations", row)
        if segmentation is None:
            return None
        category_id = known_category(track, self.categories, where)
        mask = mask_of(segmentation, size, where)
        box, amodal, ignored = _at(track, "bboxes", row), _at(track, "amodal_bboxes", row), _at(track, "ignored", row)
        return Labelled(
            category_id,
            class_of(self.categories[category_id]),
            instance_number(track, number, where),
            box_of_mask(mask) if box is None else corners(box, where),
            mask,
            bool(track.get("iscrowd", 0) if ignored is None else ignored),
            None if amodal is None else corners(amodal, f"{where}: amodal"),
            occlusion_of(_at(track, "occlusions", row), where),
        )


def _at(track: dict[str, Any], name: str, row: int) -> Any:
    """Entry `row` of a list with one entry for each frame; None where there is none."""
    values = track.get(name)
    return values[row] if isinstance(values, list) and row < len(values) else None


def _by_video(annotations: Any, where: str) -> dict[int, list[dict[str, Any]]] | None:
    if annotations is None:
        return None
    if not isinstance(annotations, list):
        raise InvalidInput(f"{where}: annotations: expected a list, got {type(annotations).__name__}")
    grouped: dict[int, list[dict[str, Any]]] = {}
    for annotation in annotations:
        grouped.setdefault(field(annotation, "video_id", int, f"{where}: annotations"), []).append(annotation)
    return grouped
