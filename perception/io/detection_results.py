"""Detections as COCO results: `detections.json`, and `images.json`, the images and categories that it refers to.

`COCO("images.json").loadRes("detections.json")` of pycocotools reads the pair. Numbers of categories count from 1 in
the order of the network's classes, which is that of generated data sets; beyond COCO each result names its class
and image, and has `track_id` where the object is followed.
"""

import json
from collections import Counter
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from perception.core.files import atomic_file
from perception.core.types import Detections
from perception.io.datasets.fields import field, load_records, numbers, optional

RESULTS, IMAGES = "detections.json", "images.json"
NUM_SIDES = 4
BOX_DECIMALS, SCORE_DECIMALS = 3, 5


@dataclass(frozen=True, slots=True)
class FoundBox:
    """One object in an image: class, score, number of the track ("": none), middle and half size in px."""

    label: str
    score: float
    identity: str
    x: float
    y: float
    half_x: float
    half_y: float


def image_name(frame_id: str, stamp_ns: int) -> str:
    """What an image of a recording is called in results."""
    return f"{frame_id}/{stamp_ns}"


def read_found(path: Path) -> dict[str, list[FoundBox]]:
    """Boxes by the name of their image, from results that `ResultsWriter` wrote. Raises `InvalidInput`."""
    found: dict[str, list[FoundBox]] = {}
    for row, record in enumerate(load_records(path)):
        where = f"{path}: result {row}"
        x, y, width, height = numbers(field(record, "bbox", list, where), (NUM_SIDES,), f"{where}: bbox").tolist()
        identity = optional(record, "track_id", int, where)
        box = FoundBox(
            label=field(record, "category", str, where),
            score=float(field(record, "score", float, where)),
            identity="" if identity is None else str(identity),
            x=x + 0.5 * width,
            y=y + 0.5 * height,
            half_x=0.5 * width,
            half_y=0.5 * height,
        )
        found.setdefault(field(record, "file_name", str, where), []).append(box)
    return found


class DetectionCounts:
    """What was found in a series of images."""

    def __init__(self) -> None:
        self.num_images = 0
        self.by_class: Counter[str] = Counter()
        self._last_track: dict[str, int] = {}  # largest number by frame: each camera numbers from 1

    def add(self, detections: Detections) -> None:
        """Count the detections of one image."""
        self.num_images += 1
        self.by_class.update(detections.class_names[row] for row in detections.class_ids)
        newest = int(detections.track_ids.max(initial=0))
        self._last_track[detections.frame_id] = max(newest, self._last_track.get(detections.frame_id, 0))

    def to_json(self) -> dict[str, Any]:
        """Images, objects, tracks, and objects by class, the most frequent first."""
        tracks = sum(self._last_track.values())
        by_class = dict(self.by_class.most_common())
        return {
            "images": self.num_images,
            "objects": sum(self.by_class.values()),
            "tracks": tracks,
            "by_class": by_class,
        }


def counted(series: Iterable[Detections]) -> DetectionCounts:
    """What was found in some images."""
    counts = DetectionCounts()
    for detections in series:
        counts.add(detections)
    return counts


class ResultsWriter:
    """Writes both files to a folder as the images come; they appear whole when the block ends, or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._num_images = 0
        self._class_names: tuple[str, ...] = ()
        self._num_results = 0

    def __enter__(self) -> "ResultsWriter":
        with ExitStack() as stack:
            self._results, self._images = (
                stack.enter_context(atomic_file(self.folder / name)) for name in (RESULTS, IMAGES)
            )
            self._results.write(b"[")
            self._images.write(b'{"images": [')
            self._files = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            categories = [{"id": number, "name": name} for number, name in enumerate(self._class_names, 1)]
            self._results.write(b"\n]\n")
            self._images.write(f'\n], "categories": {json.dumps(categories)}}}\n'.encode())
        self._files.__exit__(kind, error, trace)

    def add(self, name: str, detections: Detections) -> None:
        """The detections of one image, which is called `name`."""
        self._num_images += 1
        self._class_names = detections.class_names
        width, height = detections.size_px
        image = {"id": self._num_images, "file_name": name, "width": width, "height": height}
        _append(self._images, self._num_images, {**image, "stamp_ns": detections.stamp_ns})
        for row in range(len(detections)):
            self._num_results += 1
            _append(self._results, self._num_results, _result(self._num_images, name, detections, row))


def _result(image_id: int, name: str, detections: Detections, row: int) -> dict[str, Any]:
    x1, y1, x2, y2 = (float(value) for value in detections.boxes[row])
    class_id, track_id = int(detections.class_ids[row]), int(detections.track_ids[row])
    result = {
        "image_id": image_id,
        "category_id": class_id + 1,
        "bbox": [round(value, BOX_DECIMALS) for value in (x1, y1, x2 - x1, y2 - y1)],
        "score": round(float(detections.scores[row]), SCORE_DECIMALS),
        "category": detections.class_names[class_id],
        "file_name": name,
    }
    return {**result, "track_id": track_id} if track_id else result


def _append(file: BinaryIO, number: int, entry: dict[str, Any]) -> None:
    file.write(((",\n" if number > 1 else "\n") + json.dumps(entry, allow_nan=False)).encode())
