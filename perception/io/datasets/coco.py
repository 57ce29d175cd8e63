"""Reader of COCO instance labels: one JSON file and the images it names.

T.-Y. Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014. Pixel i covers [i, i + 1).
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.io.datasets.fields import field, optional, size_of, stamp_of
from perception.io.datasets.frames import Dataset, DatasetFrame, View, attempt
from perception.io.datasets.masks import Labelled, corners, mask_of, objects_of
from perception.io.datasets.names import class_of
from perception.io.recording import Losses

UNKNOWN_OCCLUSION = float("nan")
MAX_INSTANCE = 2**31 - 1  # int32


def open_coco(path: Path, content: dict[str, Any], images: Path | None = None) -> Dataset:
    """The data set of a file `path` with the given `content`; an entry that is damaged is counted and left out.

    `images`: folder that file names refer to; None: found beside the file. Instances are numbered within an image,
    unless the file has `instance_id`. Raises `InvalidInput` where a whole list is missing.
    """
    where = str(path)
    entries = field(content, "images", list, where)
    annotations, num_lost = _by_image(field(content, "annotations", list, where))
    root = images or images_root(path, [entry.get("file_name") for entry in entries if isinstance(entry, dict)])
    losses, categories = Losses(), read_categories(content, where)
    lost = (f"{num_lost} annotations name no image",) if num_lost else ()
    notes = (f"images are looked for in {root}", *lost)
    reader = _Reader(where, root, categories, annotations, losses)
    return Dataset(path, "COCO", entries, reader.load, categories, notes, losses)


@dataclass(slots=True)
class _Reader:
    where: str
    root: Path
    categories: dict[int, str]
    annotations: dict[int, list[dict[str, Any]]]  # by image
    losses: Losses

    def load(self, entry: Any) -> DatasetFrame:
        """The frame of one entry of `images`."""
        name = field(entry, "file_name", str, f"{self.where}: images")
        spot = f"{self.where}: image {name}"
        size = size_of(entry, spot)
        found = []
        for number, annotation in enumerate(self.annotations.get(field(entry, "id", int, spot), []), start=1):
            item = attempt(self.losses, partial(_labelled, annotation, number, size, self.categories, spot))
            found += [item] if item else []
        objects, category_ids = objects_of(found, size)
        stamp_ns = stamp_of(entry, spot)
        file = inside(self.root, name)
        view = View(file.parent.name, file, stamp_ns, objects=objects, category_ids=category_ids, size=size)
        return DatasetFrame(name, (view,), stamp_ns)


def read_categories(content: dict[str, Any], where: str) -> dict[int, str]:
    """Names by number of the `categories` in a file. Raises `InvalidInput`."""
    entries = field(content, "categories", list, where)
    spot = f"{where}: categories"
    return {field(entry, "id", int, spot): field(entry, "name", str, spot) for entry in entries}


def images_root(path: Path, names: list[Any]) -> Path:
    """The folder below which a file of labels finds its images: beside it, in `images`, or one level up."""
    split = path.stem.rpartition("_")[2]  # val2017 of instances_val2017
    here, up = path.parent, path.parent.parent
    places = [here, here / "images", here / "JPEGImages", up / split, up / "images", up / "JPEGImages", up]
    places += [here / split, here / split / "JPEGImages", up / split / "JPEGImages"]
    first = next((name for name in names if isinstance(name, str)), "")
    return next((place for place in places if _is_file(place, first)), here)


def _is_file(place: Path, name: str) -> bool:
    try:
        return bool(name) and inside(place, name).is_file()
    except (InvalidInput, OSError, ValueError):
        return False


def _by_image(annotations: list[Any]) -> tuple[dict[int, list[dict[str, Any]]], int]:
    """The annotations of each image, in the order of the file, and the number of those that name none."""
    grouped: dict[int, list[dict[str, Any]]] = {}
    for annotation in annotations:
        image_id = annotation.get("image_id") if isinstance(annotation, dict) else None
        if isinstance(image_id, int):
            grouped.setdefault(image_id, []).append(annotation)
    return grouped, len(annotations) - sum(len(group) for group in grouped.values())


def _labelled(
    annotation: dict[str, Any], number: int, size: tuple[int, int], categories: dict[int, str], where: str
) -> Labelled:
    where = f"{where}: annotation {annotation.get('id')}"
    category_id = known_category(annotation, categories, where)
    segmentation = annotation.get("segmentation")
    amodal = optional(annotation, "amodal_bbox", list, where)
    return Labelled(
        category_id,
        class_of(categories[category_id]),
        instance_number(annotation, number, where),
        corners(annotation.get("bbox"), where),
        mask_of(segmentation, size, where) if segmentation else None,
        bool(annotation.get("iscrowd", 0)),
        None if amodal is None else corners(amodal, f"{where}: amodal"),
        occlusion_of(annotation.get("occlusion"), where),
    )


def known_category(annotation: dict[str, Any], categories: dict[int, str], where: str) -> int:
    """The `category_id`, which must be one of the file's categories."""
    category_id = field(annotation, "category_id", int, where)
    if category_id not in categories:
        raise InvalidInput(f"{where}: category_id: {category_id} is not in the list of categories")
    return category_id


def instance_number(annotation: dict[str, Any], number: int, where: str) -> int:
    """The `instance_id` where the file has one, else `number`."""
    instance = annotation.get("instance_id", number)
    if not isinstance(instance, int) or not 0 < instance <= MAX_INSTANCE:
        raise InvalidInput(f"{where}: instance_id: expected 1 to {MAX_INSTANCE}, got {instance!r}")
    return instance


def occlusion_of(value: Any, where: str) -> float:
    """A share from 0 to 1; NaN where the file has none."""
    if value is None:
        return UNKNOWN_OCCLUSION
    if not isinstance(value, int | float) or not 0.0 <= value <= 1.0:
        raise InvalidInput(f"{where}: occlusion: expected 0 to 1, got {value!r}")
    return float(value)
