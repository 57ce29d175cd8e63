"""The place of the robot in a saved map: found without any guess, then followed."""

from dataclasses import dataclass

import numpy as np

from perception.core.geometry import inverse
from perception.mapping.config import MappingConfig
from perception.mapping.memory import PlaceMemory, View
from perception.mapping.pose_table import PoseTable
from perception.mapping.revisits import Found, PoseOf, Revisits, agreeing, apart, placed
from perception.place.verification import Verdict

FORGETTING = 0.2  # share of the newest keyframe in the usual overlap


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """Where a keyframe is."""

    T_map_base: np.ndarray  # (4, 4)
    found: Found  # the place of the map that says so
    num_support: int  # places and earlier keyframes that agree, itself included


class Localizer:
    """Finds keyframes in a map. What one keyframe leaves open, the next ones may settle."""

    def __init__(self, config: MappingConfig, memory: PlaceMemory) -> None:
        self.config, self.memory = config, memory
        self.revisits = Revisits(config, memory)
        self.reason = ""  # why the last keyframe has no place
        self._before: list[np.ndarray] = []  # T_map_odom according to earlier keyframes
        self._usual = 0.0  # overlap of the keyframes that were followed

    def begin_session(self) -> None:
        """Another odometry: what was thought of before is forgotten."""
        self._before.clear()
        self._usual = 0.0

    def locate(self, view: View, pose_of: PoseOf) -> Located | None:
        """The pose of a keyframe anywhere in the map; None, and a reason, where it is not sure."""
        limits = self.config.localization
        accepted = self._accepted(view)
        agreed, doubt = agreeing(accepted, pose_of, limits.agree_distance, limits.agree_deg, self.config.loops.margin)
        self.reason = doubt or self.reason
        if not agreed:
            return None
        best = agreed[0]
        T_map_base = placed(best, pose_of)
        T_map_odom = T_map_base @ inverse(view.keyframe.T_odom_base)
        before = sum(self._is_near(T_map_odom, T) for T in self._before)
        self._before = [*self._before, T_map_odom][-limits.lost_after :]
        support = len(agreed) + before
        if support < limits.min_support and best.verification.overlap < limits.sure_overlap:
            self.reason = f"{support} of {limits.min_support} places agree"
            return None
        return Located(T_map_base, best, support)

    def follow(self, view: View, T_map_base: np.ndarray, poses: PoseTable) -> Located | None:
        """The pose of a keyframe whose pose (4, 4) is known, about; None, and a reason, where the map does not fit.

        Where it fits worse than before, the place is sought in the whole map, and believed if it fits decidedly better.
        """
        near = poses.nearest(T_map_base[:3, 3], self.config.localization.radius)
        if near is None:
            self.reason = ""  # outside the map nothing can be checked
            return None
        found = self.revisits.predicted(view, near, inverse(poses(near)) @ T_map_base)
        overlap = found.verification.overlap if found.is_accepted else 0.0
        if overlap < self._usual - self.config.loops.margin:  # what is symmetric fits somewhat at wrong places, too
            elsewhere = self.locate(view, poses)
            if elsewhere is not None and elsewhere.found.verification.overlap > overlap + self.config.loops.margin:
                return elsewhere
        self._usual = overlap if self._usual == 0.0 else self._usual + FORGETTING * (overlap - self._usual)
        self.reason = found.verification.detail or found.verification.verdict.value
        return Located(placed(found, poses), found, 1) if found.is_accepted else None

    def _accepted(self, view: View) -> list[Found]:
        ids = self.memory.candidates(view, self.config.place.index.candidates)
        ranked = self.revisits.ranked(view, ids)[: self.config.localization.verified]
        tried = [self.revisits.aligned(view, number, match, 0.0) for number, match in ranked]
        if not tried:
            self.reason = "no place of the map looks alike" if len(self.memory) else "the map is empty"
        elif not any(found.is_accepted for found in tried):
            self.reason = f"{tried[0].verification.verdict.value}: {tried[0].verification.detail}"
        least = self.config.localization.min_overlap
        accepted = [found for found in tried if found.is_accepted]
        overlapping = [found for found in accepted if found.verification.overlap >= least]
        if accepted and not overlapping:
            self.reason = f"{Verdict.LOW_OVERLAP.value}: {accepted[0].verification.overlap:.2f}, at least {least}"
        return overlapping

    def _is_near(self, T_a: np.ndarray, T_b: np.ndarray) -> bool:
        shift, turn = apart(T_a, T_b)
        return shift <= self.config.localization.agree_distance and turn <= self.config.localization.agree_deg
