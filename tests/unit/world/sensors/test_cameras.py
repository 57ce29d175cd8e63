"""Where the generated cameras sit, and what decides an exposure."""

import numpy as np
import pytest

from perception.core.cameras import NUM_COEFFICIENTS
from perception.core.geometry import apply, inverse
from perception.world.config import CameraConfig, WorldConfig
from perception.world.recording import SyntheticRecording
from perception.world.sensors.cameras import FRONT_CROP, LENSES, make_cameras
from perception.world.sensors.lidar import SWEEP_NS, pattern

ALL = CameraConfig(num_surround=6, has_front=True)


@pytest.fixture(scope="module")
def recording() -> SyntheticRecording:
    return SyntheticRecording(WorldConfig(route="endless_corridor", duration=30.0, rest=0.0, cameras=ALL))


def test_the_cameras_look_where_their_names_say() -> None:
    directions = {camera.name: camera.T_base_camera[:3, 2] for camera in make_cameras(ALL)}
    assert directions["cam_front"] == pytest.approx([1, 0, 0]) and directions["camera"] == pytest.approx([1, 0, 0])
    assert directions["cam_back"] == pytest.approx([-1, 0, 0], abs=1e-9)
    assert directions["cam_front_left"][0] > 0 and directions["cam_front_left"][1] > 0
    assert directions["cam_back_right"][0] < 0 and directions["cam_back_right"][1] < 0
    for camera in make_cameras(ALL):
        assert camera.T_base_camera[:3, 1] == pytest.approx([0, 0, -1], abs=1e-9)  # y of the image is down


def test_the_surround_cameras_see_all_round() -> None:
    seen = np.zeros(360, dtype=bool)
    azimuth = np.radians(np.arange(360) + 0.5)
    points = 30.0 * np.column_stack([np.cos(azimuth), np.sin(azimuth), np.full(360, 1.5 / 30.0)])
    for camera in make_cameras(CameraConfig(num_surround=6)):
        pixels = camera.model.project(apply(inverse(camera.T_base_camera), points))
        with np.errstate(invalid="ignore"):
            seen |= (pixels >= 0).all(axis=1) & (pixels <= [camera.model.width - 1, camera.model.height - 1]).all(
                axis=1
            )
    assert seen.all()


@pytest.mark.parametrize("lens", list(LENSES))
def test_every_lens_has_its_coefficients_and_can_be_undone(lens: str) -> None:
    for camera in make_cameras(ALL.model_copy(update={"distortion": lens})):
        model = camera.model
        assert len(model.D) == NUM_COEFFICIENTS[lens]
        u, v = np.meshgrid(np.linspace(0, model.width - 1, 9), np.linspace(0, model.height - 1, 9))
        pixels = np.stack([u, v], axis=-1)
        np.testing.assert_allclose(model.project(3.0 * model.rays(pixels)), pixels, atol=1e-3)


def test_each_camera_exposes_when_the_sweep_passes_its_axis(recording: SyntheticRecording) -> None:
    beams = pattern("spinning", 0, recording.config.beams)
    azimuth = np.arctan2(beams.directions[:, 0, 1], beams.directions[:, 0, 0])
    for camera in recording.cameras:
        forward = camera.T_base_camera[:3, 2]
        wanted = np.arctan2(forward[1], forward[0])
        passing = beams.offsets_ns[np.argmin(np.abs(np.angle(np.exp(1j * (azimuth - wanted)))))]
        late = (camera.offset_ns - passing) % SWEEP_NS
        assert min(late, SWEEP_NS - late) < 0.01 * SWEEP_NS, camera.name


def test_the_crop_keeps_what_its_pixels_see() -> None:
    full = make_cameras(CameraConfig(has_front=True))[0].model
    part = make_cameras(CameraConfig(has_front=True, is_front_cropped=True))[0].model
    assert (part.width, part.height) == (448, 256)
    pixels = np.array([[0.0, 0.0], [447.0, 255.0]])
    np.testing.assert_allclose(part.rays(pixels), full.rays(pixels + FRONT_CROP[:2]))


def test_an_exposure_has_the_poses_of_its_shutter_and_of_a_world_that_repeats(recording: SyntheticRecording) -> None:
    camera = recording.cameras[0]
    exposure = recording.exposure(camera, 250)
    assert exposure.time_ns == 25_000_000_000 + camera.offset_ns
    true = recording.vehicle.poses(np.array([exposure.time_ns]))[0] @ camera.T_base_camera
    shift = true[:3, 3] - exposure.T_world_camera[1, :3, 3]
    period = recording.scene.layout.period
    assert shift[0] > 0 and shift[0] % period == pytest.approx(0.0, abs=1e-6) and abs(shift[1:]).max() < 1e-9
    travelled = np.linalg.norm(exposure.T_world_camera[2, :3, 3] - exposure.T_world_camera[0, :3, 3])
    assert travelled == pytest.approx(1.5 * 0.006, rel=0.2)  # m: 1.5 m/s over the exposure
    assert abs(exposure.brightness) < 1.0


def test_every_picture_lies_within_the_recording(recording: SyntheticRecording) -> None:
    last = [recording.picture_time_ns(camera, recording.num_pictures - 1) for camera in recording.cameras]
    assert max(last) < recording.num_scans * SWEEP_NS <= max(last) + SWEEP_NS
