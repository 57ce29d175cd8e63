"""What a map holds, as plain values: for `perception map info` and the metrics of a replay."""

from typing import Any

import numpy as np

from perception.core.stamps import NS_PER_S
from slam.graph.factors import Between, Position
from slam.maps.folder import MapFolder
from slam.maps.sessions import loops_of, sessions_of, ties_of

MB = 1e6  # bytes


def facts_of(folder: MapFolder) -> dict[str, Any]:
    """Numbers and names of a map, ready for JSON."""
    ids, poses = folder.poses()
    sessions, places = sessions_of(folder), poses[:, :3, 3]
    paths = [places[np.searchsorted(ids, session)] for session in sessions]
    factors = [entry.factor for entry in folder.entries()]
    kinds = [getattr(factor, "kind", type(factor).__name__.lower()) for factor in factors]
    return {
        "map_id": folder.card.map_id,
        "name": folder.card.name,
        "version": folder.card.version,
        "keyframes": len(ids),
        "sessions": [_session(folder, session, path) for session, path in zip(sessions, paths)],
        "loops": {**_loops(loops_of(folder), sessions), "ties of sessions": len(ties_of(folder))},
        "points": sum(info.num_points for info in folder.keyframes.values()),
        "path_m": round(sum(map(_length, paths)), 2),
        "extent_m": np.ptp(places, axis=0).round(2).tolist() if len(places) else [],
        "sensors": _sensors(folder),
        "factors": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "undone": len(folder.undone),
        "size_mb": round(sum(info.size for info in folder.keyframes.values()) / MB, 3),
    }


def _session(folder: MapFolder, ids: np.ndarray, path: np.ndarray) -> dict[str, Any]:
    stamps = [folder.keyframes[number].stamp_ns for number in ids.tolist()]
    return {
        "first": int(ids[0]),
        "last": int(ids[-1]),
        "start_ns": min(stamps),
        "duration_s": round((max(stamps) - min(stamps)) / NS_PER_S, 3),
        "path_m": round(_length(path), 2),
    }


def _loops(pairs: np.ndarray, sessions: list[np.ndarray]) -> dict[str, int]:
    """How many join keyframes of one session, and how many those of two."""
    starts = np.array([session[0] for session in sessions])
    first, last = np.searchsorted(starts, pairs, side="right").T
    num_within = int((first == last).sum())
    return {"within a session": num_within, "between sessions": len(pairs) - num_within}


def _sensors(folder: MapFolder) -> list[str]:
    """Where the LiDAR was on the robot, and what else had a word in the graph."""
    places = {tuple(np.round(info.T_base_lidar[:3, 3], 3).tolist()) for info in folder.keyframes.values()}
    found = [f"lidar at {x:g} {y:g} {z:g} m" for x, y, z in sorted(places)]
    factors = [entry.factor for entry in folder.entries()]
    found += ["satellite fixes"] if any(isinstance(f, Position) for f in factors) else []
    found += ["wheels"] if any(isinstance(f, Between) and f.kind == "wheel" for f in factors) else []
    return found


def _length(path: np.ndarray) -> float:
    return float(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
