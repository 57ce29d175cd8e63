"""Trajectories in text files: TUM, KITTI and EuRoC. Stamps keep their nanosecond digits."""

from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.core.geometry import matrix_from_quaternion, quaternion_from_matrix
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory

KITTI_PERIOD_NS = 100_000_000  # KITTI's poses carry no time; its sensors run at 10 Hz
ROTATION_TOLERANCE = 1e-2  # of R R^T - I in a KITTI row; published files are printed with as few as six digits
MIN_QUATERNION_NORM = 0.5  # a shorter one is a broken row, not a rounded unit quaternion

Line = tuple[int, list[str]]  # number in the file, and the columns


def read_trajectory(path: Path | str, times: Path | str | None = None) -> Trajectory:
    """The poses in a TUM, KITTI or EuRoC file; the number and the separator of the columns tell which.

    TUM: `stamp tx ty tz qx qy qz qw`, seconds. KITTI: 12 numbers of a 3x4 matrix, row by row; its stamps come from
    `times` (one per line, seconds), else rows are 0.1 s apart from 0. EuRoC: comma separated, ns, position, qw first.
    Raises `InvalidInput` naming file and line.
    """
    path = Path(path)
    lines = list(_lines(path))
    if not lines:
        raise InvalidInput(f"{path}: holds no pose; expected TUM (8 columns) or KITTI (12 columns)")
    match len(lines[0][1]), times:
        case 8, None:
            stamps, poses = _tum(path, lines)
        case 12, _:
            stamps, poses = _kitti_stamps(path, len(lines), times), _kitti(path, lines)
        case width, None if width > 8 and _is_integer(lines[0][1][0]):
            stamps, poses = _euroc(path, lines)
        case width, None:
            raise InvalidInput(
                f"{path}:{lines[0][0]}: expected 8 columns (TUM), 12 (KITTI) or EuRoC's csv, got {width}"
            )
        case width, _:
            raise InvalidInput(f"{path}:{lines[0][0]}: times belong to a KITTI file (12 columns), got {width} columns")
    for row in np.flatnonzero(np.diff(stamps) <= 0)[:1]:
        raise InvalidInput(f"{path}:{lines[row + 1][0]}: its stamp is not after the one before; sort, drop repeats")
    return Trajectory(stamps, poses)


def read_times(path: Path | str) -> np.ndarray:
    """Stamps (N,) int64 ns from a file with one time in seconds per line. Raises `InvalidInput`."""
    return np.array([parse_stamp(words[0], f"{path}:{number}") for number, words in _lines(Path(path))], dtype=np.int64)


def write_tum(path: Path | str, trajectory: Trajectory) -> None:
    """Write `trajectory` as TUM text, whole or not at all; the stamps with nine decimals, so none is rounded."""
    if len(trajectory) == 0:
        return write_atomic(Path(path), "")
    quaternions = quaternion_from_matrix(trajectory.poses[:, :3, :3])
    rows = (
        f"{format_stamp(int(stamp))} " + " ".join(f"{value:.9f}" for value in (*T[:3, 3], *q)) + "\n"
        for stamp, T, q in zip(trajectory.stamps_ns, trajectory.poses, quaternions)
    )
    return write_atomic(Path(path), "".join(rows))


def write_kitti(path: Path | str, poses: np.ndarray) -> None:
    """Write `poses` (N, 4, 4) as KITTI text, 12 numbers per row, whole or not at all."""
    rows = (" ".join(f"{value:.9e}" for value in T[:3].ravel()) + "\n" for T in poses)
    write_atomic(Path(path), "".join(rows))


def parse_stamp(text: str, where: str) -> int:
    """Nanoseconds of a decimal number of seconds, exact to the last digit. Raises `InvalidInput` naming `where`."""
    seconds, _, fraction = text.partition(".")
    if seconds.isdecimal() and len(fraction) <= 9 and (fraction.isdecimal() or not fraction):
        return int(seconds) * NS_PER_S + int(fraction.ljust(9, "0"))
    try:
        stamp_ns = int((Decimal(text) * NS_PER_S).to_integral_value(ROUND_HALF_UP))
    except (InvalidOperation, ValueError, OverflowError):
        raise InvalidInput(f"{where}: expected a time in seconds, got {text!r}") from None
    if not -(2**63) <= stamp_ns < 2**63:
        raise InvalidInput(f"{where}: time {text!r} does not fit 64 bit nanoseconds; expected seconds")
    return stamp_ns


