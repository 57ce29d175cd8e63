"""What `perception view` makes of a small recording: files that other programs open, a page, a server."""

import html.parser
import json
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from perception.core.cameras import CameraModel
from perception.core.classes import Class
from perception.core.colours import CLASS_COLOURS, instance_colours
from perception.core.errors import InvalidInput
from perception.core.labels import BoxLabels3d, ObjectLabels
from perception.core.trajectory import Trajectory
from perception.core.types import Detections, Scan
from perception.io.config import InputConfig
from perception.io.detection_results import ResultsWriter, image_name
from perception.io.messages import Messages
from perception.io.trajectories import write_tum
from perception.view.run import Sinks, Viewer

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
START_NS, STEP_NS = 1_700_000_000_000_000_000, 100_000_000
NUM = 4
MODEL = CameraModel(64, 48, np.array([[50.0, 0, 31.5], [0, 50.0, 23.5], [0, 0, 1.0]]))
CLASSES = np.array([Class.CAR, Class.PEDESTRIAN], dtype=np.uint8)
IDS = np.array([7, 9], dtype=np.int32)


def objects() -> ObjectLabels:
    boxes = np.array([[10, 12, 30, 40], [0, 0, 8, 20]], dtype=np.float32)
    return ObjectLabels(CLASSES, IDS, boxes, boxes, np.zeros(2, np.float32), np.array([False, True]))


def boxes_in_space() -> BoxLabels3d:
    centres, sizes = np.array([[10.0, 2, 1], [5, -3, 1]]), np.array([[4.0, 2, 1.5], [0.5, 0.5, 1.7]])
    return BoxLabels3d(CLASSES, IDS, centres, sizes, np.array([0.3, 0]), np.zeros((2, 3)), np.zeros(2, np.int64))


def recorded(write: Messages) -> list[tuple[int, str, str, bytes]]:
    import cv2

    jpeg = cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes()
    places = write.transforms(START_NS, "base_link", {"lidar": np.eye(4), "cam_optical": np.eye(4)})
    out = [(START_NS, "/tf_static", "tf2_msgs/msg/TFMessage", places)]
    for k in range(NUM):
        stamp = START_NS + k * STEP_NS
        points = np.random.default_rng(k).uniform(-20, 20, (300, 3)).astype(np.float32)
        scan = Scan(stamp, "lidar", points, np.linspace(0, 9e7, 300).astype(np.int64))
        cloud = write.cloud(scan, np.zeros(300, np.float32), np.zeros(300, np.uint16))
        out += [
            (stamp, "/cam/image_raw/compressed", "sensor_msgs/msg/CompressedImage", write.image(stamp, "cam", jpeg)),
            (stamp, "/cam/camera_info", "sensor_msgs/msg/CameraInfo", write.camera_info(stamp, "cam", MODEL)),
            (stamp, "/cam/found", "vision_msgs/msg/Detection2DArray", write.detections(stamp, "cam", objects())),
            (stamp, "/boxes", "vision_msgs/msg/Detection3DArray", write.boxes(stamp, "base_link", boxes_in_space())),
            (stamp + 90_000_000, "/points", "sensor_msgs/msg/PointCloud2", cloud),
        ]
    return out


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import cv2
    from rosbags.rosbag2 import StoragePlugin, Writer

    folder = tmp_path_factory.mktemp("view") / "drive"
    write = Messages()
    with Writer(folder, version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP) as bag:
        connections = {}
        for time_ns, topic, kind, data in recorded(write):
            if topic not in connections:
                connections[topic] = bag.add_connection(topic, kind, typestore=write.typestore)
            bag.write(connections[topic], time_ns, data)
    stamps = START_NS + np.arange(12, dtype=np.int64) * 50_000_000
    poses = np.tile(np.eye(4), (12, 1, 1))
    poses[:, 0, 3] = np.arange(12)
    write_tum(folder / "ground_truth.tum", Trajectory(stamps, poses))
    masks = np.zeros((48, 64), dtype=np.uint16)
    masks[12:40, 10:30] = 7
    (folder / "instance" / "cam").mkdir(parents=True)
    cv2.imwrite(str(folder / "instance" / "cam" / "000001.png"), masks)
    return folder


def show(recording: Path, **sinks: object) -> list[str]:
    said: list[str] = []
    Viewer(recording, InputConfig()).show(Sinks(**sinks), said.append, lambda done, total: None)
    return said


