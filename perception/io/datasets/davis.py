"""Reader of DAVIS: clips with the masks of their objects as palette PNGs.

Layouts: `JPEGImages/<size>/<clip>` with `Annotations/<size>/<clip>` (2016, 2017), or `<clip>/images` with
`<clip>/masks`. The numbers in a mask are those of the objects, the same through a clip; there are no classes. Source:
F. Perazzi et al., "A Benchmark Dataset and Evaluation Methodology for Video Object Segmentation", CVPR 2016.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.labels import ObjectLabels
from perception.io.datasets.frames import Dataset, DatasetFrame, View, attempt
from perception.io.datasets.masks import Labelled, box_of_mask, objects_of
from perception.io.datasets.pictures import image_size, read_palette
from perception.io.recording import Losses

IMAGES = (".jpg", ".png")
VOID = 255  # in a mask with several objects: not labelled; the only number of DAVIS 2016: the object
CATEGORIES = {0: "object"}


@dataclass(frozen=True, slots=True)
class _Key:
    clip: str
    image: Path
    mask: Path | None
    is_start: bool


def clips_of(path: Path) -> list[tuple[str, Path, Path]]:
    """Name, folder of images and folder of masks of each clip below `path`; empty where it is no such folder."""
    if (path / "images").is_dir() and (path / "masks").is_dir():
        return [(path.name, path / "images", path / "masks")]
    pairs = [(folder.parent.name, folder, folder.parent / "masks") for folder in sorted(path.glob("*/images"))]
    for folder in sorted(path.glob("JPEGImages/*/*")):
        masks = path / "Annotations" / folder.parent.name / folder.name
        pairs.append((folder.name, folder, masks))
    return [(name, images, masks) for name, images, masks in pairs if masks.is_dir()]


def open_davis(path: Path) -> Dataset:
    """Every frame of every clip; frames without a mask have no labels. Raises `InvalidInput` where there is none."""
    keys = [key for clip in clips_of(path) for key in _frames(*clip)]
    if not keys:
        raise InvalidInput(f"{path}: holds no clip; expected JPEGImages and Annotations, or <clip>/images and masks")
    reader = _Reader(Losses())
    notes = ("the set has no classes: every object is of the class others",)
    return Dataset(path, "DAVIS", keys, reader.load, CATEGORIES, notes, reader.losses)


@dataclass(frozen=True, slots=True)
class _Reader:
    losses: Losses

    def load(self, key: _Key) -> DatasetFrame:
        """One frame. A mask that is damaged or of another size is counted and left out."""
        size = image_size(key.image)
        objects = attempt(self.losses, partial(_objects, key.mask, size)) if key.mask else None
        category_ids = None if objects is None else np.zeros(len(objects.class_ids), dtype=np.int64)
        view = View(key.clip, key.image, objects=objects, category_ids=category_ids, size=size)
        return DatasetFrame(f"{key.clip}/{key.image.stem}", (view,), is_start=key.is_start)


def _frames(name: str, images: Path, masks: Path) -> list[_Key]:
    files = sorted(file for file in images.iterdir() if file.suffix.lower() in IMAGES)
    found = [masks / f"{file.stem}.png" for file in files]
    return [
        _Key(name, file, mask if mask.is_file() else None, row == 0)
        for row, (file, mask) in enumerate(zip(files, found))
    ]


def _objects(path: Path, size: tuple[int, int]) -> ObjectLabels:
    numbers = read_palette(path)
    if numbers.shape[::-1] != size:
        have = f"{numbers.shape[1]}x{numbers.shape[0]}"
        raise InvalidInput(f"{path}: has {have} px, its image {size[0]}x{size[1]}; use the masks made for this size")
    ids = [int(number) for number in np.unique(numbers) if number]
    if len(ids) > 1:
        ids = [number for number in ids if number != VOID]
    masks = [numbers == number for number in ids]
    instances = [1] if ids == [VOID] else ids
    found = [Labelled(0, Class.OTHERS, instance, box_of_mask(mask), mask) for instance, mask in zip(instances, masks)]
    return objects_of(found, size)[0]
