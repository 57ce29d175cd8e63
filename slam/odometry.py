"""LiDAR-inertial odometry: the method, step by step, in the order of the paper (bev_lio_lc.md, sections 2 to 8).

Scans wait until the IMU samples of their whole sweep are there, so that a result depends on stamps and data only,
never on the order in which the calls come. Without a usable IMU the motion between scans is taken as constant.
"""

from collections import Counter, deque
from dataclasses import dataclass, replace

import numpy as np

from perception.core.config import validated
from perception.core.geometry import transform
from perception.core.health import OK, Health, Level, worst
from perception.core.types import ImuBatch, OdometryUpdate, RegistrationReport, Scan, SensorRig
from perception.kernels.voxels import VoxelScratch, voxel_indices
from slam.base_motion import odometry_of_base
from slam.bev_aid import BevAid
from slam.config import OdometryConfig, RegistrationConfig
from slam.deskew import Motion, deskew
from slam.filter import Correction, Filter, Snapshot
from slam.local_map import LocalMap
from slam.measurement import ScanMeasurement
from slam.motion_model import MotionModel
from slam.preprocess import crop, thin
from slam.recovery import MatchShare, recover, trial_points
from slam.registration import Registration
from slam.sweep import Sweep, SweepClock

START_PASSES = 3  # each divides the error of the first velocity by about ten
COARSE_ITERATIONS = 3  # of a registration that only tells the motion


@dataclass(frozen=True, slots=True, eq=False)
class Match:
    """What came of one scan. Without a correction it had too few points."""

    points: np.ndarray  # (N, 3) float32, de-skewed, LiDAR frame, those that enter the map
    motion: Motion
    measurement: ScanMeasurement
    correction: Correction | None

    @property
    def is_accepted(self) -> bool:
        """True when the pose was corrected."""
        return self.correction is not None and self.correction.is_accepted


