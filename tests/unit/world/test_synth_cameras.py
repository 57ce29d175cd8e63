"""A generated recording with a camera, from the bag to every data set beside it."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from perception.core.classes import DETECTED, Class
from perception.core.labels import OCCUPANCY_SHAPE
from perception.core.types import ImageFrame
from perception.io.config import InputConfig
from perception.io.datasets.pictures import read_classes, read_color, read_depth, read_instances
from perception.io.recording import open_recording
from perception.io.trajectories import read_trajectory
from perception.world.config import CameraConfig, SceneConfig, WorldConfig
from perception.world.recording import EPOCH_NS, SyntheticRecording
from perception.world.sensors.cameras import make_cameras
from perception.world.synth import synthesise

NUM = 5  # images of each camera
CONFIG = WorldConfig(
    route="corridor",
    duration=0.5,
    seed=5,
    rest=0.0,
    cameras=CameraConfig(has_front=True, is_front_cropped=True),
    scene=SceneConfig(leaves_per_tree=50, num_pedestrians=12),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(tmp_path_factory.mktemp("cameras") / "drive", CONFIG)


def digest(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def files(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / kind / "camera").iterdir())


def test_every_kind_of_label_is_there_for_every_image(folder: Path) -> None:
    for kind in ("images", "depth", "semantic", "instance"):
        assert len(files(folder, kind)) == NUM, kind
    assert not (folder / "labels").exists() and not (folder / "request.json").exists()
    facts = json.loads((folder / "generated.json").read_text())
    assert facts["cameras"] == {"camera": f"{NUM} images"} and "coco" in facts["formats"]


def test_maps_of_pixels_fit_each_other(folder: Path) -> None:
    for name in (path.stem for path in files(folder, "images")):
        color = read_color(folder / "images" / "camera" / f"{name}.jpg")
        depth = read_depth(folder / "depth" / "camera" / f"{name}.png")
        classes = read_classes(folder / "semantic" / "camera" / f"{name}.png")
        instances = read_instances(folder / "instance" / "camera" / f"{name}.png")
        assert color.shape == (256, 448, 3) and depth.shape == classes.shape == instances.shape == (256, 448)
        assert np.isin(classes[instances > 0], [int(kind) for kind in DETECTED]).all()
        assert (np.isnan(depth) == (classes == Class.FREE)).all()
        assert color.std() > 5.0


def test_the_coco_file_is_read_by_the_reference_and_its_boxes_hold_their_masks(folder: Path) -> None:
    coco_module = pytest.importorskip("pycocotools.coco")
    coco = coco_module.COCO(str(folder / "annotations" / "instances.json"))
    assert [category["name"] for category in coco.dataset["categories"]] == [kind.label for kind in DETECTED]
    assert len(coco.imgs) == NUM
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation).astype(bool)
        name = coco.imgs[annotation["image_id"]]["file_name"].replace(".jpg", ".png")
        instances = read_instances(folder / "instance" / name)
        np.testing.assert_array_equal(mask, instances == annotation["instance_id"])
        v, u = np.nonzero(mask)
        x, y, width, height = annotation["bbox"]
        assert (x, y, x + width, y + height) == (u.min(), v.min(), u.max() + 1, v.max() + 1)


def test_occupancy_and_boxes_are_there_for_the_key_frame(folder: Path) -> None:
    scene = next((folder / "occupancy" / "gts").iterdir())
    with np.load(scene / "000000" / "labels.npz") as labels:
        assert labels["semantics"].shape == labels["mask_camera"].shape == OCCUPANCY_SHAPE
        assert (labels["semantics"] != Class.FREE).sum() > 500
        assert labels["mask_lidar"].sum() > 500 and labels["mask_camera"].sum() > 500
    boxes = json.loads((folder / "annotations" / "boxes.json").read_text())
    assert list(boxes) == [f"{scene.name}/000000"]


def test_the_bag_delivers_the_images_with_their_calibration_and_the_truth(folder: Path) -> None:
    from rosbags.highlevel import AnyReader

    from perception.io.interfaces import typestore

    with AnyReader([folder], default_typestore=typestore()) as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}
        messages = {c.topic: reader.deserialize(raw, c.msgtype) for c, _, raw in reader.messages()}
    for topic in ("image_raw/compressed", "camera_info", "ground_truth/detections", "ground_truth/lines"):
        assert counts[f"/camera/{topic}"] == NUM, topic
    assert counts["/ground_truth/odometry"] == counts["/ground_truth/boxes"] == counts["/points"] == 5
    voxels = messages["/ground_truth/occupancy"]
    assert counts["/ground_truth/occupancy"] == 1 and len(voxels.points) == len(voxels.colors) > 500
    assert voxels.scale.x == pytest.approx(0.4) and voxels.header.frame_id == "base_link"
    model = make_cameras(CONFIG.cameras)[0].model
    np.testing.assert_allclose(messages["/camera/camera_info"].k.reshape(3, 3), model.K)
    places = {t.child_frame_id: t.header.frame_id for t in messages["/tf_static"].transforms}
    assert places == {"lidar": "base_link", "imu": "base_link", "camera_optical": "base_link"}


def test_a_replay_that_asks_for_images_gets_them_with_their_stamps(folder: Path) -> None:
    events = open_recording(folder, InputConfig()).events({"image_raw"})
    images = [event for event in events if not isinstance(event, ImageFrame) or not event.is_depth]
    stamps = read_trajectory(folder / "poses" / "camera.tum").stamps_ns
    assert [image.stamp_ns for image in images] == stamps.tolist()
    assert stamps[0] == EPOCH_NS + make_cameras(CONFIG.cameras)[0].offset_ns


@pytest.mark.parametrize("stop_at", ["the third image", "the bag"])
def test_an_interrupted_generation_goes_on_and_the_bytes_are_the_same_for_any_number_of_threads(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop_at: str
) -> None:
    def interrupt(done: int, total: int) -> None:
        if done == (2 if stop_at == "the third image" else total - 1):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        synthesise(tmp_path / folder.name, CONFIG, interrupt)
    original = SyntheticRecording.__init__
    monkeypatch.setattr(SyntheticRecording, "__init__", lambda self, config: original(self, config, num_threads=1))
    synthesise(tmp_path / folder.name, CONFIG)
    assert digest(tmp_path / folder.name) == digest(folder)
