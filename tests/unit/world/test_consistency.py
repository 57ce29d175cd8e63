"""Sensors and labels of generated worlds agree; and the counts would tell if they did not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pytest

from perception.core.geometry import exp_so3, transform
from perception.core.labels import BoxLabels3d, ObjectLabels, OccupancyLabels
from perception.core.stamps import NS_PER_S
from perception.world.config import CameraConfig, SceneConfig, WorldConfig
from perception.world.recording import SyntheticRecording
from perception.world.render.visibility import rasterise
from perception.world.sensors.cameras import Exposure
from perception.world.sensors.lidar import SWEEP_NS
from perception.world.truth.beams import Beams, beams_of, joined_beams, sweeps_around
from perception.world.truth.boxes import label_boxes
from perception.world.truth.consistency import (
    FlowAgreement,
    Tally,
    box_agreement,
    depth_agreement,
    flow_agreement,
    mask_agreement,
    occupancy_agreement,
)
from perception.world.truth.instances import ObjectTruth
from perception.world.truth.occupancy import KEY_FRAME_NS, OccupancyTruth

ENOUGH = 0.99


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One exposure and what it shows."""

    exposure: Exposure
    depth: np.ndarray  # (H, W) float32, m
    rows: np.ndarray  # (H, W) int32
    objects: ObjectLabels


