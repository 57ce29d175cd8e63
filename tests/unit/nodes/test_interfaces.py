"""Our own typing of tf2_msgs and vision_msgs is wire-compatible: the type hashes are those of the real packages."""

from pathlib import Path

import pytest

INTERFACES = Path(__file__).resolve().parents[3] / "perception" / "ros_interfaces" / "interfaces"

# Announced on the graph by the packages of the ROS distribution (Jazzy, vision_msgs 4.1.1).
KNOWN = {
    "tf2_msgs/msg/TFMessage": "e369d0f05a23ae52508854b66f6aa0437f3449d652e8cbf22d5abe85d020f087",
    "vision_msgs/msg/Detection2DArray": "214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968",
    "vision_msgs/msg/Detection3D": "ddd703be132ab0b69d33121f1bb034132bfbb3b0ac5f9fb1516005ba1c8a265b",
}
# All that vision_msgs has; a field renamed or moved by mistake changes the hash of everything that holds it.
VISION_MSGS = (
    "BoundingBox2D BoundingBox2DArray BoundingBox3D BoundingBox3DArray Classification Detection2D Detection2DArray "
    "Detection3D Detection3DArray LabelInfo ObjectHypothesis ObjectHypothesisWithPose Point2D Pose2D "
    "VisionClass VisionInfo"
)


@pytest.fixture(scope="module")
def store():
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    for package in ("tf2_msgs", "vision_msgs"):
        found = {}
        for path in sorted((INTERFACES / package / "msg").glob("*.msg")):
            found.update(get_types_from_msg(path.read_text(), f"{package}/msg/{path.stem}"))
        for name in found:
            store.fielddefs.pop(name, None)  # ours, not those that rosbags knows
        store.register(found)
    return store


@pytest.mark.parametrize("name", KNOWN)
def test_type_hash_equals_that_of_the_real_package(store, name):
    assert store.hash_rihs01(name) == f"RIHS01_{KNOWN[name]}"


def test_every_message_of_vision_msgs_is_defined(store):
    assert sorted(path.stem for path in (INTERFACES / "vision_msgs" / "msg").glob("*.msg")) == VISION_MSGS.split()


def test_messages_of_tf2_equal_those_of_the_distribution(store):
    from rosbags.typesys import Stores, get_typestore

    real = get_typestore(Stores.ROS2_JAZZY)
    for name in ("tf2_msgs/msg/TFMessage", "tf2_msgs/msg/TF2Error"):
        assert store.fielddefs[name] == real.fielddefs[name]
