"""PLY files (ascii and binary): the vertices as columns by name, and writers for clouds and line segments."""

from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.io.cloud_layout import MAX_POINTS
from perception.io.columns import Columns, ascii_columns, record_columns

MAX_HEADER = 65536  # bytes
TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "<", "binary_little_endian": "<", "binary_big_endian": ">"}


def read_ply(path: Path) -> Columns:
    """Columns (N,) of the properties of the vertices, which must come first. Raises `InvalidInput`."""
    raw = path.read_bytes()
    end = raw.find(b"end_header", 0, MAX_HEADER)
    if not raw.startswith(b"ply") or end < 0:
        raise InvalidInput(f"{path}: is no PLY file; it has no header from 'ply' to 'end_header'")
    lines = [line.split() for line in raw[:end].decode("ascii", errors="replace").splitlines()]
    start = raw.find(b"\n", end) + 1 or len(raw)
    form = next((words[1] for words in lines if len(words) > 1 and words[0] == "format"), "none")
    if form not in ORDERS:
        raise InvalidInput(f"{path}: format {form} is unknown; expected {', '.join(ORDERS)}")
    count, dtype = _vertices(path, lines, ORDERS[form])
    if form == "ascii":
        return ascii_columns(path, raw[start:], dtype, count)
    return record_columns(path, raw, start, dtype, count)


def write_ply(path: Path, points: np.ndarray, intensity: np.ndarray | None = None) -> None:
    """Write `points` (N, 3) m, and `intensity` (N,), as float32 in binary PLY, whole or not at all."""
    names = ("x", "y", "z") if intensity is None else ("x", "y", "z", "intensity")
    table = points if intensity is None else np.column_stack([points, intensity])
    properties = "".join(f"property float {name}\n" for name in names)
    header = f"ply\nformat binary_little_endian 1.0\nelement vertex {len(points)}\n{properties}end_header\n"
    write_atomic(Path(path), header.encode("ascii") + np.ascontiguousarray(table, dtype="<f4").tobytes())


def write_ply_lines(path: Path, ends: np.ndarray, colours: np.ndarray | None = None) -> None:
    """Write segments `ends` (N, 2, 3) m as vertices and edges in binary PLY, whole or not at all.

    `colours` (N, 3) uint8 sRGB of the segments. Segment k joins the vertices 2 k and 2 k + 1; Open3D, CloudCompare and
    MeshLab show the edges.
    """
    vertex = [(name, "<f4") for name in "xyz"]
    edge = [("vertex1", "<i4"), ("vertex2", "<i4")]
    if colours is not None:
        tint = [(name, "u1") for name in ("red", "green", "blue")]
        vertex, edge = vertex + tint, edge + tint
    vertices, edges = np.zeros(2 * len(ends), dtype=vertex), np.zeros(len(ends), dtype=edge)
    for column, name in enumerate("xyz"):
        vertices[name] = ends[..., column].reshape(-1)
    edges["vertex1"], edges["vertex2"] = np.arange(0, 2 * len(ends), 2), np.arange(1, 2 * len(ends), 2)
    if colours is not None:
        for column, name in enumerate(("red", "green", "blue")):
            vertices[name], edges[name] = np.repeat(colours[:, column], 2), colours[:, column]
    names = {"<f4": "float", "<i4": "int", "u1": "uchar"}
    header = "ply\nformat binary_little_endian 1.0\n"
    for element, table, kinds in (("vertex", vertices, vertex), ("edge", edges, edge)):
        header += f"element {element} {len(table)}\n"
        header += "".join(f"property {names[kind]} {name}\n" for name, kind in kinds)
    write_atomic(Path(path), f"{header}end_header\n".encode("ascii") + vertices.tobytes() + edges.tobytes())


def _vertices(path: Path, lines: list[list[str]], order: str) -> tuple[int, np.dtype]:
    elements = [index for index, words in enumerate(lines) if words and words[0] == "element"]
    first = lines[elements[0]] if elements else []
    if len(first) != 3 or first[1] != "vertex" or not first[2].isdecimal() or int(first[2]) > MAX_POINTS:
        raise InvalidInput(f"{path}: expected 'element vertex N' first, N up to {MAX_POINTS}, got {' '.join(first)!r}")
    last = elements[1] if len(elements) > 1 else len(lines)
    parts: list[tuple[str, str]] = []
    for words in lines[elements[0] + 1 : last]:
        if words[:1] != ["property"]:
            continue
        if len(words) != 3 or words[1] not in TYPES or words[2] in dict(parts):
            raise InvalidInput(f"{path}: vertices have {' '.join(words)!r}; expected one scalar of each name")
        parts.append((words[2], order + TYPES[words[1]]))
    return int(first[2]), np.dtype(parts)
