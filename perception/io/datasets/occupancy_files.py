"""Occupancy labels on disk: the arrays of Occ3D-nuScenes and of OpenOcc (`alocc.md` sections 2 and 14)."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from perception.core.classes import TO_OPENOCC, Class
from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.core.labels import OCCUPANCY_SHAPE, OccupancyLabels
from perception.io.datasets.occ3d_writer import LABELS, OCC3D, OPENOCC

MAX_UNPACKED = 64_000_000  # bytes of all arrays of a file; float64 flow has 10 MB
OPENOCC_FOLDERS = (OPENOCC, "openocc_v2.1", "openocc")
NUM_OCC3D, NUM_OPENOCC = 18, 17
_BY_OPENOCC = {int(TO_OPENOCC[kind]): int(kind) for kind in Class if kind not in (Class.OTHERS,) and kind <= Class.FREE}
OCC3D_BY_OPENOCC = np.array([_BY_OPENOCC[number] for number in range(NUM_OPENOCC)], dtype=np.uint8)


def occupancy_paths(root: Path, scene: str, token: str) -> tuple[Path | None, Path | None]:
    """The files of one key frame in the layouts of Occ3D and of OpenOcc; None where it is not there."""
    places = [inside(root, f"{folder}/{scene}/{token}/{LABELS}") for folder in (OCC3D, *OPENOCC_FOLDERS)]
    openocc = next((place for place in places[1:] if place.is_file()), None)
    return (places[0] if places[0].is_file() else None), openocc


def read_occupancy(occ3d: Path | None, openocc: Path | None) -> OccupancyLabels:
    """The labels of one key frame from one of the files, or from both.

    Classes are those of Occ3D where it is there; OpenOcc knows no `others`. Without Occ3D every voxel counts as seen,
    without OpenOcc the flow is undefined. Raises `InvalidInput` where a file is damaged.
    """
    flow = np.full((*OCCUPANCY_SHAPE, 2), np.nan, dtype=np.float32)
    semantics = mask_lidar = mask_camera = None
    if openocc is not None:
        arrays = _arrays(openocc)
        semantics = OCC3D_BY_OPENOCC[_classes(openocc, arrays, NUM_OPENOCC)]
        if "flow" in arrays:
            flow = _flow(openocc, arrays["flow"])
    if occ3d is not None:
        arrays = _arrays(occ3d)
        semantics = _classes(occ3d, arrays, NUM_OCC3D)
        mask_lidar, mask_camera = _mask(occ3d, arrays, "mask_lidar"), _mask(occ3d, arrays, "mask_camera")
    if semantics is None:
        raise InvalidInput("occupancy: neither Occ3D nor OpenOcc labels are there; unpack them beside the tables")
    seen = np.ones(OCCUPANCY_SHAPE, dtype=np.bool_)
    return OccupancyLabels(
        semantics, seen if mask_lidar is None else mask_lidar, seen if mask_camera is None else mask_camera, flow
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > MAX_UNPACKED:
            raise InvalidInput(f"{path}: unpacks to {size} bytes, expected at most {MAX_UNPACKED}")
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (OSError, ValueError, KeyError, EOFError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path}: is no archive of plain arrays, or it is damaged ({error})") from None


def _classes(path: Path, arrays: dict[str, np.ndarray], count: int) -> np.ndarray:
    semantics = _shaped(path, arrays, "semantics", OCCUPANCY_SHAPE)
    if semantics.dtype.kind not in "iu" or int(semantics.min()) < 0 or int(semantics.max()) >= count:
        raise InvalidInput(f"{path}: semantics: expected integers 0 to {count - 1}, got {_range(semantics)}")
    return semantics.astype(np.uint8)


def _mask(path: Path, arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    mask = _shaped(path, arrays, name, OCCUPANCY_SHAPE)
    if mask.dtype.kind not in "iub" or int(mask.min()) < 0 or int(mask.max()) > 1:
        raise InvalidInput(f"{path}: {name}: expected 0 and 1, got {_range(mask)}")
    return mask.astype(np.bool_)


def _flow(path: Path, flow: np.ndarray) -> np.ndarray:
    """Velocities as float32; NaN where either component is not finite."""
    if flow.shape != (*OCCUPANCY_SHAPE, 2) or flow.dtype.kind != "f":
        raise InvalidInput(f"{path}: flow: expected (200, 200, 16, 2) real numbers, got {flow.shape} {flow.dtype}")
    is_known = np.isfinite(flow).all(axis=-1, keepdims=True)
    return np.where(is_known, flow, np.nan).astype(np.float32)


def _shaped(path: Path, arrays: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in arrays or arrays[name].shape != shape:
        have = arrays[name].shape if name in arrays else "nothing"
        raise InvalidInput(f"{path}: {name}: expected an array of {shape}, got {have}")
    return arrays[name]


def _range(array: np.ndarray) -> str:
    return f"{array.dtype} from {array.min()} to {array.max()}"
