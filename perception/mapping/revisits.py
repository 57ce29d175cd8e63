"""Whether a keyframe shows a place of the map: alike by descriptor, aligned by image, registered in space.

Sections 12.2 to 12.4 of bev_lio_lc.md. Several places of the map may fit; where they put the keyframe at different
spots, the world repeats itself and nothing is concluded.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from perception.core.geometry import apply, inverse, log_so3
from perception.mapping.config import MappingConfig
from perception.mapping.memory import PlaceMemory, View, level_of
from perception.place.places import Match, compare
from perception.place.verification import Verification, lifted, verify

PoseOf = Callable[[int], np.ndarray]  # T_map_base of a keyframe of the map


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """A place of the map, and what registration says about it."""

    reference_id: int
    verification: Verification
    T_reference_query: np.ndarray  # (4, 4), of the bases

    @property
    def is_accepted(self) -> bool:
        """Whether the keyframe shows this place."""
        return self.verification.is_accepted


class Revisits:
    """Compares keyframes with the places of one map."""

    def __init__(self, config: MappingConfig, memory: PlaceMemory) -> None:
        self.config, self.memory = config, memory

    def ranked(self, view: View, ids: Sequence[int]) -> list[tuple[int, Match]]:
        """Places whose images can be aligned with the keyframe's, the best first."""
        matches = [
            (number, compare(view.place.landmarks, self.memory.landmarks(number), self.config.place)) for number in ids
        ]
        aligned = [(number, match) for number, match in matches if match.score > 0.0]
        return sorted(aligned, key=lambda item: -item[1].score)

    def aligned(self, view: View, number: int, match: Match, height: float) -> Found:
        """Register with a place whose image was aligned; `height` (m) of the keyframe over it, by the odometry."""
        found = self._registered(view, number, lifted(match.planar, height))
        if found.is_accepted or abs(height) < self.config.place.verification.fine_voxel:
            return found
        return self._registered(view, number, lifted(match.planar))  # the odometry's height may have drifted

    def predicted(self, view: View, number: int, T_reference_query: np.ndarray) -> Found:
        """Register with a place of which the relative pose (4, 4) of the bases is known, about."""
        T_left, T_right = self._ends(view, number)
        return self._registered(view, number, T_left @ T_reference_query @ inverse(T_right))

    def _registered(self, view: View, number: int, T_level: np.ndarray) -> Found:
        """`T_level`: from the level LiDAR of the keyframe to that of the place."""
        keyframe = view.keyframe
        query = apply(view.T_level_lidar, keyframe.points)
        result = verify(query, self.memory.surroundings(number), T_level, self.config.place.verification)
        T_left, T_right = self._ends(view, number)
        return Found(number, result, inverse(T_left) @ result.T_reference_query @ T_right)

    def _ends(self, view: View, number: int) -> tuple[np.ndarray, np.ndarray]:
        """`T_level_base` (4, 4) of the place and of the keyframe."""
        there, here = self.memory.folder.load(number), view.keyframe
        return (
            level_of(there.T_odom_base, there.T_base_lidar) @ inverse(there.T_base_lidar),
            view.T_level_lidar @ inverse(here.T_base_lidar),
        )


def placed(found: Found, pose_of: PoseOf) -> np.ndarray:
    """`T_map_base` (4, 4) of the keyframe according to a place."""
    return pose_of(found.reference_id) @ found.T_reference_query


def agreeing(
    accepted: Iterable[Found], pose_of: PoseOf, distance: float, degrees: float, margin: float
) -> tuple[list[Found], str]:
    """The best place and those that put the keyframe at the same spot, within the limits (m, deg), best first.

    None, and why, where another spot fits as well: its overlap comes within `margin` of the best one's. What a
    symmetry or a repetition makes alike overlaps less than the place itself, as long as anything differs.
    """
    ordered = sorted(accepted, key=lambda found: -found.verification.overlap)
    agreed: list[Found] = []
    for found in ordered:
        shift, turn = apart(placed(ordered[0], pose_of), placed(found, pose_of))
        if shift <= distance and turn <= degrees:
            agreed.append(found)
        elif found.verification.overlap >= ordered[0].verification.overlap - margin:
            ids = f"{ordered[0].reference_id} and {found.reference_id}"
            return [], f"keyframes {ids} both fit, {shift:.1f} m and {turn:.0f} deg apart"
    return agreed, ""


def apart(T_a: np.ndarray, T_b: np.ndarray) -> tuple[float, float]:
    """Distance (m) and angle (deg) between two poses."""
    turn = float(np.degrees(np.linalg.norm(log_so3(T_a[:3, :3].T @ T_b[:3, :3]))))
    return float(np.linalg.norm(T_a[:3, 3] - T_b[:3, 3])), turn