def read(path: Path) -> dict[str, list[tuple[str, str, bytes]]]:
    from mcap.reader import make_reader

    found: dict[str, list[tuple[str, str, bytes]]] = {}
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file).iter_messages():
            found.setdefault(channel.topic, []).append((schema.name, channel.message_encoding, message.data))
    return found


def test_the_foxglove_file_holds_what_was_recorded_and_what_is_drawn_from_it(recording: Path, tmp_path: Path) -> None:
    said = show(recording, mcap=tmp_path / "view.mcap")
    found = read(tmp_path / "view.mcap")
    assert {"/points", "/cam/image_raw/compressed", "/cam/camera_info", "/tf", "/ground_truth/path"} <= set(found)
    assert len(found["/points"]) == len(found["/cam/found/annotations"]) == len(found["/boxes/markers"]) == NUM
    assert len(found["/cam/masks/compressed"]) == 1  # the second image is the only one with a mask
    assert said == [f"wrote {tmp_path / 'view.mcap'}: {sum(map(len, found.values()))} messages"]


def test_boxes_are_drawn_around_the_pixels_with_class_and_number(recording: Path, tmp_path: Path) -> None:
    show(recording, mcap=tmp_path / "view.mcap")
    name, encoding, data = read(tmp_path / "view.mcap")["/cam/found/annotations"][0]
    assert (name, encoding) == ("foxglove.ImageAnnotations", "json")
    annotations = json.loads(data)
    assert [text["text"] for text in annotations["texts"]] == ["car 7", "pedestrian 9"]
    assert annotations["points"][0]["points"] == [
        {"x": 10.0, "y": 12.0}, {"x": 30.0, "y": 12.0}, {"x": 30.0, "y": 40.0}, {"x": 10.0, "y": 40.0},
    ]  # fmt: skip
    assert annotations["points"][1]["outline_color"]["a"] < 1.0  # not asked for: drawn pale


def test_boxes_in_space_become_markers_that_ros_can_read(recording: Path, tmp_path: Path) -> None:
    from mcap_ros2.reader import read_ros2_messages

    show(recording, mcap=tmp_path / "view.mcap")
    messages = list(read_ros2_messages(str(tmp_path / "view.mcap"), topics=["/boxes/markers", "/tf"]))
    arrays = [m.ros_msg for m in messages if m.channel.topic == "/boxes/markers"]
    car = arrays[0].markers[0]
    assert (car.ns, car.id, car.scale.x, car.pose.position.x) == ("car", 7, 4.0, 10.0)
    transforms = [m.ros_msg.transforms[0] for m in messages if m.channel.topic == "/tf"]
    assert transforms[0].child_frame_id == "base_link" and transforms[0].transform.translation.x == pytest.approx(2.0)


def test_a_damaged_message_is_counted_and_the_others_are_shown(recording: Path, tmp_path: Path) -> None:
    from rosbags.rosbag2 import StoragePlugin, Writer

    write = Messages()
    with Writer(tmp_path / "bag", version=Writer.VERSION_LATEST, storage_plugin=StoragePlugin.MCAP) as bag:
        topic = bag.add_connection("/cam/found", "vision_msgs/msg/Detection2DArray", typestore=write.typestore)
        whole = write.detections(START_NS, "cam", objects())
        bag.write(topic, START_NS, whole)
        bag.write(topic, START_NS + 1, whole[:60])
    said = show(tmp_path / "bag", mcap=tmp_path / "view.mcap")
    assert len(read(tmp_path / "view.mcap")["/cam/found/annotations"]) == 1
    assert any(line.startswith("not shown:") and "/cam/found" in line for line in said)


def test_what_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        show(tmp_path / "nothing", mcap=tmp_path / "view.mcap")


