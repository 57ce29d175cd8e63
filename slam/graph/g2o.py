"""Pose graphs in g2o text files: `VERTEX_SE2`, `EDGE_SE2`, `VERTEX_SE3:QUAT`, `EDGE_SE3:QUAT`, `FIX`.

Graphs in the plane are lifted to space: height, roll and pitch are 0, and edges hold them there with the information
of the plane's own axes, which adds nothing to the cost. Information is used as GTSAM reads it: the rotation rows of
SE3 edges belong to the rotation vector, not to the vector part of the quaternion.
"""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.core.geometry import exp_so3, matrix_from_quaternion, quaternion_from_matrix, transform
from slam.graph.factors import MAX_ID, Between, Kind

MAX_SIZE = 1 << 30  # bytes of a file
MIN_QUATERNION_NORM = 0.5  # a shorter one is a broken line, not a rounded unit quaternion
PLANE = (0, 1, 5)  # x, y, yaw among position and rotation vector
UPPER = {size: np.triu_indices(size) for size in (3, 6)}
VERTEX_2D = ("x", "y", "theta")
VERTEX_3D = ("x", "y", "z", "qx", "qy", "qz", "qw")
ENTRIES = {size: tuple(f"I{i + 1}{j + 1}" for i, j in zip(*UPPER[size])) for size in UPPER}


@dataclass(frozen=True, slots=True, eq=False)
class G2o:
    """What a g2o file says."""

    poses: dict[int, np.ndarray]  # by number, (4, 4) float64; empty where the file has no vertices
    edges: list[Between]  # in the order of the file; kind: odometry between consecutive numbers, else loop
    is_planar: bool  # every line was of the plane
    fixed: tuple[int, ...] = ()

    def ids(self) -> list[int]:
        """Numbers of all poses that vertices or edges name, ascending."""
        return sorted({*self.poses, *(i for edge in self.edges for i in (edge.from_id, edge.to_id))})

    def in_order(self) -> list[Between]:
        """The edges as a robot would have met them: by their later pose, odometry before loops."""
        return sorted(self.edges, key=lambda e: (max(e.from_id, e.to_id), e.kind != "odometry"))


def read_g2o(path: Path | str) -> G2o:
    """Read a g2o file. Raises `InvalidInput` naming file, line and field."""
    path = Path(path)
    poses: dict[int, np.ndarray] = {}
    edges: list[Between] = []
    fixed: list[int] = []
    tags = set()
    for where, tag, words in _lines(path):
        tags.add(tag)
        match tag:
            case "VERTEX_SE2" | "VERTEX_SE3:QUAT":
                number, pose = _vertex(where, tag, words)
                if number in poses:
                    raise InvalidInput(f"{where}: vertex {number} is there already; remove one of the two")
                poses[number] = pose
            case "EDGE_SE2" | "EDGE_SE3:QUAT":
                edges.append(_edge(where, tag, words))
            case "FIX":
                fixed.extend(_id(where, "id", word) for word in words)
            case _:
                raise InvalidInput(f"{where}: tag {tag!r} is unknown; expected VERTEX_SE2, EDGE_SE2 or their SE3:QUAT")
    if not edges and not poses:
        raise InvalidInput(f"{path}: holds neither vertices nor edges; is it a g2o file?")
    return G2o(poses, edges, not tags & {"VERTEX_SE3:QUAT", "EDGE_SE3:QUAT"}, tuple(fixed))


def write_g2o(path: Path | str, ids: Iterable[int], poses: np.ndarray, edges: Iterable[Between]) -> None:
    """Write poses (N, 4, 4) by number, and edges, as SE3 lines; whole or not at all."""
    lines = [_vertex_line(number, T) for number, T in zip(ids, poses, strict=True)]
    lines.extend(_edge_line(edge) for edge in edges)
    write_atomic(Path(path), "".join(lines))


def _lines(path: Path) -> Iterator[tuple[str, str, list[str]]]:
    try:
        if path.stat().st_size > MAX_SIZE:
            raise InvalidInput(f"{path}: has more than {MAX_SIZE} bytes; no pose graph of ours is so large")
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path}: cannot be read as text ({error}); expected a g2o file") from None
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split()
        if words and not words[0].startswith("#"):
            yield f"{path}:{number}", words[0], words[1:]


