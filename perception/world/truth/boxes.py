"""The countable objects around the robot at one moment: boxes in the ego frame, with velocity and LiDAR returns."""

import numpy as np

from perception.core.geometry import inverse
from perception.core.labels import BoxLabels3d
from perception.core.stamps import NS_PER_MS, NS_PER_S
from perception.world.scene import Scene

REACH = 60.0  # m around the robot
DIFFERENCE_NS = 10 * NS_PER_MS  # before and after, of the central difference
POINT_MARGIN = 0.05  # m: noise carries returns out of the box, and the ground into it


def label_boxes(
    scene: Scene, time_ns: int, T_world_ego: np.ndarray, robot_x: float, points: np.ndarray | None = None
) -> BoxLabels3d:
    """All things of the scene within `REACH` of the robot, in ego axes, in the order of `Scene.things`.

    `T_world_ego` (4, 4) is where the scene is built, `robot_x` (m) where the robot is (they differ in worlds that
    repeat, see `Scene.wrapped`). `points` (P, 3): returns in the ego frame at `time_ns`; None leaves their number
    unknown. Returns count up to `POINT_MARGIN` outside of a box, but only above its lowest `POINT_MARGIN`: what lies
    below is ground. A thing whose class covers a part of it only (a traffic sign) has the box of that part.
    """
    times_ns = time_ns + np.array([-DIFFERENCE_NS, 0, DIFFERENCE_NS], dtype=np.int64)
    T_ego_thing = inverse(T_world_ego) @ scene.thing_poses(times_ns, robot_x)
    low = np.array([thing.low for thing in scene.things]).reshape(-1, 3)
    high = np.array([thing.high for thing in scene.things]).reshape(-1, 3)
    places = np.einsum("tnij,tj->tni", T_ego_thing[..., :3, :3], 0.5 * (low + high)) + T_ego_thing[..., :3, 3]
    near = np.flatnonzero(np.hypot(places[:, 1, 0], places[:, 1, 1]) <= REACH)
    sizes, R = (high - low)[near], T_ego_thing[near, 1, :3, :3]
    things = [scene.things[i] for i in near]
    return BoxLabels3d(
        np.array([thing.kind for thing in things], dtype=np.uint8),
        np.array([thing.instance_id for thing in things], dtype=np.int32),
        places[near, 1],
        sizes,
        np.arctan2(R[:, 1, 0], R[:, 0, 0]),
        (places[near, 2] - places[near, 0]) * (NS_PER_S / (2 * DIFFERENCE_NS)),
        _returns(T_ego_thing[near, 1], low[near], high[near], points),
    )


def _returns(T_ego_thing: np.ndarray, low: np.ndarray, high: np.ndarray, points: np.ndarray | None) -> np.ndarray:
    """How many of `points` each box (N) holds; -1 without points."""
    if points is None:
        return np.full(len(low), -1, dtype=np.int64)
    points = points.astype(np.float64)
    radii = np.linalg.norm(high - low, axis=1)
    centres = np.einsum("nij,nj->ni", T_ego_thing[:, :3, :3], 0.5 * (low + high)) + T_ego_thing[:, :3, 3]
    counts = np.zeros(len(low), dtype=np.int64)
    for i, T_thing_ego in enumerate(inverse(T_ego_thing)):
        near = points[(np.abs(points - centres[i]) <= radii[i]).all(axis=1)]
        local = near @ T_thing_ego[:3, :3].T + T_thing_ego[:3, 3]
        counts[i] = np.count_nonzero(inside(local, low[i], high[i]))
    return counts


def inside(points: np.ndarray, low: np.ndarray, high: np.ndarray, margin: float = POINT_MARGIN) -> np.ndarray:
    """Which of `points` (P, 3) a box holds (P,) bool, all in the box's frame; see `label_boxes` for the margin."""
    floor = np.array([low[0] - margin, low[1] - margin, low[2] + margin])
    return ((points >= floor) & (points <= high + margin)).all(axis=1)
