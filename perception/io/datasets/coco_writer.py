"""Writers of instance labels: COCO (one image at a time) and YouTube-VIS (objects that are followed through a video).

Both take a frame at a time in any order, keep what they were given on the disk (`journal.py`), and write the same
bytes whether the generation was interrupted or not.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.classes import DETECTED, TO_DETECTED, VOID
from perception.core.errors import InvalidInput
from perception.core.labels import ObjectLabels
from perception.io.datasets.journal import Journal, json_list
from perception.kernels import rle

CATEGORIES = [{"id": number, "name": kind.label, "supercategory": "object"} for number, kind in enumerate(DETECTED, 1)]
DECIMALS = 3  # of pixels and shares in the files


@dataclass(frozen=True, slots=True)
class ImageEntry:
    """One image of a file of labels."""

    file_name: str  # relative to the folder of the images, with / between its parts
    width: int  # px
    height: int  # px
    stamp_ns: int  # middle of the exposure


class CocoWriter:
    """Writes `instances.json` as COCO has it: boxes, masks as compressed run lengths, categories = `DETECTED` from 1.

    `iscrowd` is 1 for objects that are not asked for. Beyond COCO every annotation has `amodal_bbox`, `occlusion`
    (null: unknown) and `instance_id`, every image `stamp_ns`.
    """

    def __init__(self, path: Path | str) -> None:
        """`path` is the final file; frames that an interrupted run has added are still there."""
        self._journal = Journal(Path(path))

    def __contains__(self, file_name: str) -> bool:
        return file_name in self._journal

    def add(self, image: ImageEntry, labels: ObjectLabels) -> None:
        """Add one image; one that is there already is left as it is. Objects of other classes are left out."""
        self._journal.add(image.file_name, {"image": _image(image), "objects": _objects(image, labels)})

    def close(self) -> None:
        """Write the final file; images are in the order of their names, and their numbers follow it."""
        self._journal.finish(_coco(self._journal))

    def abort(self) -> None:
        """Stop without a final file; what was added is kept for the next run."""
        self._journal.close()


class YoutubeVisWriter:
    """Writes objects followed through videos, as YouTube-VIS and OVIS have them; `id` of a video is its rank by name.

    An annotation is ignored (`iscrowd`) where every one of its frames is. Beyond the format each annotation has
    `instance_id`, `amodal_bboxes`, `occlusions` and `ignored` (0 or 1 per frame), each video `name` and `stamps_ns`.
    """

    def __init__(self, path: Path | str) -> None:
        """`path` is the final file; frames that an interrupted run has added are still there."""
        self._journal = Journal(Path(path))

    def __contains__(self, key: tuple[str, str]) -> bool:
        return _key(*key) in self._journal

    def add(self, video: str, image: ImageEntry, labels: ObjectLabels) -> None:
        """Add one frame of `video`; frames of a video are in the order of their file names."""
        record = {"image": _image(image), "objects": _objects(image, labels)}
        self._journal.add(_key(video, image.file_name), record)

    def close(self) -> None:
        """Write the final file. Memory holds the masks of one video."""
        self._journal.finish(_youtube_vis(self._journal))

    def abort(self) -> None:
        """Stop without a final file; what was added is kept for the next run."""
        self._journal.close()


def _image(image: ImageEntry) -> dict[str, Any]:
    return {
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
        "stamp_ns": image.stamp_ns,
    }


def _objects(image: ImageEntry, labels: ObjectLabels) -> list[dict[str, Any]]:
    """What is written of each object that a network shall find, in the order of the labels."""
    if labels.instance_map is None or labels.instance_map.shape != (image.height, image.width):
        have = "none" if labels.instance_map is None else labels.instance_map.shape
        raise InvalidInput(f"instance_map of {image.file_name}: expected {(image.height, image.width)}, got {have}")
    rows = np.flatnonzero(TO_DETECTED[labels.class_ids] != VOID).tolist()
    codes = rle.encode_instances(labels.instance_map, labels.instance_ids[rows])
    return [_object(labels, row, counts) for row, counts in zip(rows, codes)]


def _object(labels: ObjectLabels, row: int, counts: np.ndarray) -> dict[str, Any]:
    occlusion = float(labels.occlusion[row])
    return {
        "category_id": int(TO_DETECTED[labels.class_ids[row]]) + 1,
        "bbox": _box(labels.boxes[row]),
        "area": int(counts[1::2].sum()),
        "counts": rle.compress(counts),
        "iscrowd": int(labels.is_ignored[row]),
        "amodal_bbox": _box(labels.amodal_boxes[row]),
        "occlusion": round(occlusion, DECIMALS) if np.isfinite(occlusion) else None,
        "instance_id": int(labels.instance_ids[row]),
    }


def _box(corners: np.ndarray) -> list[float]:
    """x, y, width, height of x_low, y_low, x_high, y_high."""
    x, y, x_high, y_high = (float(value) for value in corners)
    return [round(value, DECIMALS) for value in (x, y, x_high - x, y_high - y)]


def _coco(journal: Journal) -> Iterator[str]:
    yield '{"info":{"description":"generated world"},"licenses":[],"categories":'
    yield from json_list(CATEGORIES)
    yield ',\n"images":'
    yield from json_list(
        {"id": number, **record["image"]} for number, (_, record) in enumerate(journal.records(), start=1)
    )
    yield ',\n"annotations":'
    yield from json_list(_annotations(journal))
    yield "}\n"


def _annotations(journal: Journal) -> Iterator[dict[str, Any]]:
    number = 0
    for image_id, (_, record) in enumerate(journal.records(), start=1):
        size = [record["image"]["height"], record["image"]["width"]]
        for entry in record["objects"]:
            number += 1
            counts = entry.pop("counts")
            yield {"id": number, "image_id": image_id, **entry, "segmentation": {"size": size, "counts": counts}}


def _key(video: str, file_name: str) -> str:
    """Name in the journal; sorts by video, then by file."""
    if "\t" in video:
        raise InvalidInput(f"video {video!r}: holds a tab; rename it")
    return f"{video}\t{file_name}"


def _videos(journal: Journal) -> Iterator[tuple[int, str, list[dict[str, Any]]]]:
    """Number, name and frames of each video."""
    groups = groupby(journal.records(), key=lambda item: item[0].partition("\t")[0])
    for number, (name, items) in enumerate(groups, start=1):
        yield number, name, [record for _, record in items]


def _youtube_vis(journal: Journal) -> Iterator[str]:
    yield '{"info":{"description":"generated world"},"licenses":[],"categories":'
    yield from json_list(CATEGORIES)
    yield ',\n"videos":'
    yield from json_list(_video(number, name, frames) for number, name, frames in _videos(journal))
    yield ',\n"annotations":'
    yield from json_list(_tracks(_videos(journal)))
    yield "}\n"


def _video(number: int, name: str, frames: list[dict[str, Any]]) -> dict[str, Any]:
    images = [frame["image"] for frame in frames]
    return {
        "id": number,
        "name": name,
        "width": images[0]["width"],
        "height": images[0]["height"],
        "length": len(images),
        "file_names": [image["file_name"] for image in images],
        "stamps_ns": [image["stamp_ns"] for image in images],
    }


def _tracks(videos: Iterable[tuple[int, str, list[dict[str, Any]]]]) -> Iterator[dict[str, Any]]:
    number = 0
    for video_id, _, frames in videos:
        found: dict[int, dict[int, dict[str, Any]]] = {}  # instance -> frame -> object
        for row, frame in enumerate(frames):
            for entry in frame["objects"]:
                found.setdefault(entry["instance_id"], {})[row] = entry
        size = [frames[0]["image"]["height"], frames[0]["image"]["width"]]
        for instance in sorted(found):
            number += 1
            yield {"id": number, "video_id": video_id, **_track(instance, found[instance], len(frames), size)}


def _track(instance: int, entries: dict[int, dict[str, Any]], length: int, size: list[int]) -> dict[str, Any]:
    frames = [entries.get(row) for row in range(length)]
    return {
        "category_id": next(iter(entries.values()))["category_id"],
        "instance_id": instance,
        "iscrowd": int(all(entry["iscrowd"] for entry in entries.values())),
        "width": size[1],
        "height": size[0],
        "segmentations": [entry and {"size": size, "counts": entry["counts"]} for entry in frames],
        "bboxes": [entry and entry["bbox"] for entry in frames],
        "areas": [entry and entry["area"] for entry in frames],
        "amodal_bboxes": [entry and entry["amodal_bbox"] for entry in frames],
        "occlusions": [entry and entry["occlusion"] for entry in frames],
        "ignored": [entry and entry["iscrowd"] for entry in frames],
    }
