"""The algorithms as stages: each guards its streams, then hands the items to a core that knows no streams."""

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.health import Health
from perception.core.stamps import StampGuard, Verdict
from perception.core.types import ImuBatch, OdometryUpdate, Scan, SensorRig
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.spec import Output
from slam.bev_aid import BevAid
from slam.odometry import LidarInertialOdometry

log = logging.getLogger(__name__)
USED = (Verdict.ACCEPT, Verdict.GAP, Verdict.REWIND)


def make_odometry(config: PerceptionConfig, rig: SensorRig) -> "OdometryStage":
    """The odometry stage of one robot. Raises as `make_images`."""
    return OdometryStage(config, rig, make_images(config))


def make_images(config: PerceptionConfig) -> BevAid | None:
    """Bird's-eye images for the odometry, if they are asked for. Raises `ModelError` and as `make_runtime`."""
    odometry, place = config.odometry, config.mapping.place
    if not odometry.images.is_enabled:
        return None
    from perception.place.descriptors import open_place_network
    from perception.place.eye import PlaceEye
    from perception.place.places import PlaceDescriber

    eye = PlaceEye(PlaceDescriber(place, open_place_network(place.network, place.bev.side)))
    return BevAid(odometry.images, eye, odometry.registration.weak_translation)


def warm_up_odometry() -> None:
    """Compile the kernels of scans and odometry, or load them from the cache."""
    from perception.kernels import clouds
    from slam.warm_up import warm_up

    clouds.warm_up()
    warm_up()


class OdometryStage:
    """LiDAR-inertial odometry behind one time guard per stream."""

    def __init__(self, config: PerceptionConfig, rig: SensorRig, images: BevAid | None = None) -> None:
        time = config.odometry.time
        self.config = config.odometry
        self.core = LidarInertialOdometry(config.odometry, rig, images)
        self.guards = {name: StampGuard(time.max_gap_ns, time.max_late_ns) for name in ("scan", "imu")}
        self.events: Counter[str] = Counter()
        self._resets: list[str] = []

    def step(self, stream: str, item: Any) -> Iterable[Output]:
        """Take a `Scan` of stream "scan" or an `ImuBatch` of stream "imu"; returns the poses it completed.

        A reason on "odometry_reset" says that the poses after it start again at the origin.
        """
        updates = self._scan(item) if stream == "scan" else self._imu(item)
        resets, self._resets = self._resets, []
        return [("odometry_reset", reason) for reason in resets] + [("odometry", update) for update in updates]

    def finish(self) -> Iterable[Output]:
        """Scans that still wait for IMU samples are registered with those that came."""
        return [("odometry", update) for update in self.core.finish()]

    def reset(self) -> None:
        """Start again at the origin; counters stay."""
        self.core.reset()
        self.events["resets"] += 1
        for guard in self.guards.values():
            guard.reset()

    def health(self) -> Health:
        """Health of the odometry after the last scan."""
        return self.core.health()

    def notes(self) -> tuple[str, ...]:
        """What a reader of the results should know, e.g. that there was no usable IMU."""
        return self.core.notes()

    def counters(self) -> dict[str, int]:
        """Verdicts of the guards by stream, resets, and what the core counted."""
        verdicts = {
            f"{stream} {verdict.value}": count
            for stream, guard in self.guards.items()
            for verdict, count in guard.counts.items()
        }
        return {**verdicts, **self.events, **self.core.counters()}

    def facts(self) -> dict[str, str]:
        """Nothing besides the counts."""
        return {}

    def close(self) -> None:
        """Free the network that sees keypoints, if there is one."""
        if self.core.images is not None:
            self.core.images.eye.close()

    def _scan(self, scan: Scan) -> list[OdometryUpdate]:
        return self.core.add_scan(scan) if self._admit("scan", scan.stamp_ns) else []

    def _imu(self, batch: ImuBatch) -> list[OdometryUpdate]:
        keep = np.array([self._admit("imu", int(stamp)) for stamp in batch.stamps_ns], dtype=bool)
        if not keep.any():
            return []
        if not keep.all():
            batch = ImuBatch(batch.stamps_ns[keep], batch.gyro[keep], batch.accel[keep])
        return self.core.add_imu(batch)

    def _admit(self, stream: str, stamp_ns: int) -> bool:
        verdict = self.guards[stream].check(stamp_ns)
        if verdict is Verdict.REWIND:
            self._restart(stream, stamp_ns, f"the clock of {stream!r} was moved back")
        elif verdict is Verdict.GAP:
            self._bridge(stream, stamp_ns)
        return verdict in USED

    def _bridge(self, stream: str, stamp_ns: int) -> None:
        gap = f"{stream!r} was silent for more than {self.config.time.max_gap:g} s"
        match self.config.time.on_gap:
            case "reset":
                self._restart(stream, stamp_ns, gap)
            case "extrapolate":
                log.warning("%s; carrying on from the last motion", gap)
            case "abort":
                raise InvalidInput(f"{gap} at {stamp_ns} ns and odometry.time.on_gap is 'abort'")

    def _restart(self, stream: str, stamp_ns: int, reason: str) -> None:
        log.warning("%s; odometry starts again at the origin", reason)
        self.reset()
        self._resets.append(reason)
        for name, guard in self.guards.items():  # so that stragglers of the old time cannot cause a second reset
            guard.last_ns = stamp_ns if name == stream else stamp_ns - guard.max_late_ns
