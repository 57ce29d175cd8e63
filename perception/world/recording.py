"""A recording that is made while it is read: scans and IMU samples of a generated world, nothing stored."""

import heapq
from collections.abc import Callable, Collection, Iterator
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from perception.core.geometry import exp_so3, transform
from perception.core.stamps import NS_PER_MS, NS_PER_S
from perception.core.trajectory import Trajectory
from perception.core.types import ImageFrame, ImuBatch, Scan, SensorRig
from perception.io.recording import LIDAR_STREAMS, Losses, Summary
from perception.world.ahead import done_ahead
from perception.world.config import WorldConfig
from perception.world.geometry.raycast import build_accelerator
from perception.world.motion import Drive, Vehicle
from perception.world.scene import build_scene
from perception.world.sensors.cameras import Camera, Exposure, expose, make_cameras
from perception.world.sensors.imu import ImuSimulator
from perception.world.sensors.lidar import SWEEP_NS, LidarScan, LidarSimulator

if TYPE_CHECKING:
    from perception.world.render.renderer import Renderer

EPOCH_NS = 1_700_000_000 * NS_PER_S  # stamp of the start of every generated recording
IMU_LEAD_NS = 28_300_000  # IMU samples begin so much before the first scan, and fall between the ends of scans
REFERENCE_STEP_NS = 10 * NS_PER_MS
MARGIN = 1.0  # s that the drive goes on after the last scan
IMAGE_STREAM = "image_raw"
BASE_FRAME, LIDAR_FRAME, IMU_FRAME = "base_link", "lidar", "imu"


def make_rig() -> SensorRig:
    """The robot: base on the ground below the rear axle, LiDAR on the roof, IMU turned by 90 degrees in the body."""
    T_base_lidar = transform(exp_so3(np.radians([0.3, 1.0, -0.5])), np.array([0.95, 0.0, 1.85]))
    turn = exp_so3(np.radians([0.0, 0.0, 90.0])) @ exp_so3(np.radians([0.8, -0.6, 0.0]))
    return SensorRig(BASE_FRAME, LIDAR_FRAME, T_base_lidar, IMU_FRAME, transform(turn, np.array([0.6, 0.12, 0.55])))


