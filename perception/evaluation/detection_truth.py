"""What a data set says is in its images, in the classes that a detector and the set have in common."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import numpy as np

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.labels import ObjectLabels
from perception.core.types import check
from perception.detection.boxes import DetectedBoxes
from perception.io.datasets.frames import Dataset, View, attempt
from perception.io.datasets.kitti_labels import DONT_CARE
from perception.io.datasets.names import class_of
from perception.io.recording import Losses

NONE = -1  # in place of a class: it is not compared


@dataclass(frozen=True, slots=True, eq=False)
class ClassMap:
    """The classes that are compared, and which of them each class of the network and of the set is."""

    names: tuple[str, ...]
    of_network: np.ndarray  # (C,) int64, row of `names` of each class of the network; -1: the set does not have it
    of_set: Mapping[int, int]  # row of `names` by the set's own number; others are not compared
    category_ids: tuple[int, ...]  # the set's number of each of `names`, its first where it has several

    def compared(self, found: DetectedBoxes) -> tuple[DetectedBoxes, int]:
        """`found` in the classes that are compared, and how many boxes of other classes were dropped."""
        rows = self.of_network[found.classes]
        kept = rows != NONE
        boxes = DetectedBoxes(found.corners[kept], found.scores[kept], rows[kept])
        return boxes, len(found) - len(boxes)


@dataclass(frozen=True, slots=True, eq=False)
class ImageTruth:
    """One image and the objects in it. Boxes are x_low, y_low, x_high, y_high in px; pixel i covers [i, i + 1)."""

    image_id: int  # as the set numbers it, else from 0
    name: str
    size: tuple[int, int]  # px, width and height
    boxes: np.ndarray  # (N, 4) float64
    classes: np.ndarray  # (N,) int64, rows of the compared classes
    is_ignored: np.ndarray  # (N,) bool: neither asked for nor counted as wrong (COCO: iscrowd)
    pixels: Callable[[], np.ndarray]  # (H, W, 3) uint8 RGB; raises `InvalidInput`

    def __post_init__(self) -> None:
        n = len(self.boxes)
        check("boxes", self.boxes, (None, 4), np.float64)
        check("classes", self.classes, (n,), np.int64)
        check("is_ignored", self.is_ignored, (n,), np.bool_)


@dataclass(slots=True, eq=False)
class Truth:
    """The labelled images of a data set, read one at a time."""

    dataset: Dataset
    classes: ClassMap
    rows: Sequence[int]  # of the frames of the set
    losses: Losses = field(default_factory=Losses)

    def __len__(self) -> int:
        """Frames that are read; one that is damaged is counted in `losses`."""
        return len(self.rows)

    def images(self) -> Iterator[tuple[ImageTruth, ...]]:
        """The labelled images of each frame; none where it cannot be read."""
        numbers = count()
        for row in self.rows:
            frame = attempt(self.losses, partial(self.dataset.__getitem__, row))
            if frame is None:
                yield ()
                continue
            key = self.dataset.keys[row]
            stated = key.get("id") if isinstance(key, dict) else None  # of COCO, which has one image in a frame
            yield tuple(
                self._image(stated if isinstance(stated, int) else next(numbers), frame.name, view, view.objects)
                for view in frame.views
                if view.objects is not None and view.category_ids is not None
            )

    def _image(self, image_id: int, name: str, view: View, objects: ObjectLabels) -> ImageTruth:
        ids = [] if view.category_ids is None else view.category_ids.tolist()
        everywhere = [self.dataset.categories.get(number) == DONT_CARE for number in ids]
        rows, classes = [], []
        for number, (category, is_region) in enumerate(zip(ids, everywhere)):
            kinds = range(len(self.classes.names)) if is_region else [self.classes.of_set.get(category, NONE)]
            rows += [number for kind in kinds if kind != NONE]
            classes += [kind for kind in kinds if kind != NONE]
        kept = np.array(rows, dtype=np.int64)
        return ImageTruth(
            image_id,
            name,
            view.size or view.pixels().shape[1::-1],
            objects.boxes[kept].astype(np.float64),
            np.array(classes, dtype=np.int64),
            objects.is_ignored[kept],
            view.pixels,
        )


def truth_of(dataset: Dataset, network_classes: Sequence[str], limit: int = 0) -> Truth:
    """The labels of `dataset` in the classes that it shares with a network; `limit` frames, evenly spread, 0: all.

    Raises `InvalidInput` where they share none, or where the set has no boxes of images.
    """
    if not dataset.categories:
        raise InvalidInput(f"{dataset.path}: has no boxes in images; give a data set of COCO's form, KITTI's or ours")
    classes = class_map(network_classes, dataset.categories)
    if not classes.names:
        raise InvalidInput(
            f"{dataset.path}: shares no class with the network, which knows {', '.join(network_classes)}"
        )
    num = len(dataset) if limit <= 0 else min(limit, len(dataset))
    return Truth(dataset, classes, np.linspace(0, max(len(dataset) - 1, 0), num).round().astype(int).tolist())


def class_map(network_classes: Sequence[str], categories: Mapping[int, str]) -> ClassMap:
    """By name where the network knows every class of the set, else by what the names mean (`names.class_of`).

    By meaning, several classes of either side may become one (van and car), and what has no `Class` is not compared.
    """
    known = {_plain(name) for name in network_classes}
    key = _plain if all(_plain(name) in known for name in categories.values()) else _meaning
    in_set = {number: name for number in sorted(categories) if (name := key(categories[number]))}
    in_network = [key(name) for name in network_classes]
    names = tuple(dict.fromkeys(name for name in in_network if name and name in in_set.values()))
    return ClassMap(
        names,
        np.array([names.index(name) if name in names else NONE for name in in_network], dtype=np.int64),
        {number: names.index(name) for number, name in in_set.items() if name in names},
        tuple(next(number for number, name in in_set.items() if name == wanted) for wanted in names),
    )


def _plain(name: str) -> str:
    return name.strip().lower().replace("_", " ")


def _meaning(name: str) -> str:
    kind = class_of(name)
    return "" if kind is Class.OTHERS else kind.label