class Drive:
    """A generated recording, looked at in pictures, sweeps and key frames."""

    def __init__(self, config: WorldConfig, numbers: tuple[int, ...]) -> None:
        self.config, self.numbers = config, numbers
        self.recording = SyntheticRecording(config)
        self.scene, self.world = self.recording.scene, self.recording.world

    @cached_property
    def occupancy(self) -> OccupancyTruth:
        return OccupancyTruth(self.scene, self.world)

    @cached_property
    def objects(self) -> ObjectTruth:
        return ObjectTruth(self.scene, self.world)

    def sweep(self, number: int) -> Beams:
        return beams_of(self.recording.lidar, self.recording.scan(number), number * SWEEP_NS)

    def pictures(self) -> Iterator[Picture]:
        for number in self.numbers:
            for camera in self.recording.cameras:
                exposure = self.recording.exposure(camera, number)
                seen = rasterise(self.world, camera.model, exposure.T_world_camera[1], exposure.T_world_mover[1])
                rows, depth = seen.rows[..., 0].copy(), seen.depth[..., 0].copy()
                objects = self.objects.labels(exposure, rows)
                yield Picture(exposure, depth, rows, objects)

    @cached_property
    def shown(self) -> list[Picture]:
        return list(self.pictures())

    def boxes(self, time_ns: int) -> BoxLabels3d:
        T = self.recording.T_world_base(time_ns)
        return label_boxes(self.scene, time_ns, T, float(self.recording.T_odom_base(time_ns)[0, 3]))

    def flow(self, number: int) -> FlowAgreement:
        """Key frame `number` against the next."""
        times_ns = [number * KEY_FRAME_NS, (number + 1) * KEY_FRAME_NS]
        (now, T_now, _), (later, T_later, _) = (self.key_frame(time_ns) for time_ns in times_ns)
        boxes = self.boxes(times_ns[0]), self.boxes(times_ns[1])
        return flow_agreement(now, T_now, later, T_later, KEY_FRAME_NS / NS_PER_S, boxes)

    def key_frame(self, time_ns: int) -> tuple[OccupancyLabels, np.ndarray, Beams]:
        """Labels, the pose of the ego, and the returns of the sweep in the middle."""
        sweeps = sweeps_around(time_ns, SWEEP_NS // 2, self.recording.num_scans)
        beams = joined_beams(self.sweep(number) for number in sweeps)
        T = self.recording.T_world_base(time_ns)
        return self.occupancy.labels(time_ns, T, [], beams), T, beams


def _small(**changes: object) -> WorldConfig:
    scene = SceneConfig(leaves_per_tree=60, furniture_spacing=30.0, building_gap=0.6, num_pedestrians=20)
    cameras = CameraConfig(num_surround=2)
    return WorldConfig(seed=3, duration=6.0, route="town", scene=scene, cameras=cameras).model_copy(update=changes)


@pytest.fixture(scope="module")
def drive() -> Drive:
    return Drive(_small(), (45,))


def _depth(drive: Drive, pictures: list[Picture]) -> Tally:
    total = Tally(0, 0)
    for picture in pictures:
        beams = drive.sweep(picture.exposure.time_ns // SWEEP_NS)
        total += depth_agreement(drive.world, picture.exposure, picture.depth, picture.rows, beams, drive.config.beams)
    return total


def _masks(drive: Drive, pictures: list[Picture], step: int) -> Tally:
    each = (mask_agreement(drive.scene, drive.world, p.exposure, p.objects, step) for p in pictures)
    return sum(each, Tally(0, 0))


def test_lidar_returns_lie_in_the_depth_image(drive: Drive):
    found = _depth(drive, drive.shown)
    assert found.num > 2000
    assert found.share >= ENOUGH


def test_a_camera_that_is_not_where_it_is_said_to_be_is_noticed(drive: Drive):
    turned = transform(exp_so3(np.array([0.0, np.radians(0.5), 0.0])), np.zeros(3))
    wrong = [
        replace(p, exposure=replace(p.exposure, T_world_camera=p.exposure.T_world_camera @ turned))
        for p in drive.shown[:1]
    ]
    assert _depth(drive, wrong).share < ENOUGH


def test_a_depth_image_that_is_one_percent_off_is_noticed(drive: Drive):
    wrong = [replace(p, depth=p.depth * np.float32(1.01)) for p in drive.shown[:1]]
    assert _depth(drive, wrong).share < ENOUGH


def test_masks_are_the_pixels_whose_rays_meet_the_object(drive: Drive):
    found = _masks(drive, drive.shown, 2)
    assert found.num > 300
    assert found.share >= ENOUGH


def test_masks_moved_by_four_pixels_are_noticed(drive: Drive):
    def moved(objects: ObjectLabels) -> ObjectLabels:
        return replace(objects, instance_map=np.roll(objects.instance_map, 4, axis=1))

    assert _masks(drive, [replace(p, objects=moved(p.objects)) for p in drive.shown], 2).share < ENOUGH


def test_boxes_contain_their_returns(drive: Drive):
    beams = joined_beams(drive.sweep(number) for number in range(0, 60, 6))
    found = box_agreement(drive.scene, drive.world, beams, drive.config.beams)
    assert found.num > 1000
    assert found.share >= ENOUGH
    late = Beams(beams.origins, beams.ends, beams.rows, beams.times_ns + KEY_FRAME_NS)
    is_moving = beams.rows >= drive.world.first_rows[1]
    assert is_moving.any()
    late = Beams(*(getattr(late, name)[is_moving] for name in ("origins", "ends", "rows", "times_ns")))
    assert box_agreement(drive.scene, drive.world, late, drive.config.beams).share < ENOUGH


def test_returns_fall_into_occupied_voxels(drive: Drive):
    labels, T, beams = drive.key_frame(4 * KEY_FRAME_NS)
    found = occupancy_agreement(labels, T, beams)
    assert found.num > 20_000
    assert found.share >= ENOUGH
    lowered = T @ transform(np.eye(3), np.array([0.0, 0.0, -1.2]))
    assert occupancy_agreement(labels, lowered, beams).share < ENOUGH


def test_flow_carries_voxels_to_those_of_the_next_key_frame(drive: Drive):
    found = drive.flow(8)
    assert found.near.num > 30
    assert found.near.share >= 0.9
    assert found.overlap_after.share > found.overlap_before.share
    (now, T_now, _), (later, T_later, _) = (drive.key_frame(k * KEY_FRAME_NS) for k in (8, 9))
    back = replace(now, flow=-now.flow)
    assert flow_agreement(back, T_now, later, T_later, 0.5).near.share < 0.9


def test_a_tally_of_nothing_has_no_share():
    assert np.isnan(Tally(0, 0).share)
    assert (Tally(1, 2) + Tally(2, 2)).share == 0.75


@pytest.mark.long
@pytest.mark.parametrize("route", ["town", "district", "office", "campus", "straight"])
def test_whole_worlds_agree_with_themselves(route: str):
    config = WorldConfig(seed=11, duration=25.0, route=route, cameras=CameraConfig(num_surround=6, has_front=True))
    drive = Drive(config, (15, 95, 175))
    beams = joined_beams(drive.sweep(number) for number in range(0, 250, 10))
    assert _depth(drive, drive.shown).share >= ENOUGH
    assert _masks(drive, drive.shown, 3).share >= ENOUGH
    assert box_agreement(drive.scene, drive.world, beams, config.beams).share >= ENOUGH
    near = after = before = Tally(0, 0)
    for number in range(5, 45, 4):
        now, T_now, beams = drive.key_frame(number * KEY_FRAME_NS)
        assert occupancy_agreement(now, T_now, beams).share >= ENOUGH
        flow = drive.flow(number)
        near, before, after = near + flow.near, before + flow.overlap_before, after + flow.overlap_after
    if near.num == 0 and route == "office":
        return  # hardly anybody walks there
    assert near.share >= 0.9
    assert after.share > before.share
