"""Points of one file as columns by name, whatever the format: .bin, .npz, .pcd and .ply."""

from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.io.cloud_layout import MAX_POINTS

Columns = dict[str, np.ndarray]  # (N,) each

SUFFIXES = (".bin", ".pcd", ".ply", ".npz")
KITTI_COLUMNS = ("x", "y", "z", "intensity")  # float32 each
MAX_FILE = 1_000_000_000  # bytes of one scan
STEPS_PER_METRE = 200.0  # of the integers in the difference-coded scans of the shared data sets


def read_columns(path: Path) -> Columns:
    """The points of one file, x y z among the columns. Raises `InvalidInput` naming file and reason."""
    try:
        if (size := path.stat().st_size) > MAX_FILE:
            raise InvalidInput(f"{path}: has {size} bytes, expected at most {MAX_FILE}")
        columns = _read(path)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error})") from None
    for name in "xyz":
        if name not in columns or columns[name].dtype.kind != "f":
            raise InvalidInput(f"{path}: has no column {name} of real numbers; it has {', '.join(columns) or 'none'}")
    return columns


def record_columns(path: Path, raw: bytes, start: int, dtype: np.dtype, count: int) -> Columns:
    """Scalar columns of `count` records of `dtype` that begin at byte `start`."""
    if len(raw) - start < count * dtype.itemsize:
        raise InvalidInput(
            f"{path}: has {len(raw) - start} bytes of data, {count} points need {count * dtype.itemsize}; "
            f"the file was cut or its header is wrong"
        )
    if dtype.itemsize == 0:
        return {}
    records = np.frombuffer(raw, dtype, count, start)
    return {name: records[name] for name in dtype.names or () if dtype[name].subdtype is None}


def ascii_columns(path: Path, text: bytes, dtype: np.dtype, count: int) -> Columns:
    """Scalar columns of a table of numbers, in the order of the fields of `dtype`."""
    width = sum(int(np.prod(dtype[name].shape)) for name in dtype.names or ())
    try:
        values = np.array(text.split()[: count * width], dtype=np.float64)
    except ValueError as error:
        raise InvalidInput(f"{path}: {error}") from None
    if len(values) < count * width:
        raise InvalidInput(f"{path}: has {len(values)} numbers, {count} points of {width} need {count * width}")
    table, columns, first = values.reshape(count, width), {}, 0
    for name in dtype.names or ():
        if dtype[name].subdtype is None:
            columns[name] = table[:, first]
        first += int(np.prod(dtype[name].shape))
    return columns


def _read(path: Path) -> Columns:
    match path.suffix.lower():
        case ".bin":
            return _bin(path)
        case ".npz":
            return _npz(path)
        case ".pcd":
            from perception.io.pcd import read_pcd

            return read_pcd(path)
        case ".ply":
            from perception.io.ply import read_ply

            return read_ply(path)
    raise InvalidInput(f"{path}: is no cloud; expected {', '.join(SUFFIXES)}")


def _bin(path: Path) -> Columns:
    raw = path.read_bytes()
    if len(raw) % (4 * len(KITTI_COLUMNS)):
        raise InvalidInput(f"{path}: {len(raw)} bytes are no whole number of points of 16 bytes (x y z intensity)")
    table = np.frombuffer(raw, dtype="<f4").reshape(-1, len(KITTI_COLUMNS))
    return {name: table[:, index] for index, name in enumerate(KITTI_COLUMNS)}


def _npz(path: Path) -> Columns:
    """Difference-coded `dxyz`, or `points` / `xyz` (N, 3 or more); other arrays of length N are columns."""
    import zipfile
    import zlib

    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except (ValueError, zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise InvalidInput(f"{path}: is no archive of plain arrays ({error})") from None
    points = _coordinates(path, arrays)
    points.flags.writeable = False
    others = {n: array for n, array in arrays.items() if array.shape == points.shape[:1] and array.dtype.kind in "fiu"}
    return {**others, "x": points[:, 0], "y": points[:, 1], "z": points[:, 2]}


def _check_sizes(path: Path) -> None:
    """A small archive may unpack to any size; refuse it by what it declares."""
    import zipfile

    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > MAX_FILE:
        raise InvalidInput(f"{path}: unpacks to {size} bytes, expected at most {MAX_FILE}")


def _coordinates(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    if "dxyz" in arrays:
        steps = arrays["dxyz"]
        if steps.ndim != 2 or steps.shape[0] != 3 or steps.dtype != np.int16:
            raise InvalidInput(f"{path}: dxyz: expected (3, N) int16, got {steps.shape} {steps.dtype}")
        table = np.empty((steps.shape[1], 3), dtype=np.float32)
        return np.divide(np.cumsum(steps, axis=1, dtype=np.int16).T, np.float32(STEPS_PER_METRE), out=table)
    points = next((arrays[name] for name in ("points", "xyz") if name in arrays), None)
    if points is None or points.ndim != 2 or points.shape[1] < 3 or points.dtype.kind not in "fiu":
        raise InvalidInput(f"{path}: expected points or xyz of shape (N, 3), got {', '.join(arrays) or 'nothing'}")
    if len(points) > MAX_POINTS:
        raise InvalidInput(f"{path}: has {len(points)} points, expected at most {MAX_POINTS}")
    return points.astype(np.float32)
