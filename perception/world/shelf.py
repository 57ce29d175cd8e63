"""The pictures of a recording in the making: one file for each image and each kind of label, so that work interrupted
goes on where it stopped. Names are `<kind>/<camera>/<number>.<ending>` in the folder of the recording.
"""

import io
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from perception.core.files import write_atomic
from perception.core.labels import LineLabels, ObjectLabels
from perception.world.sensors.cameras import Camera

LABELS = "labels"  # needed until the data sets are written


@dataclass(frozen=True, slots=True, eq=False)
class PictureLabels:
    """What is known about one image; the instance map lies beside it."""

    objects: ObjectLabels
    lines: LineLabels | None  # None: not asked for, or the lens bends lines


class Shelf:
    """Stores pictures below a folder. A picture is complete when its labels are there: they are written last."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, kind: str, camera: Camera, number: int, ending: str) -> Path:
        """Where a file of picture `number` lies."""
        return self.folder / kind / camera.name / f"{number:06d}.{ending}"

    def has(self, camera: Camera, number: int) -> bool:
        """True where a picture is complete."""
        return self.path(LABELS, camera, number, "npz").is_file()

    def put(self, kind: str, camera: Camera, number: int, ending: str, data: bytes) -> None:
        """Write one file of a picture."""
        write_atomic(self.path(kind, camera, number, ending), data, is_durable=False)

    def put_labels(self, camera: Camera, number: int, labels: PictureLabels) -> None:
        """Write the labels and with them complete the picture."""
        arrays = {f.name: getattr(labels.objects, f.name) for f in fields(ObjectLabels) if f.name != "instance_map"}
        if labels.lines is not None:
            arrays["segments"] = labels.lines.segments
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        self.put(LABELS, camera, number, "npz", buffer.getvalue())

    def image(self, camera: Camera, number: int) -> bytes:
        """The JPEG of a picture."""
        return self.path("images", camera, number, "jpg").read_bytes()

    def labels(self, camera: Camera, number: int) -> PictureLabels:
        """The labels of a picture, without its instance map."""
        with np.load(self.path(LABELS, camera, number, "npz"), allow_pickle=False) as file:
            arrays = dict(file)
        segments = arrays.pop("segments", None)
        return PictureLabels(ObjectLabels(**arrays), None if segments is None else LineLabels(segments))
