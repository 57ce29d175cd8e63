"""Loop closure: revisits of the running session and of earlier ones, each with a reason when it is refused."""

import numpy as np

from perception.mapping.config import MappingConfig
from perception.mapping.memory import PlaceMemory, View
from perception.mapping.revisits import Found, PoseOf, Revisits, agreeing
from perception.mapping.types import LoopReport
from perception.place.consistency import ConsistencyCheck, Revisit
from perception.place.verification import Verdict
from slam.graph.factors import Between, information_of

AMBIGUOUS, WAITS, ACCEPTED = "several places fit", "waits for another revisit that agrees", Verdict.ACCEPTED.value


class LoopFinder:
    """Looks for each keyframe whether it shows an earlier place."""

    def __init__(self, config: MappingConfig, memory: PlaceMemory) -> None:
        self.config, self.memory = config, memory
        self.revisits = Revisits(config, memory)
        self._check = ConsistencyCheck(config.place.verification)

    def begin_session(self) -> None:
        """Earlier revisits say nothing about a new odometry."""
        self._check.clear()

    def seek(self, view: View, T_map_base: np.ndarray, pose_of: PoseOf) -> tuple[list[LoopReport], list[Between]]:
        """What was thought of for a keyframe, and the loops that are believed now: its own, and those that waited."""
        found = self._verified(view, T_map_base, pose_of)
        reports = [_report(view, item) for item in found if not item.is_accepted]
        accepted = [item for item in found if item.is_accepted]
        if not accepted:
            return reports, []
        limits = self.config.place.verification
        agreed, doubt = agreeing(
            accepted, pose_of, limits.max_correction, limits.max_correction_deg, self.config.loops.margin
        )
        if not agreed:
            return [*reports, _report(view, accepted[0], AMBIGUOUS, doubt)], []
        released = self._check.offer(self._revisit(view, agreed[0]))
        if not released:
            return [*reports, _report(view, agreed[0], WAITS)], []
        loops = [self._factor(revisit) for revisit in released]
        return [*reports, *(self._accepted(loop, view) for loop in loops)], loops

    def _accepted(self, loop: Between, view: View) -> LoopReport:
        """A loop that may have waited: then its keyframe is in the map already."""
        known = self.memory.folder.keyframes.get(loop.to_id)
        stamp_ns = known.stamp_ns if known is not None else view.keyframe.stamp_ns
        return LoopReport(stamp_ns, loop.to_id, loop.from_id, ACCEPTED, "", loop.T_from_to)

    def _verified(self, view: View, T_map_base: np.ndarray, pose_of: PoseOf) -> list[Found]:
        """Places whose images align best, registered in space."""
        ids = self.memory.candidates(view, self.config.loops.compared)
        best = self.revisits.ranked(view, ids)[: self.config.loops.verified]
        heights = [float(T_map_base[2, 3] - pose_of(number)[2, 3]) for number, _ in best]
        return [self.revisits.aligned(view, number, match, z) for (number, match), z in zip(best, heights)]

    def _revisit(self, view: View, found: Found) -> Revisit:
        reference = self.memory.folder.load(found.reference_id)
        return Revisit(
            view.keyframe.keyframe_id,
            found.reference_id,
            found.T_reference_query,
            view.keyframe.T_odom_base,
            reference.T_odom_base,
            view.path,
            self.memory.path_of(found.reference_id),
            self.memory.session_of(found.reference_id),
        )

    def _factor(self, revisit: Revisit) -> Between:
        graph = self.config.graph
        information = information_of(graph.loop_position, float(np.deg2rad(graph.loop_rotation_deg)))
        return Between(revisit.reference, revisit.query, revisit.T_reference_query, information, "loop")


def _report(view: View, found: Found, verdict: str = "", detail: str = "") -> LoopReport:
    result = found.verification
    return LoopReport(
        view.keyframe.stamp_ns,
        view.keyframe.keyframe_id,
        found.reference_id,
        verdict or result.verdict.value,
        detail or result.detail,
        found.T_reference_query,
    )
