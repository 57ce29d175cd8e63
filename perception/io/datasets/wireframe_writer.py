"""Writer of line segments: one JSON per image as the re-annotated Wireframe set has it, and one list of all images.

Layout: `annotations/<image>.json` with `size` = [width, height] and `objects` of type `seg` (`lsdnet.md` section 5),
and `lines.json`, a list of {`filename`, `width`, `height`, `lines` = [[x1, y1, x2, y2], ...]}, which is what
training programs for the Wireframe set read. Pixel centres are at integers.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from perception.core.files import atomic_file, inside, write_atomic
from perception.core.labels import LineLabels
from perception.io.datasets.coco_writer import ImageEntry
from perception.io.datasets.journal import json_list

FOLDER, LIST = "annotations", "lines.json"
DECIMALS = 1  # of pixels: labels are no better, and there are hundreds in an image


class WireframeWriter:
    """Writes the line segments of images below `root`; the file of each image is what a stopped run leaves behind."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)

    def __contains__(self, file_name: str) -> bool:
        return self._path(file_name).is_file()

    def add(self, image: ImageEntry, labels: LineLabels) -> None:
        """Write the segments of one image."""
        ends = labels.segments.astype(float).round(DECIMALS).reshape(-1, 2, 2).tolist()
        record = {
            "filename": image.file_name,
            "size": [image.width, image.height],
            "stamp_ns": image.stamp_ns,
            "objects": [{"type": "seg", "data": data} for data in ends],
        }
        text = json.dumps(record, allow_nan=False, separators=(",", ":"))
        write_atomic(self._path(image.file_name), text + "\n", is_durable=False)

    def close(self) -> None:
        """Write the list of all images, in the order of their names."""
        with atomic_file(self.root / LIST) as file:
            for chunk in json_list(self._entries()):
                file.write(chunk.encode("utf-8"))

    def abort(self) -> None:
        """Stop without the list; what was added is kept for the next run."""

    def _path(self, file_name: str) -> Path:
        return inside(self.root / FOLDER, f"{file_name.rpartition('.')[0] or file_name}.json")

    def _entries(self) -> Iterator[dict[str, Any]]:
        for path in sorted((self.root / FOLDER).rglob("*.json")):
            record = json.loads(path.read_text(encoding="utf-8"))
            width, height = record["size"]
            lines = [[*entry["data"][0], *entry["data"][1]] for entry in record["objects"]]
            yield {"filename": record["filename"], "width": width, "height": height, "lines": lines}
