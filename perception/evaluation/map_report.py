"""The map in the report of a run: both trajectories, the loops that join them, and the floor as a picture."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from perception.core.geometry import apply, inverse
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.evaluation.gallery import figure, gallery
from perception.evaluation.page import Section, map_height
from perception.evaluation.plots import Chart, Curve, line_chart
from perception.evaluation.trajectory import TrajectoryErrors

MAX_LOOPS = 300  # drawn; more do not show
PICTURE_WIDTH = 640  # px at least where the screen has them


@dataclass(frozen=True, slots=True, eq=False)
class MapView:
    """What is shown of a map."""

    trajectory: Trajectory  # T_map_base at the scans
    loops: np.ndarray  # (L, 2, 3) places in the map that are joined
    picture: np.ndarray | None = None  # (H, W, 3) uint8 RGB
    errors: TrajectoryErrors | None = None  # against the reference
    refused: Mapping[str, int] | None = None  # revisits by the reason for which they are no loops


def map_section(view: MapView, odometry: Trajectory, errors: TrajectoryErrors | None) -> Section:
    """The map beside the odometry, in the frame of the reference where there is one; `errors` are the odometry's."""
    charts = [_from_above(view, odometry, errors)] if len(view.trajectory) else []
    if errors is not None and view.errors is not None:
        charts.append(_errors(view.errors, errors))
    if view.picture is not None:
        said = "The floor, the path of each session from its green start, and the loops in red"
        charts.append(gallery([figure(view.picture, said)], PICTURE_WIDTH))
    return Section("Map", charts, _notes(view))


def _from_above(view: MapView, odometry: Trajectory, errors: TrajectoryErrors | None) -> str:
    trajectory, places = view.trajectory.poses, view.loops
    curves = []
    if errors is not None and view.errors is not None:
        trajectory, estimate = view.errors.estimate, errors.estimate
        places = apply(view.errors.alignment.T_reference_estimate, places.reshape(-1, 3)).reshape(-1, 2, 3)
        curves.append(_curve("reference", errors.reference, 2, is_broad=True))
    else:
        T_map_odom = view.trajectory.poses[0] @ inverse(odometry.at(int(view.trajectory.stamps_ns[0])))
        estimate = T_map_odom @ odometry.poses
    curves += [_curve("odometry", estimate, 3), _curve("map", trajectory, 1)]
    if len(places):
        step = -(-len(places) // MAX_LOOPS)
        ends = np.full((len(places[::step]), 3, 2), np.nan)  # a gap after each
        ends[:, :2] = places[::step, :, :2]
        curves.append(Curve("loops", ends[..., 0].ravel(), ends[..., 1].ravel(), 4))
    chart = Chart("From above", "x (m)", "y (m)", curves, map_height(trajectory), equal_axes=True)
    return line_chart(chart)


def _curve(name: str, poses: np.ndarray, colour: int, is_broad: bool = False) -> Curve:
    return Curve(name, poses[:, 0, 3], poses[:, 1, 3], colour, is_broad=is_broad)


def _errors(with_map: TrajectoryErrors, without: TrajectoryErrors) -> str:
    start = min(with_map.stamps_ns[0], without.stamps_ns[0])
    curves = [
        Curve(name, (errors.stamps_ns - start) / NS_PER_S, errors.translation_errors, colour)
        for name, errors, colour in (("odometry", without, 3), ("map", with_map, 1))
    ]
    return line_chart(Chart("Position error", "time (s)", "m", curves, from_zero=True))


def _notes(view: MapView) -> list[str]:
    loops = f"{len(view.loops)} loops hold the map together."
    if not view.refused:
        return [loops]
    reasons = ", ".join(f"{name} {count}" for name, count in sorted(view.refused.items(), key=lambda item: -item[1]))
    return [loops, f"Revisits that were looked at and are no loops: {reasons}."]
