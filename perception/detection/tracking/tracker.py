"""Boxes of one camera followed from image to image, so that each object keeps its number.

Association in two steps as in Y. Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box",
ECCV 2022: tracks are continued by boxes with a high score first and then by those with a low one, which are mostly
objects half hidden; a box that nobody claims begins a track only with a high score. Overlaps are those of enlarged
boxes, for small and fast ones, as in F. Yang et al., "Hard to Track Objects with Irregular Motions and Similar
Appearances? Make It Easier by Buffering the Matching Space", WACV 2023. Written from the papers.
"""

from typing import TYPE_CHECKING

import numpy as np

from perception.core.stamps import NS_PER_S, StampGuard, Verdict, to_seconds
from perception.detection.boxes import DetectedBoxes
from perception.detection.tracking import kalman
from perception.detection.tracking.association import NOBODY, Claims
from perception.detection.tracking.config import TrackingConfig
from perception.detection.tracking.tracks import Tracks, blended, no_tracks
from perception.kernels.tracking import overlaps

if TYPE_CHECKING:
    from perception.detection.tracking.appearance import Appearance

NEVER = -(2**62)  # ns: looks that are not known are renewed at once


class Tracker:
    """Gives the boxes of one image after the other their numbers. One for each camera; not thread-safe.

    `guard.counts` tells how many images were used, and how many were not because of their stamps.
    """

    def __init__(self, config: TrackingConfig, appearance: "Appearance | None" = None) -> None:
        """`appearance` None: the configured one, where looks are compared. Raises `ModelError`."""
        self.config = config
        self.appearance = appearance or _configured(config)
        self.guard = StampGuard(round(config.max_gap * NS_PER_S), round(config.max_late * NS_PER_S))
        self.tracks: Tracks = self._none()
        self._stamp_ns = self._previous_ns = 0  # of the image at hand or last used, and of the one before
        self._last_id = 0

    def reset(self) -> None:
        """End all tracks; numbers are not given again."""
        self.guard.reset()
        self.tracks = self._none()

    def update(self, stamp_ns: int, boxes: DetectedBoxes, pixels: np.ndarray | None = None) -> np.ndarray:
        """The number of the track of each box, (N,) int64, 0: none (yet).

        `boxes` are all that score above `config.low_score`, in any order; `pixels` (H, W, 3) uint8 RGB are looked at
        only where appearance is used. Time is that of the stamps: rates may vary and images may be missing. A repeated
        or late image gives no numbers; a clock that was moved back or a long silence ends all tracks.
        """
        ids = np.zeros(len(boxes), dtype=np.int64)
        verdict = self.guard.check(stamp_ns)
        if verdict in (Verdict.DUPLICATE, Verdict.LATE, Verdict.UNCONFIRMED):
            return ids
        if verdict in (Verdict.GAP, Verdict.REWIND):
            self.tracks = self._none()
        self._predict(stamp_ns)
        owners = self._owners(boxes, pixels)
        self._continue(boxes, owners)
        self._remember(boxes, owners, pixels)
        claimed = owners != NOBODY
        ids[claimed] = self.tracks.ids[owners[claimed]]
        self._end()
        born = np.flatnonzero(~claimed & usable(boxes) & (boxes.scores > self.config.birth_score))
        ids[born] = self._begin(boxes, born)
        return ids

    def _predict(self, stamp_ns: int) -> None:
        """Move all tracks on to the moment of an image."""
        if len(self.tracks):
            seconds = to_seconds(stamp_ns - self._stamp_ns)
            kalman.predict(self.tracks.states, self.tracks.covariances, seconds, self.config.motion)
        self._previous_ns, self._stamp_ns = self._stamp_ns, stamp_ns

    def _owners(self, boxes: DetectedBoxes, pixels: np.ndarray | None) -> np.ndarray:
        """Row of the track of each box, (N,) int64; `NOBODY` where none claims it."""
        config, tracks = self.config, self.tracks
        claims = Claims(len(tracks), len(boxes))
        if not len(tracks) or not len(boxes):
            return claims.owners
        similarity = self._overlaps(boxes)
        is_high = boxes.scores > config.high_score
        is_low = ~is_high & (boxes.scores > config.low_score)
        is_confirmed = tracks.ids > 0
        is_followed = is_confirmed & (tracks.seen_ns == self._previous_ns)
        claims.make(similarity, is_confirmed, is_high, config.first_iou)
        if self.appearance is not None and pixels is not None:
            alike = self._likeness(*claims.open(is_confirmed, is_high), boxes, pixels)
            known = claims.make(alike, is_confirmed, is_high, config.appearance.min_similarity)
            self._restart(claims.owners[known], boxes.corners[known])
        claims.make(similarity, is_followed, is_low, config.second_iou)
        claims.make(similarity, ~is_confirmed, is_high, config.tentative_iou)
        return claims.owners

    def _overlaps(self, boxes: DetectedBoxes) -> np.ndarray:
        """IoU (tracks, boxes) of boxes that may belong together."""
        corners = boxes.corners.astype(np.float64)
        corners[~usable(boxes)] = 0.0  # without area: meets nothing
        kinds = boxes.classes if self.config.is_class_aware else np.zeros_like(boxes.classes)
        own_kinds = self.tracks.kinds if self.config.is_class_aware else np.zeros_like(self.tracks.kinds)
        own = kalman.corners_of(self.tracks.states)
        return overlaps(buffered(own, self.config.buffer), own_kinds, buffered(corners, self.config.buffer), kinds)

    def _likeness(self, rows: np.ndarray, columns: np.ndarray, boxes: DetectedBoxes, pixels: np.ndarray) -> np.ndarray:
        """How alike tracks and boxes look, (tracks, boxes), where some rows and columns may belong together; else 0."""
        assert self.appearance is not None
        alike = np.zeros((len(self.tracks), len(boxes)))
        columns = columns[usable(boxes)[columns]]
        if not len(rows) or not len(columns):
            return alike
        tracks, motion = self.tracks.at(rows), self.config.motion
        corners = boxes.corners[columns]
        away = kalman.distances(tracks.states, tracks.covariances, corners, motion)
        may_meet = away <= self.config.appearance.max_distance
        if self.config.is_class_aware:
            may_meet &= tracks.kinds[:, None] == boxes.classes[columns]
        asked = np.flatnonzero(may_meet.any(axis=0))
        looks = self.appearance.embed(pixels, corners[asked])
        alike[np.ix_(rows, columns[asked])] = np.where(may_meet[:, asked], tracks.looks @ looks.T, 0.0)
        return alike

    def _remember(self, boxes: DetectedBoxes, owners: np.ndarray, pixels: np.ndarray | None) -> None:
        """Renew the looks of tracks that are clearly seen and whose looks are old."""
        if self.appearance is None or pixels is None:
            return
        config, tracks = self.config.appearance, self.tracks
        columns = np.flatnonzero((owners != NOBODY) & (boxes.scores > self.config.high_score))
        age = self._stamp_ns - tracks.looked_ns[owners[columns]]
        columns = columns[(age >= round(config.refresh * NS_PER_S)) & (tracks.ids[owners[columns]] > 0)]
        rows = owners[columns]
        looks = self.appearance.embed(pixels, boxes.corners[columns])
        tracks.looks[rows] = blended(tracks.looks[rows], looks, config.memory)
        tracks.looked_ns[rows] = self._stamp_ns

    def _continue(self, boxes: DetectedBoxes, owners: np.ndarray) -> None:
        """Correct the tracks that claimed a box, and number those that were found often enough."""
        columns = np.flatnonzero(owners != NOBODY)
        rows, tracks = owners[columns], self.tracks
        states, covariances = tracks.states[rows], tracks.covariances[rows]
        kalman.correct(states, covariances, boxes.corners[columns], self.config.motion)
        tracks.states[rows], tracks.covariances[rows] = states, covariances
        tracks.kinds[rows] = boxes.classes[columns]
        tracks.seen_ns[rows] = self._stamp_ns
        tracks.num_hits[rows] += 1
        ready = np.flatnonzero((tracks.ids == 0) & (tracks.num_hits >= self.config.num_confirming))
        tracks.ids[ready] = self._new_ids(len(ready))

    def _end(self) -> None:
        """End the tentative tracks that were not found again at once, and those that were lost for too long."""
        tracks = self.tracks
        max_lost_ns = round(self.config.max_lost * NS_PER_S)
        is_seen = tracks.seen_ns == self._stamp_ns
        is_kept = is_seen | ((tracks.ids > 0) & (self._stamp_ns - tracks.seen_ns <= max_lost_ns))
        if not is_kept.all():
            self.tracks = tracks.at(is_kept)

    def _begin(self, boxes: DetectedBoxes, rows: np.ndarray) -> np.ndarray:
        """Begin tracks at some boxes, the best first where there is no room for all; their numbers, 0: tentative."""
        ids = np.zeros(len(rows), dtype=np.int64)
        rows_by_score = np.argsort(-boxes.scores[rows], kind="stable")[: self._make_room(len(rows))]
        chosen = np.sort(rows_by_score)
        if len(chosen) == 0:
            return ids
        if self.config.num_confirming == 1:
            ids[chosen] = self._new_ids(len(chosen))
        rows = rows[chosen]
        states, covariances = self._started(boxes.corners[rows])
        stamps, hits = np.full(len(rows), self._stamp_ns, dtype=np.int64), np.ones(len(rows), dtype=np.int64)
        looks = np.zeros((len(rows), self.tracks.looks.shape[1]), dtype=np.float32)
        kinds, never = boxes.classes[rows].copy(), np.full(len(rows), NEVER, dtype=np.int64)
        self.tracks = self.tracks.joined(Tracks(ids[chosen], kinds, states, covariances, stamps, hits, looks, never))
        return ids

    def _make_room(self, wanted: int) -> int:
        """How many tracks may begin, at most `wanted`, after those that are lost the longest made room."""
        excess = len(self.tracks) + wanted - self.config.max_tracks
        if excess > 0:
            lost = np.flatnonzero(self.tracks.seen_ns < self._stamp_ns)
            given_up = lost[np.argsort(self.tracks.seen_ns[lost], kind="stable")][:excess]
            self.tracks = self.tracks.at(np.setdiff1d(np.arange(len(self.tracks)), given_up))
        return min(wanted, self.config.max_tracks - len(self.tracks))

    def _started(self, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """States and covariances of tracks that begin, with the motion of those that were seen just now."""
        is_seen = (self.tracks.ids > 0) & (self.tracks.seen_ns >= self._previous_ns)
        return kalman.started(corners, kalman.shared_velocity(self.tracks.states[is_seen]), self.config.motion)

    def _restart(self, rows: np.ndarray, corners: np.ndarray) -> None:
        """Begin the motion of some tracks anew: the way to a place where they were not expected says nothing of it."""
        self.tracks.states[rows], self.tracks.covariances[rows] = self._started(corners)

    def _none(self) -> Tracks:
        return no_tracks(0 if self.appearance is None else self.appearance.dimensions)

    def _new_ids(self, count: int) -> np.ndarray:
        ids = np.arange(self._last_id + 1, self._last_id + 1 + count, dtype=np.int64)
        self._last_id += count
        return ids


def _configured(config: TrackingConfig) -> "Appearance | None":
    if not config.appearance.is_enabled:
        return None
    from perception.detection.tracking.appearance import open_appearance

    return open_appearance(config.appearance)


def buffered(corners: np.ndarray, share: float) -> np.ndarray:
    """Boxes (N, 4) that are larger by `share` of their size on each side."""
    margin = share * (corners[:, 2:] - corners[:, :2])
    return np.concatenate([corners[:, :2] - margin, corners[:, 2:] + margin], axis=1)


def usable(boxes: DetectedBoxes) -> np.ndarray:
    """Which boxes (N,) bool are finite and have an area."""
    corners = boxes.corners
    with np.errstate(invalid="ignore"):
        has_area = (corners[:, 2] > corners[:, 0]) & (corners[:, 3] > corners[:, 1])
    return np.isfinite(corners).all(axis=1) & np.isfinite(boxes.scores) & has_area


def reported(boxes: DetectedBoxes, ids: np.ndarray, score_threshold: float) -> np.ndarray:
    """Rows (K,) int64 worth reporting: above the threshold for use, or, with a lower score, part of a track."""
    return np.flatnonzero((boxes.scores > score_threshold) | (ids > 0))
