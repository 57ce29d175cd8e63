"""Writer of boxes in space: one list for each key frame, with the fields of nuScenes' sample annotations.

`{"<scene>/<token>": {"stamp_ns", "boxes": [{"category", "instance_id", "translation", "size", "yaw", "velocity",
"num_lidar_pts"}, ...]}, ...}`: metres and radians in the ego frame at the stamp, size as length, width, height.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.classes import Class
from perception.core.labels import BoxLabels3d
from perception.io.datasets.journal import Journal

DECIMALS = 4  # of metres and radians


class BoxWriter:
    """Writes `path` when it is closed; frames that an interrupted run has added are still there."""

    def __init__(self, path: Path | str) -> None:
        self._journal = Journal(Path(path))

    def add(self, scene: str, token: str, stamp_ns: int, labels: BoxLabels3d) -> None:
        """Add one key frame; one that is there already is left as it is."""
        boxes = [_box(labels, row) for row in range(len(labels.class_ids))]
        self._journal.add(f"{scene}/{token}", {"stamp_ns": stamp_ns, "boxes": boxes})

    def close(self) -> None:
        """Write the final file."""
        self._journal.finish(_frames(self._journal))

    def abort(self) -> None:
        """Stop without a final file; what was added is kept for the next run."""
        self._journal.close()


def _box(labels: BoxLabels3d, row: int) -> dict[str, Any]:
    velocity = labels.velocities[row]
    return {
        "category": Class(int(labels.class_ids[row])).label,
        "instance_id": int(labels.instance_ids[row]),
        "translation": np.round(labels.centres[row], DECIMALS).tolist(),
        "size": np.round(labels.sizes[row], DECIMALS).tolist(),
        "yaw": round(float(labels.yaws[row]), DECIMALS),
        "velocity": np.round(velocity, DECIMALS).tolist() if np.isfinite(velocity).all() else None,
        "num_lidar_pts": int(labels.num_points[row]),
    }


def _frames(journal: Journal) -> Iterator[str]:
    start = "{"
    for name, record in journal.records():
        yield f"{start}{json.dumps(name)}:{json.dumps(record, allow_nan=False, separators=(',', ':'))}"
        start = ",\n"
    yield "}\n" if start != "{" else "{}\n"