def format_stamp(stamp_ns: int) -> str:
    """Seconds with exactly nine decimals."""
    sign, stamp_ns = ("-", -stamp_ns) if stamp_ns < 0 else ("", stamp_ns)
    return f"{sign}{stamp_ns // NS_PER_S}.{stamp_ns % NS_PER_S:09d}"


def kitti_poses(path: Path | str) -> np.ndarray:
    """Poses (N, 4, 4) float64 of a file of 3x4 matrices, without stamps. Raises `InvalidInput`."""
    return _kitti(Path(path), list(_lines(Path(path))))


def _lines(path: Path) -> Iterator[Line]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read as text ({error})") from None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.replace(",", " ").split()


def _tum(path: Path, lines: list[Line]) -> tuple[np.ndarray, np.ndarray]:
    stamps = [parse_stamp(words[0], f"{path}:{number}") for number, words in lines]
    values = _numbers(path, lines, 8, lambda words: words[1:])
    return np.array(stamps, dtype=np.int64), _poses(path, lines, values[:, :3], values[:, 3:])


def _euroc(path: Path, lines: list[Line]) -> tuple[np.ndarray, np.ndarray]:
    width = len(lines[0][1])
    for number, words in lines:
        if not _is_integer(words[0]):
            raise InvalidInput(f"{path}:{number}: expected a time in ns, got {words[0]!r}")
    values = _numbers(path, lines, width, lambda words: words[1:8])
    stamps = np.array([int(words[0]) for _, words in lines], dtype=np.int64)
    return stamps, _poses(path, lines, values[:, :3], values[:, [4, 5, 6, 3]])


def _kitti(path: Path, lines: list[Line]) -> np.ndarray:
    values = _numbers(path, lines, 12, lambda words: words)
    poses = np.tile(np.eye(4), (len(values), 1, 1))
    poses[:, :3] = values.reshape(-1, 3, 4)
    R = poses[:, :3, :3]
    error = np.abs(R @ R.swapaxes(1, 2) - np.eye(3)).reshape(-1, 9).max(axis=1, initial=0.0)
    for row in np.flatnonzero((error > ROTATION_TOLERANCE) | (np.linalg.det(R) < 0.0))[:1]:
        raise InvalidInput(f"{path}:{lines[row][0]}: its first three columns are no rotation (off by {error[row]:.3g})")
    return poses


def _kitti_stamps(path: Path, count: int, times: Path | str | None) -> np.ndarray:
    if times is None:
        return np.arange(count, dtype=np.int64) * KITTI_PERIOD_NS
    stamps = read_times(times)
    if len(stamps) != count:
        raise InvalidInput(f"{times}: expected {count} times, one for each pose of {path}, got {len(stamps)}")
    return stamps


def _numbers(path: Path, lines: list[Line], width: int, select: Callable[[list[str]], list[str]]) -> np.ndarray:
    rows = []
    for number, words in lines:
        if len(words) != width:
            raise InvalidInput(f"{path}:{number}: expected {width} columns as in the first row, got {len(words)}")
        try:
            rows.append([float(word) for word in select(words)])
        except ValueError as error:
            raise InvalidInput(f"{path}:{number}: {error}") from None
    values = np.array(rows, dtype=np.float64)
    for row in np.flatnonzero(~np.isfinite(values).all(axis=1))[:1]:
        raise InvalidInput(f"{path}:{lines[row][0]}: holds a number that is not finite")
    return values


def _poses(path: Path, lines: list[Line], positions: np.ndarray, quaternions: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(quaternions, axis=1)
    for row in np.flatnonzero((norms < MIN_QUATERNION_NORM) | (norms > 1.0 / MIN_QUATERNION_NORM))[:1]:
        raise InvalidInput(f"{path}:{lines[row][0]}: its quaternion has length {norms[row]:.3g}, expected 1")
    poses = np.tile(np.eye(4), (len(positions), 1, 1))
    poses[:, :3, :3] = matrix_from_quaternion(quaternions)
    poses[:, :3, 3] = positions
    return poses


def _is_integer(text: str) -> bool:
    return text.isdecimal()