class SyntheticRecording:
    """Implements `perception.io.recording.Recording` over a generated world.

    `progress(done, total)` is told about every scan. The result does not depend on `num_threads`.
    """

    reference_fraction = 1.0

    def __init__(
        self, config: WorldConfig, progress: Callable[[int, int], None] | None = None, num_threads: int = 2
    ) -> None:
        self.config, self.progress, self.num_threads = config, progress, num_threads
        self.rig = make_rig()
        self.losses = Losses()  # a generated message is never bad
        self.scene = build_scene(config)
        layout = self.scene.layout
        self.vehicle = Vehicle(layout.course, Drive(layout.course, layout.pace, config.duration + MARGIN))
        self.world = build_accelerator(self.scene.static, [mover.mesh for mover in self.scene.movers])
        self.path = Path(f"generated_{config.route}_{config.seed}")
        self.cameras = make_cameras(config.cameras)
        self.num_scans = config.duration_ns // SWEEP_NS
        self.num_pictures = self._num_pictures()  # of each camera
        self.duration = self.num_scans * SWEEP_NS / NS_PER_S
        self.lidar = LidarSimulator(
            self.scene, self.world, self.vehicle, self.rig.T_base_lidar, config.beams, config.seed
        )

    @property
    def summary(self) -> Summary:
        """What the recording holds."""
        rows = (
            ("world", f"{self.config.route}, seed {self.config.seed}, {len(self.world.mesh)} triangles"),
            ("points", f"{self.config.lidar}, {self.num_scans} scans, {NS_PER_S / SWEEP_NS:.1f} Hz, {LIDAR_FRAME}"),
            ("imu", f"{self.config.imu.rate} Hz, frame {IMU_FRAME}"),
        )
        if self.cameras:
            names = ", ".join(camera.name for camera in self.cameras)
            rows += (("cameras", f"{names}, {self.num_pictures} images each, {self.config.cameras.rate} Hz"),)
        return Summary("generated world", rows)

    @cached_property
    def reference(self) -> Trajectory:
        """Ground truth of the base at 100 Hz from the first scan to the last, ends of scans included."""
        times_ns = np.arange(0, self.num_scans * SWEEP_NS + 1, REFERENCE_STEP_NS, dtype=np.int64)
        return Trajectory(times_ns + EPOCH_NS, self.vehicle.poses(times_ns), BASE_FRAME, "odom")

    def events(self, streams: Collection[str] = LIDAR_STREAMS) -> Iterator[Scan | ImuBatch | ImageFrame]:
        """IMU samples up to the end of each scan, then the scan; last the first IMU samples after it.

        Images come at their stamps, where `streams` asks for them and there are cameras.
        """
        parts: list[Iterator[Scan | ImuBatch | ImageFrame]] = []
        if not set(streams).isdisjoint(LIDAR_STREAMS):
            parts.append(event.scan if isinstance(event, LidarScan) else event for event in self.detailed_events())
        if IMAGE_STREAM in streams:
            parts.append(self.images())
        return heapq.merge(*parts, key=_time_of)

    def detailed_events(self) -> Iterator[LidarScan | ImuBatch]:
        """As `events`, with what else is known about the points."""
        period_ns = NS_PER_S // self.config.imu.rate
        ends_ns = (SWEEP_NS * (k + 1) for k in range(self.num_scans))
        imu = ImuSimulator(self.vehicle, self._T_base_imu, self.config.imu, self.config.seed)
        final = self.num_scans * SWEEP_NS + period_ns
        batches = imu.batches(-IMU_LEAD_NS, (*ends_ns, final), EPOCH_NS)
        for done, scan in enumerate(self.scans(), start=1):
            yield next(batches)
            yield scan
            if self.progress is not None:
                self.progress(done, self.num_scans)
        yield from batches

    def scan(self, sweep: int) -> LidarScan:
        """Sweep number `sweep`, from 0; any order, any thread."""
        return self.lidar.scan(self.config.lidar, sweep, EPOCH_NS, LIDAR_FRAME)

    def scans(self) -> Iterator[LidarScan]:
        """All scans in order, a few of them made ahead by other threads."""
        return done_ahead((partial(self.scan, sweep) for sweep in range(self.num_scans)), self.num_threads)

    def images(self) -> Iterator[ImageFrame]:
        """All images of all cameras by their stamps."""
        shots = [(camera, number) for number in range(self.num_pictures) for camera in self.cameras]
        shots.sort(key=lambda shot: self.picture_time_ns(*shot))
        return done_ahead((partial(self._image, *shot) for shot in shots), self.num_threads)

    def _image(self, camera: Camera, number: int) -> ImageFrame:
        stamp_ns = EPOCH_NS + self.picture_time_ns(camera, number)
        pixels = self.renderer.render(self.exposure(camera, number)).color
        return ImageFrame(stamp_ns, camera.frame_id, pixels, camera.model)

    @cached_property
    def renderer(self) -> "Renderer":
        """Makes the images; building it takes seconds."""
        from perception.world.render.renderer import Renderer

        return Renderer(self.scene, self.world, self.config)

    def T_odom_base(self, time_ns: int) -> np.ndarray:
        """True pose (4, 4) of the base at a time after the start."""
        return self.vehicle.poses(np.array([time_ns], dtype=np.int64))[0]

    def T_world_base(self, time_ns: int) -> np.ndarray:
        """The same pose where the world is built: a world that repeats is there but once."""
        T = self.T_odom_base(time_ns)
        T[:3, 3] = self.scene.wrapped(T[None, :3, 3], float(T[0, 3]))[0]
        return T

    def picture_time_ns(self, camera: Camera, number: int) -> int:
        """Middle of exposure `number` of a camera, after the start."""
        return number * NS_PER_S // self.config.cameras.rate + camera.offset_ns

    def picture_poses(self, camera: Camera) -> Trajectory:
        """Ground truth of the base at the stamps of a camera's images."""
        times_ns = np.array([self.picture_time_ns(camera, k) for k in range(self.num_pictures)], dtype=np.int64)
        return Trajectory(times_ns + EPOCH_NS, self.vehicle.poses(times_ns), BASE_FRAME, "odom")

    def exposure(self, camera: Camera, number: int) -> Exposure:
        """Exposure `number` of a camera, from 0; any order, any thread."""
        time_ns = self.picture_time_ns(camera, number)
        return expose(camera, number, time_ns, self.scene, self.vehicle, self.config)

    def _num_pictures(self) -> int:
        """Exposures whose middle lies within the recording, for the camera that comes last."""
        last_ns = max((camera.offset_ns for camera in self.cameras), default=0)
        return max(0, (self.num_scans * SWEEP_NS - last_ns - 1) * self.config.cameras.rate // NS_PER_S + 1)

    @property
    def _T_base_imu(self) -> np.ndarray:
        return self.rig.T_base_imu


def _time_of(event: Scan | ImuBatch | ImageFrame) -> int:
    if isinstance(event, ImuBatch):
        return int(event.stamps_ns[-1])
    return event.end_ns if isinstance(event, Scan) else event.stamp_ns
