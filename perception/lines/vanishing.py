"""Vanishing points of an image from its line segments, and from the vertical one the horizon, roll and pitch.

Frame: optical (REP-103): x right, y down, z forward. `up` is the direction against gravity in it; a level camera has
up = (0, -1, 0). Roll turns about z by the right hand: it is positive when the right side of the camera is lower, and
the image then shows the world turned to the left. Pitch is positive when the camera looks above the horizon. Both in
radians.

Which of the points is the vertical one follows from the camera being upright within `max_tilt_deg`; nothing else is
assumed of the scene, neither right angles nor level ground. Without enough segments there is no answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.types import check
from perception.lines import vanishing_kernels as kernels
from perception.lines.use_config import VanishingConfig

MIN_NOISE = 0.2  # px, of an end across its segment: what no detector is better than
SAME_DEG = 3.0  # vanishing points that are nearer to each other are one
Allowed = Callable[[np.ndarray], np.ndarray]  # which of directions (M, 3) may be the answer
VERTICAL_FAN = 1.5  # times max_tilt: how far a segment may lean in the image and yet be vertical


@dataclass(frozen=True, slots=True, eq=False)
class Attitude:
    """What the vertical vanishing point says about the camera."""

    up: np.ndarray  # (3,) float64, unit, against gravity, in the optical frame
    roll: float  # rad
    pitch: float  # rad
    roll_std: float  # rad, 1 sigma, from the residuals of the segments
    pitch_std: float  # rad
    num_segments: int  # that point to the vertical
    share: float  # of the length of all nearly upright segments: how much of what is seen agrees, 0 to 1

    def horizon(self, camera: CameraModel) -> tuple[tuple[float, float], tuple[float, float]] | None:
        """Pixels of the horizon at the left and the right border of an undistorted image; None where it is upright."""
        line = np.linalg.inv(camera.K).T @ self.up  # pixels p with line . (p, 1) = 0 look along level directions
        if abs(line[1]) < abs(line[0]) * 1e-3:
            return None
        ends = [(float(x), float(-(line[0] * x + line[2]) / line[1])) for x in (0.0, camera.width - 1.0)]
        return ends[0], ends[1]


@dataclass(frozen=True, slots=True, eq=False)
class VanishingPoints:
    """Vanishing points of one image, the vertical one first where there is one, then by support."""

    directions: np.ndarray  # (K, 3) float64, unit, optical frame; the vertical one points up, others forward
    num_segments: np.ndarray  # (K,) int64
    groups: np.ndarray  # (N,) int64, row of `directions` that each segment points to; -1: none
    attitude: Attitude | None  # None: the segments do not tell which way is up

    def __len__(self) -> int:
        return len(self.directions)

    @property
    def has_vertical(self) -> bool:
        """True when row 0 is the vertical."""
        return self.attitude is not None


def vanishing_points(
    segments: np.ndarray, camera: CameraModel, config: VanishingConfig | None = None
) -> VanishingPoints:
    """Vanishing points of `segments` (N, 4) float32 px, pixel centres at integers, seen by `camera`.

    Raises `InvalidInput` for a camera with a lens distortion, in whose images straight edges are bent, and for
    segments that are not finite.
    """
    config = config or VanishingConfig()
    rows = _rows(segments, camera)
    groups = np.full(len(segments), -1, dtype=np.int64)
    search = _Search(rows, float(np.sqrt(camera.K[0, 0] * camera.K[1, 1])), config)
    long_enough = 2.0 * rows[:, 4] >= config.min_length
    directions: list[np.ndarray] = []
    vertical = search.vertical(long_enough)
    attitude = None
    if vertical is not None:
        attitude = vertical.attitude
        directions.append(vertical.direction)
        groups[vertical.members] = 0
    while len(directions) < config.max_points:
        found = search.next(long_enough & (groups < 0), directions)
        if found is None:
            break
        groups[found.members] = len(directions)
        directions.append(found.direction)
    counts = np.bincount(groups[groups >= 0], minlength=len(directions)).astype(np.int64)
    return VanishingPoints(np.array(directions).reshape(-1, 3), counts, groups, attitude)


def attitude_of(T_world_camera: np.ndarray) -> tuple[float, float]:
    """Roll and pitch (rad) of a camera whose pose (4, 4) in a world with z up is known, in our convention."""
    up = T_world_camera[2, :3]
    return roll_pitch(up)


def roll_pitch(up: np.ndarray) -> tuple[float, float]:
    """Roll and pitch (rad) of a camera in whose optical frame `up` (3,) points against gravity."""
    return float(np.arctan2(-up[0], -up[1])), float(np.arcsin(np.clip(up[2], -1.0, 1.0)))


def level_from_camera(up: np.ndarray) -> np.ndarray:
    """`R_level_camera` (3, 3): from the optical frame to one with z up whose x axis is the way the camera looks."""
    ahead = np.array([0.0, 0.0, 1.0]) - up[2] * up
    ahead /= max(float(np.linalg.norm(ahead)), 1e-9)
    return np.stack([ahead, np.cross(up, ahead), up])


def warm_up() -> None:
    """Compile what an image needs."""
    kernels.warm_up()


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    direction: np.ndarray  # (3,) unit
    members: np.ndarray  # rows of the segments
    attitude: Attitude | None = None


def _rows(segments: np.ndarray, camera: CameraModel) -> np.ndarray:
    """Segments as `vanishing_kernels` wants them."""
    check("segments", segments, (None, 4), np.float32)
    if camera.distortion != "none":
        raise InvalidInput(
            f"camera: its lens is {camera.distortion}, straight edges are bent in its images; rectify them first"
        )
    if not np.isfinite(camera.K).all():
        raise InvalidInput("camera: K is not finite; calibrate the camera")
    if not np.isfinite(segments).all():
        raise InvalidInput("segments: expected finite px; the detector is broken")
    focal = np.sqrt(camera.K[0, 0] * camera.K[1, 1])
    ends = focal * camera.rays(segments.reshape(-1, 2, 2))[..., :2]
    step = 0.5 * (ends[:, 1] - ends[:, 0])
    half = np.hypot(step[:, 0], step[:, 1])
    return np.column_stack([ends.mean(axis=1), step / np.maximum(half, 1e-9)[:, None], half])


class _Search:
    """Looks for directions that more segments point to than chance would have it."""

    def __init__(self, rows: np.ndarray, focal: float, config: VanishingConfig) -> None:
        self.rows, self.focal, self.config = rows, focal, config
        self.rng = np.random.default_rng(config.seed)
        half = np.maximum(rows[:, 4], 0.5)
        self.tolerances = np.minimum(config.max_distance / half, np.sin(np.radians(config.max_angle_deg)))
        self.normals = _plane_normals(rows, focal)

    def vertical(self, is_asked: np.ndarray) -> _Found | None:
        """The vertical vanishing point with the attitude that it tells, or None."""
        tilt = np.radians(self.config.max_tilt_deg)
        lean = np.arctan2(np.abs(self.rows[:, 2]), np.abs(self.rows[:, 3]))  # from upright, in the image
        fan = min(VERTICAL_FAN * tilt, 0.5 * np.pi)
        pool = np.flatnonzero(is_asked & (lean < fan))
        found = self._best(pool, lambda v: np.abs(v[:, 1]) >= np.cos(tilt), fan)
        if found is None:
            return None
        up = found.direction * -np.sign(found.direction[1])
        attitude = self._attitude(up, found.members, pool)
        if attitude is None:
            return None
        return _Found(up, found.members, attitude)

    def next(self, is_asked: np.ndarray, known: list[np.ndarray]) -> _Found | None:
        """The best supported direction that is not yet `known`, or None."""
        pool = np.flatnonzero(is_asked)

        others = np.array(known).reshape(-1, 3)

        def is_new(v: np.ndarray) -> np.ndarray:
            return np.asarray((np.abs(v @ others.T) < np.cos(np.radians(SAME_DEG))).all(axis=1))

        found = self._best(pool, is_new, 0.5 * np.pi)
        if found is None:
            return None
        return _Found(found.direction * (-1.0 if found.direction[2] < 0.0 else 1.0), found.members)

    def _best(self, pool: np.ndarray, is_allowed: Allowed, fan: float) -> _Found | None:
        """The direction that most of `pool` points to; None where that is chance. Segments lean within +-`fan`."""
        if len(pool) < self.config.min_segments:
            return None
        rows, tolerances, weights = self.rows[pool], self.tolerances[pool], self.rows[pool, 4]
        candidates = self._candidates(pool, weights)
        candidates = candidates[is_allowed(candidates)]
        if not len(candidates):
            return None
        support = kernels.supports(rows, tolerances, weights, candidates, self.focal)
        best = candidates[int(np.argmax(support))]
        direction = kernels.refined(rows, self.normals[pool], tolerances, best, self.focal)
        if not is_allowed(direction[None])[0]:
            return None
        is_member = kernels.sines(rows, direction, self.focal) <= tolerances
        if is_member.sum() < self.config.min_segments or not self._is_no_chance(is_member, tolerances, fan):
            return None
        return _Found(direction, pool[is_member])

    def _candidates(self, pool: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Directions (M, 3) that pairs of segments point to; long ones are drawn more often."""
        pairs = self.rng.choice(len(pool), size=(self.config.num_samples, 2), p=weights / weights.sum())
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        directions = np.cross(self.normals[pool[pairs[:, 0]]], self.normals[pool[pairs[:, 1]]])
        lengths = np.linalg.norm(directions, axis=1)
        return directions[lengths > 1e-6] / lengths[lengths > 1e-6, None]

    def _is_no_chance(self, is_member: np.ndarray, tolerances: np.ndarray, fan: float) -> bool:
        """Whether segments without order would give so many members less often than `max_chance`.

        A contrario, by Hoeffding's bound on the binomial tail; each pair that was drawn is one test.
        """
        n, k = len(is_member), int(is_member.sum())
        p = float(np.clip(np.mean(tolerances / fan), 1e-6, 1.0 - 1e-6))
        share = k / n
        if share <= p:
            return False
        divergence = share * np.log(share / p)
        if share < 1.0:
            divergence += (1.0 - share) * np.log((1.0 - share) / (1.0 - p))
        return bool(np.log(self.config.num_samples) - n * divergence < np.log(self.config.max_chance))

    def _attitude(self, up: np.ndarray, members: np.ndarray, pool: np.ndarray) -> Attitude | None:
        """Roll and pitch with their uncertainty; None where the segments hardly determine the roll."""
        sines = kernels.sines(self.rows[members], up, self.focal)
        distances = sines * self.rows[members, 4]
        noise = max(MIN_NOISE, float(np.sqrt((distances**2).sum() / max(1, len(members) - 2))))
        weights = kernels.leverage_reference(self.rows[members], up, self.focal)
        matrix = np.einsum("n,ni,nj->ij", weights, self.normals[members], self.normals[members])
        roll, pitch = roll_pitch(up)
        roll_axis, pitch_axis = _tangents(roll, pitch)
        axes = np.stack([roll_axis, pitch_axis])
        information = axes @ matrix @ axes.T / noise**2
        if np.linalg.cond(information) > 1e12:
            return None
        covariance = np.linalg.inv(information)
        roll_std, pitch_std = np.sqrt(np.diag(covariance))
        if roll_std > np.radians(self.config.max_std_deg):
            return None
        share = float(self.rows[members, 4].sum() / self.rows[pool, 4].sum())
        return Attitude(up, roll, pitch, float(roll_std), float(pitch_std), len(members), share)


def _plane_normals(rows: np.ndarray, focal: float) -> np.ndarray:
    """Unit normals (N, 3) of the planes through the camera and each segment."""
    middles = np.column_stack([rows[:, :2] / focal, np.ones(len(rows))])
    along = np.column_stack([rows[:, 2:4], np.zeros(len(rows))])
    normals = np.cross(middles, along)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def _tangents(roll: float, pitch: float) -> tuple[np.ndarray, np.ndarray]:
    """How `up` (3,) changes with roll and with pitch."""
    sin_r, cos_r, sin_p, cos_p = np.sin(roll), np.cos(roll), np.sin(pitch), np.cos(pitch)
    return np.array([-cos_p * cos_r, cos_p * sin_r, 0.0]), np.array([sin_p * sin_r, sin_p * cos_r, cos_p])