def _vertex(where: str, tag: str, words: list[str]) -> tuple[int, np.ndarray]:
    names = VERTEX_2D if tag == "VERTEX_SE2" else VERTEX_3D
    _expect(where, tag, words, ("id", *names))
    return _id(where, "id", words[0]), _pose(where, _numbers(where, names, words[1:]))


def _edge(where: str, tag: str, words: list[str]) -> Between:
    names, size = (VERTEX_2D, 3) if tag == "EDGE_SE2" else (VERTEX_3D, 6)
    entries = ENTRIES[size]
    _expect(where, tag, words, ("from", "to", *names, *entries))
    from_id, to_id = _id(where, "from", words[0]), _id(where, "to", words[1])
    values = _numbers(where, (*names, *entries), words[2:])
    information = np.zeros((size, size))
    information[UPPER[size]] = values[len(names) :]
    information = information + np.triu(information, 1).T
    kind: Kind = "odometry" if abs(to_id - from_id) == 1 else "loop"
    try:
        pose = _pose(where, values[: len(names)])
        return Between(from_id, to_id, pose, information if size == 6 else _lifted(information), kind)
    except InvalidInput as error:
        raise InvalidInput(str(error) if str(error).startswith(where) else f"{where}: {error}") from None


def _lifted(information: np.ndarray) -> np.ndarray:
    """Information (6, 6) of one in the plane (3, 3); what the plane does not have is held as well as what it has."""
    height, tilt = float(np.trace(information[:2, :2])) / 2.0, float(information[2, 2])
    out = np.diag([0.0, 0.0, height, tilt, tilt, 0.0])
    out[np.ix_(PLANE, PLANE)] = information
    return out


def _pose(where: str, values: np.ndarray) -> np.ndarray:
    if len(values) == len(VERTEX_2D):
        return transform(exp_so3(np.array([0.0, 0.0, values[2]])), np.array([values[0], values[1], 0.0]))
    norm = float(np.linalg.norm(values[3:]))
    if not MIN_QUATERNION_NORM < norm < 1.0 / MIN_QUATERNION_NORM:
        raise InvalidInput(f"{where}: qx qy qz qw have length {norm:.3g}, expected 1")
    return transform(matrix_from_quaternion(values[3:]), values[:3])


def _expect(where: str, tag: str, words: list[str], names: tuple[str, ...]) -> None:
    if len(words) != len(names):
        what = f"field {names[len(words)]} is missing" if len(words) < len(names) else "there are more"
        raise InvalidInput(f"{where}: {tag} has {len(names)} numbers, got {len(words)}; {what}")


def _numbers(where: str, names: tuple[str, ...], words: list[str]) -> np.ndarray:
    values = []
    for name, word in zip(names, words, strict=True):
        try:
            values.append(float(word))
        except ValueError:
            raise InvalidInput(f"{where}: field {name} is {word!r}, expected a number") from None
        if not math.isfinite(values[-1]):
            raise InvalidInput(f"{where}: field {name} is {word}, expected a finite number")
    return np.array(values)


def _id(where: str, name: str, word: str) -> int:
    if not word.isdecimal() or int(word) > MAX_ID:
        raise InvalidInput(f"{where}: field {name} is {word!r}, expected an integer from 0 to {MAX_ID}")
    return int(word)


def _vertex_line(number: int, T: np.ndarray) -> str:
    return f"VERTEX_SE3:QUAT {number} {_pose_text(T)}\n"


def _edge_line(edge: Between) -> str:
    upper = " ".join(f"{value:.17g}" for value in edge.information[UPPER[6]])
    return f"EDGE_SE3:QUAT {edge.from_id} {edge.to_id} {_pose_text(edge.T_from_to)} {upper}\n"


def _pose_text(T: np.ndarray) -> str:
    return " ".join(f"{value:.17g}" for value in (*T[:3, 3], *quaternion_from_matrix(T[:3, :3])))