class Data(html.parser.HTMLParser):
    """Takes the JSON out of a page, and every address that it would load."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.addresses, self._inside = "", [], False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self._inside = values.get("id") == "data"
        self.addresses += [values[key] for key in ("src", "href") if values.get(key)]

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = False


def test_the_page_holds_every_moment_and_loads_nothing(recording: Path, tmp_path: Path) -> None:
    show(recording, html=tmp_path / "view.html")
    page = Data()
    page.feed((tmp_path / "view.html").read_text())
    data = json.loads(page.text)
    assert [moment["t"] for moment in data["moments"]] == [0.0, 0.1, 0.2, 0.3]
    moment = data["moments"][0]
    assert moment["images"]["cam"]["boxes"][0][:2] == ["car", "7"]
    assert moment["boxes"][0][3:7] == [10.0, 2.0, 4.0, 2.0] and moment["pose"][0] == pytest.approx(1.8)
    assert 0 < len(moment["points"]) <= 600 and len(data["path"]) == 12
    assert page.addresses == ["data:,"]


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_a_browser_shows_the_images_and_the_view_from_above(recording: Path, tmp_path: Path) -> None:
    show(recording, html=tmp_path / "view.html")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
    address = (tmp_path / "view.html").as_uri()
    command = [BROWSER, *options, f"--user-data-dir={tmp_path / 'profile'}", address]
    dom = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout
    assert 'data-moment="0"' in dom and 'data-shown="0"' in dom and "<figcaption>cam</figcaption>" in dom
    assert 'data-points="' in dom and 'data-points="0"' not in dom


@pytest.mark.filterwarnings("error")
def test_the_rerun_file_has_every_moment(recording: Path, tmp_path: Path) -> None:
    pytest.importorskip("rerun")
    assert show(recording, rerun=tmp_path / "view.rrd") == [f"wrote {tmp_path / 'view.rrd'}: {NUM} moments"]
    assert (tmp_path / "view.rrd").stat().st_size > 10_000


def test_the_live_server_greets_foxglove_on_this_machine_only(recording: Path) -> None:
    pytest.importorskip("foxglove")
    from perception.view.foxglove import serve

    viewer = Viewer(recording, InputConfig())
    said, ended = [], threading.Event()

    def messages():
        if ended.is_set():
            raise KeyboardInterrupt
        yield from viewer.source.messages()

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = threading.Thread(target=serve, args=(messages, said.append, port), daemon=True)
    server.start()
    with _connected(port) as client:
        client.sendall(
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Protocol: foxglove.sdk.v1\r\n\r\n"
        )
        client.settimeout(10.0)
        answer = client.recv(4096)
    ended.set()
    server.join(timeout=20.0)
    assert answer.startswith(b"HTTP/1.1 101") and f"ws://127.0.0.1:{port}" in said[0]
    assert not server.is_alive()


def _connected(port: int) -> socket.socket:
    for _ in range(100):
        client = socket.socket()
        if client.connect_ex(("127.0.0.1", port)) == 0:
            return client
        client.close()
        threading.Event().wait(0.1)
    raise AssertionError("the server did not start")


def test_every_class_has_a_colour_and_no_instance_is_clear() -> None:
    assert set(CLASS_COLOURS) == set(Class)
    picture = instance_colours(np.array([[0, 1, 2, 65535]]))
    assert picture[0, 0, 3] == 0 and (picture[0, 1:, 3] > 0).all() and len(np.unique(picture[0, :, :3], axis=0)) == 4


def test_what_a_detector_found_is_drawn_on_the_image_of_its_frame_and_stamp(recording: Path, tmp_path: Path) -> None:
    one = np.ones(1, dtype=np.int64)
    box = np.array([[10, 12, 30, 40]], dtype=np.float32)
    stamp = START_NS + STEP_NS
    found = Detections(stamp, "cam", (64, 48), box, np.float32([0.5]), 0 * one, ("car",), 3 * one)
    with ResultsWriter(tmp_path) as writer:
        writer.add(image_name("cam", stamp), found)
    out = tmp_path / "view.mcap"
    viewer = Viewer(recording, InputConfig(), tmp_path / "detections.json")
    viewer.show(Sinks(mcap=out), lambda line: None, lambda done, total: None)
    ((_, _, data),) = read(out)["/cam/replayed_detections/annotations"]
    drawn = json.loads(data)
    assert [text["text"] for text in drawn["texts"]] == ["car 3"]
    assert drawn["points"][0]["points"][0] == {"x": 10.0, "y": 12.0}


def test_results_that_are_none_are_refused(recording: Path, tmp_path: Path) -> None:
    (tmp_path / "detections.json").write_text('[{"bbox": [1, 2, 3]}]')
    with pytest.raises(InvalidInput, match="bbox"):
        Viewer(recording, InputConfig(), tmp_path / "detections.json")
