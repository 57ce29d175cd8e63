"""Writer of occupancy labels: Occ3D-nuScenes and OpenOcc arrays for each key frame, and the list of annotations.

Layout (`alocc.md` section 14; Occ3D's and OpenOcc's own pages): `gts/<scene>/<token>/labels.npz` with `semantics`,
`mask_lidar` and `mask_camera`, `openocc_v2/<scene>/<token>/labels.npz` with `semantics` (17 classes) and `flow`, and
`annotations.json` with calibration and poses of each key frame.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.classes import TO_OPENOCC
from perception.core.files import atomic_file, inside
from perception.core.geometry import quaternion_from_matrix
from perception.core.labels import OccupancyLabels
from perception.core.types import check
from perception.io.datasets.journal import Journal

OCC3D, OPENOCC, ANNOTATIONS, LABELS = "gts", "openocc_v2", "annotations.json", "labels.npz"
NS_PER_US = 1000
DECIMALS = 9  # of poses and calibration


@dataclass(frozen=True, slots=True, eq=False)
class CameraEntry:
    """One camera of a key frame. All poses are at the camera's own stamp."""

    name: str
    file_name: str  # of its image, relative to the root
    stamp_ns: int
    model: CameraModel
    T_ego_camera: np.ndarray  # (4, 4) float64, optical axes
    T_world_ego: np.ndarray  # (4, 4) float64, at `stamp_ns`

    def __post_init__(self) -> None:
        check("T_ego_camera", self.T_ego_camera, (4, 4), np.float64)
        check("T_world_ego", self.T_world_ego, (4, 4), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class KeyFrame:
    """One key frame of a scene. Its ego frame is that of the front camera's stamp."""

    scene: str
    token: str  # unique; tokens of a scene sort by time
    stamp_ns: int
    T_world_ego: np.ndarray  # (4, 4) float64
    cameras: tuple[CameraEntry, ...]

    def __post_init__(self) -> None:
        check("T_world_ego", self.T_world_ego, (4, 4), np.float64)


class OccupancyWriter:
    """Writes key frames with their occupancy below `root`; `close` writes the list of them.

    Beyond Occ3D every camera of the list has `stamp_ns`, `width`, `height`, `distortion` and `D`.
    """

    def __init__(self, root: Path | str, split: str = "train") -> None:
        """`split` is train or val: the list that names the scenes."""
        self.root, self.split = Path(root), split
        self._journal = Journal(self.root / ANNOTATIONS)

    def __contains__(self, key: tuple[str, str]) -> bool:
        return "\t".join(key) in self._journal

    def add(self, frame: KeyFrame, labels: OccupancyLabels) -> None:
        """Write the arrays of one key frame and note its poses; one that is there already is left as it is."""
        if (frame.scene, frame.token) in self:
            return
        write_occupancy(self.root, frame.scene, frame.token, labels)
        self._journal.add(f"{frame.scene}\t{frame.token}", _record(frame))

    def close(self) -> None:
        """Write `annotations.json`."""
        self._journal.finish(_annotations(self._journal, self.split))

    def abort(self) -> None:
        """Stop without the list; what was added is kept for the next run."""
        self._journal.close()


def write_occupancy(root: Path, scene: str, token: str, labels: OccupancyLabels) -> None:
    """Write the labels of one key frame as Occ3D and as OpenOcc have them. The flow is float16: 0.01 m/s at 16 m/s."""
    masks = {"mask_lidar": labels.mask_lidar.view(np.uint8), "mask_camera": labels.mask_camera.view(np.uint8)}
    _write_npz(inside(root, f"{OCC3D}/{scene}/{token}/{LABELS}"), semantics=labels.semantics, **masks)
    with np.errstate(over="ignore"):
        flow = labels.flow.astype(np.float16)
    _write_npz(inside(root, f"{OPENOCC}/{scene}/{token}/{LABELS}"), semantics=TO_OPENOCC[labels.semantics], flow=flow)


def _write_npz(path: Path, **arrays: np.ndarray) -> None:
    with atomic_file(path, is_durable=False) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _record(frame: KeyFrame) -> dict[str, Any]:
    return {
        "timestamp": str(frame.stamp_ns // NS_PER_US),
        "stamp_ns": frame.stamp_ns,
        "camera_sensor": {f"{frame.token}_{camera.name}": _camera(camera) for camera in frame.cameras},
        "ego_pose": _pose(frame.T_world_ego),
        "gt_path": f"{OCC3D}/{frame.scene}/{frame.token}/{LABELS}",
    }


def _camera(camera: CameraEntry) -> dict[str, Any]:
    model = camera.model
    return {
        "name": camera.name,
        "img_path": camera.file_name,
        "stamp_ns": camera.stamp_ns,
        "width": model.width,
        "height": model.height,
        "intrinsic": _rounded(model.K),
        "distortion": model.distortion,
        "D": _rounded(model.D),
        "extrinsic": _pose(camera.T_ego_camera),
        "ego_pose": _pose(camera.T_world_ego),
    }


def _pose(T: np.ndarray) -> dict[str, Any]:
    """Translation, m, and quaternion in the order w x y z, as the tables of nuScenes have them."""
    x, y, z, w = quaternion_from_matrix(T[:3, :3])
    return {"translation": _rounded(T[:3, 3]), "rotation": _rounded(np.array([w, x, y, z]))}


def _rounded(values: np.ndarray) -> Any:
    return np.round(values, DECIMALS).tolist()


def _annotations(journal: Journal, split: str) -> Iterator[str]:
    import json

    scenes = groupby(journal.records(), key=lambda item: item[0].partition("\t")[0])
    names: list[str] = []
    yield '{"scene_infos":{'
    for name, items in scenes:
        frames = {key.partition("\t")[2]: record for key, record in items}
        yield (",\n" if names else "") + f"{json.dumps(name)}:{json.dumps(_linked(frames), allow_nan=False)}"
        names.append(name)
    lists = {"train_split": [], "val_split": [], f"{split}_split": names}
    yield "}," + json.dumps(lists)[1:] + "\n"


def _linked(frames: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The frames of a scene with the tokens of their neighbours; empty at the ends."""
    tokens = ["", *frames, ""]
    return {
        token: {**record, "prev": tokens[row], "next": tokens[row + 2]}
        for row, (token, record) in enumerate(frames.items())
    }