class LidarInertialOdometry:
    """Scans and IMU samples in, poses of the base out. Each stream must come in the order of its stamps."""

    _newest_end_ns: int  # of all scans received

    def __init__(self, config: OdometryConfig, rig: SensorRig, images: BevAid | None = None) -> None:
        """`images`: keypoints of bird's-eye images that help where geometry says too little; none by default."""
        self.config = config
        self.rig = rig
        self.images = images
        self._counts: Counter[str] = Counter()
        self.motion_model = MotionModel(config, rig, self._counts)
        self.local_map = LocalMap(config.map)
        self.registration = Registration(config.registration)
        plain = validated(RegistrationConfig, {**config.registration.model_dump(), "robust_scale": 0.0})
        self.plain_registration = Registration(plain)
        self._scratch = VoxelScratch()
        self._begin()

    def add_scan(self, scan: Scan) -> list[OdometryUpdate]:
        """Take a scan, points in the frame of the rig's LiDAR; returns the updates it completed, oldest first."""
        self._counts["scans received"] += 1
        end_ns = self._clock.end_of(scan)
        self._waiting.append((scan, end_ns))
        self._newest_end_ns = max(self._newest_end_ns, end_ns)
        if len(self._waiting) > self.config.max_waiting_scans:
            self._waiting.popleft()
            self._drop("too many waited for the imu")
        return self._process_ready()

    def add_imu(self, batch: ImuBatch) -> list[OdometryUpdate]:
        """Take IMU samples; returns the updates they completed."""
        self.motion_model.add(batch)
        return self._process_ready()

    def finish(self) -> list[OdometryUpdate]:
        """No more input comes: the waiting scans are registered with the samples that are there."""
        return self._process_ready(is_last=True)

    def reset(self) -> None:
        """Forget all state at once and start again at the origin; counters stay."""
        self.local_map.clear()
        self.motion_model.reset()
        self._begin()

    def health(self) -> Health:
        """Health after the last scan."""
        return self._health

    def counters(self) -> dict[str, int]:
        """What came, and what was dropped or done in a lesser way so far, by reason."""
        images = {} if self.images is None else self.images.counts
        return {**self._counts, **images, "imu samples overflown": self.motion_model.buffer.num_overflown}

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know, each a sentence."""
        return self.motion_model.notes()

    def _begin(self) -> None:
        self._waiting: deque[tuple[Scan, int]] = deque()  # with the end of the sweep
        self._newest_end_ns = 0
        self._clock = SweepClock()
        self._filter: Filter | None = None
        self._first: Sweep | None = None  # until the second scan is registered
        self._share = MatchShare()
        self._translation: np.ndarray | None = None  # what the scans so far said about it, see `slam.degeneracy`
        if self.images is not None:
            self.images.reset()
        self._health = OK

    def _process_ready(self, is_last: bool = False) -> list[OdometryUpdate]:
        updates = []
        while self._waiting and self.motion_model.is_ready(self._waiting[0][1], self._newest_end_ns, is_last):
            update = self._process(*self._waiting.popleft())
            if update is not None:
                updates.append(update)
        return updates

    def _process(self, scan: Scan, end_ns: int) -> OdometryUpdate | None:
        points, offsets_ns = thin(scan.points, scan.offsets_ns, self.config.preprocess, self._scratch)
        sweep = Sweep(scan.stamp_ns, end_ns, points, offsets_ns)
        if self._filter is None:
            return self._begin_map(sweep, scan)
        if end_ns <= self._filter.stamp_ns:
            self._drop("ends before the last one")
            return None
        match = self._register(self._filter, sweep)
        if self._first is not None:
            match = self._settle_start(self._first, sweep, match)
        return self._conclude(self._filter, match, scan)

    def _begin_map(self, sweep: Sweep, scan: Scan) -> OdometryUpdate | None:
        """The first scan with enough points defines `odom` and begins the map."""
        if self.motion_model.is_before_start(sweep.end_ns):
            self._drop("before the first imu sample")
            return None
        num_points = len(self._sparse(sweep.points))
        if num_points < self.config.filter.min_points:
            self._drop("too few points to start with")
            return None
        self._filter, motion = self.motion_model.first(sweep.start_ns, sweep.end_ns)
        self._first = sweep
        points = self._deskewed(self._filter, sweep, motion)
        self._extend_map(self._filter, points)
        points = self._handed_out(self._filter, scan, motion, points)
        return self._update(self._filter, points, RegistrationReport(num_points, 0, 0, 0.0), OK)

    def _register(self, filter_: Filter, sweep: Sweep) -> Match:
        """The method: predict, de-skew, thin out, match and correct, learn the motion."""
        before = filter_.snapshot()
        motion = self.motion_model.predict(filter_, sweep.start_ns, sweep.end_ns)
        if not self.motion_model.is_inertial and self._first is None:
            motion = self._refined(filter_, before, sweep, motion)
        points = self._deskewed(filter_, sweep, motion)
        sparse = self._sparse(points)
        measurement = self._measurement(sparse)
        if self.images is not None and self._first is None:
            measurement.images = self.images.look(points, filter_.state, filter_.P[:6, :6], self._translation)
        prior = filter_.snapshot()
        correction = filter_.update(measurement) if len(sparse) >= self.config.filter.min_points else None
        if correction is not None and self._may_be_misplaced(measurement):
            self._counts["scans sought in other attitudes"] += 1
            filter_.restore(prior)
            correction = recover(
                filter_, before.state, measurement, self._measurement(trial_points(sparse), is_trial=True)
            )
        self._share.learn(measurement)
        self.motion_model.learn(filter_, correction is not None and correction.is_accepted)
        return Match(points, motion, measurement, correction)

    def _refined(self, filter_: Filter, before: Snapshot, sweep: Sweep, motion: Motion) -> Motion:
        """Predict again with the motion that a first, coarse registration finds: a sweep is bent by its own motion.

        Without an IMU the motion before stands in for it at first, and what has changed since would stay in the map.
        """
        rows = voxel_indices(sweep.points, self.config.preprocess.registration_voxel_size, self._scratch)
        few = replace(sweep, points=np.take(sweep.points, rows, axis=0), offsets_ns=np.take(sweep.offsets_ns, rows))
        measurement = self._measurement(self._deskewed(filter_, few, motion))
        predicted = filter_.snapshot()
        correction = filter_.update(measurement, max_iterations=COARSE_ITERATIONS)
        if not correction.is_accepted or self._share.is_doubtful(measurement):
            filter_.restore(predicted)
            return motion
        found = filter_.state
        filter_.restore(before)
        return self.motion_model.predict_again(filter_, found, sweep.start_ns, sweep.end_ns)

    def _may_be_misplaced(self, measurement: ScanMeasurement) -> bool:
        return not self.motion_model.is_inertial and self._share.is_doubtful(measurement)

    def _measurement(self, points: np.ndarray, is_trial: bool = False) -> ScanMeasurement:
        """Where the motion is not known all matches count alike: those that show it would be outliers.

        They count along weak translations, too, unless the IMU says that the start is still, which is better known.
        """
        is_unknown = is_trial or self._first is not None
        registration = self.plain_registration if is_unknown else self.registration
        keep_weak = is_unknown and not self.motion_model.starts_still
        return ScanMeasurement(self.config, registration, self.local_map, points, keep_weak, self._translation)

    def _settle_start(self, first: Sweep, sweep: Sweep, match: Match) -> Match:
        """The velocity is known only from the second scan on; with it the first scan is de-skewed and mapped anew."""
        for step in range(START_PASSES):
            if not match.is_accepted or self.motion_model.is_slow(first.end_ns - first.start_ns):
                break
            self._first = first if step < START_PASSES - 1 else None
            self._filter, motion = self.motion_model.first_again(first.start_ns, first.end_ns)
            self.local_map.clear()
            self._extend_map(self._filter, self._deskewed(self._filter, first, motion))
            match = self._register(self._filter, sweep)
        self._first = None
        return match

    def _conclude(self, filter_: Filter, match: Match, scan: Scan) -> OdometryUpdate:
        """Extend the map and say how it went."""
        if match.correction is not None:
            self._extend_map(filter_, match.points)
        if match.is_accepted:
            self._translation = match.measurement.degeneracy.translation
        if self.images is not None:
            self.images.learn(filter_.state, match.is_accepted)
        num_iterations = match.correction.num_iterations if match.correction is not None else 0
        points = self._handed_out(filter_, scan, match.motion, match.points)
        return self._update(filter_, points, match.measurement.report(num_iterations), self._judge(match))

    def _deskewed(self, filter_: Filter, sweep: Sweep, motion: Motion | None) -> np.ndarray:
        if motion is None:
            return sweep.points
        return deskew(sweep.points, sweep.offsets_ns, sweep.start_ns, motion, self._T_imu_lidar(filter_))

    def _sparse(self, points: np.ndarray) -> np.ndarray:
        rows = voxel_indices(points, self.config.preprocess.registration_voxel_size, self._scratch)
        return np.take(points, rows, axis=0)

    def _extend_map(self, filter_: Filter, points: np.ndarray) -> None:
        state = filter_.state
        T_odom_lidar = transform(state.R, state.position) @ self._T_imu_lidar(filter_)
        self.local_map.insert(points, T_odom_lidar)
        self.local_map.evict(T_odom_lidar[:3, 3])

    def _handed_out(self, filter_: Filter, scan: Scan, motion: Motion | None, points: np.ndarray) -> np.ndarray:
        """The points of the update: those of the map, or on demand every point in range."""
        if not self.config.preprocess.all_points:
            return points
        sweep = Sweep(scan.stamp_ns, filter_.stamp_ns, *crop(scan.points, scan.offsets_ns, self.config.preprocess))
        return self._deskewed(filter_, sweep, motion)

    def _judge(self, match: Match) -> Health:
        correction, measurement = match.correction, match.measurement
        if correction is None:
            self._counts["scans with too few points"] += 1
            num_points = len(measurement.points)
            return Health(Level.DEGRADED, f"scan has {num_points} usable points; the pose is predicted")
        if not correction.is_accepted:
            self._counts["scans not registered"] += 1
            return Health(Level.DEGRADED, f"scan not registered: {correction.reason}; the pose is predicted")
        self._counts["scans with weak rotation"] += len(measurement.degeneracy.weak_rotation) > 0
        if measurement.is_degenerate:
            self._counts["scans degenerate"] += 1
            return Health(Level.DEGRADED, measurement.weakness())
        return OK

    def _update(
        self, filter_: Filter, points: np.ndarray, report: RegistrationReport, health: Health
    ) -> OdometryUpdate:
        self._health = worst(health, self.motion_model.health())
        state, model = filter_.state, self.motion_model
        T_odom_imu, twist = transform(state.R, state.position), model.body_twist(state)
        odometry = odometry_of_base(
            filter_.stamp_ns, T_odom_imu, filter_.P[:6, :6], twist, model.T_imu_base, self._health
        )
        return OdometryUpdate(odometry, points, report, self.motion_model.imu_state(filter_))

    def _drop(self, reason: str) -> None:
        self._counts[f"scans dropped: {reason}"] += 1

    @staticmethod
    def _T_imu_lidar(filter_: Filter) -> np.ndarray:
        return transform(filter_.state.R_imu_lidar, filter_.state.t_imu_lidar)
