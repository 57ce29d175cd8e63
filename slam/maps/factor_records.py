"""Factors as records of the journal: a header of names and numbers, and arrays of float64 as bytes."""

from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from slam.graph.factors import Attitude, Between, Factor, Position, Prior
from slam.graph.journal import Entry

SIZES = {"prior": 16 + 36, "between": 16 + 36, "attitude": 9 + 1, "position": 3 + 9 + 3}


def factor_record(entry: Entry) -> tuple[dict[str, Any], bytes]:
    """Header and body of a factor."""
    factor = entry.factor
    header: dict[str, Any] = {"type": "factor", "id": entry.factor_id}
    match factor:
        case Prior():
            header |= {"form": "prior", "pose": factor.pose_id}
            parts = [factor.T_map_base, factor.information]
        case Between():
            header |= {"form": "between", "from": factor.from_id, "to": factor.to_id, "kind": factor.kind}
            parts = [factor.T_from_to, factor.information]
        case Attitude():
            header |= {"form": "attitude", "pose": factor.pose_id}
            parts = [factor.R_map_base, np.array([factor.deviation])]
        case Position():
            header |= {"form": "position", "pose": factor.pose_id}
            parts = [factor.p_enu, factor.information, factor.p_base_antenna]
    return header, b"".join(np.ascontiguousarray(part, dtype="<f8").tobytes() for part in parts)


def factor_of(header: dict[str, Any], body: bytes) -> Factor:
    """The factor of a record. Raises `InvalidInput` naming the field."""
    form = header.get("form")
    if form not in SIZES:
        raise InvalidInput(f"form: {form!r} is unknown; expected one of {', '.join(SIZES)}")
    if len(body) != 8 * SIZES[form]:
        raise InvalidInput(f"body: a {form} has {8 * SIZES[form]} bytes, got {len(body)}")
    values = np.frombuffer(body, "<f8").astype(np.float64)
    match form:
        case "prior":
            return Prior(header.get("pose"), *_pose_and_information(values))  # type: ignore[arg-type]
        case "between":
            ends = header.get("from"), header.get("to")
            return Between(*ends, *_pose_and_information(values), header.get("kind"))  # type: ignore[arg-type]
        case "attitude":
            return Attitude(header.get("pose"), values[:9].reshape(3, 3).copy(), float(values[9]))  # type: ignore[arg-type]
    return Position(header.get("pose"), values[:3], values[3:12].reshape(3, 3).copy(), values[12:])  # type: ignore[arg-type]


def _pose_and_information(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return values[:16].reshape(4, 4).copy(), values[16:].reshape(6, 6).copy()
