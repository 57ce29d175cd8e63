"""Every recording of the shared data that holds decodable messages is read; the others are refused by name."""

import numpy as np
import pytest

from perception.core.errors import ConfigError, InvalidInput
from perception.core.types import Scan
from perception.io.bags import Bag
from perception.io.columns import read_columns
from perception.io.config import InputConfig
from perception.io.recording import open_recording
from perception.io.trajectories import read_trajectory
from tests.shared import shared

BAGS = {
    "rosbags/recorded/phidgets_imu.bag": {"/imu/data_raw": 13964, "/imu/mag": 13964},
    "rosbags/recorded/husky_imu_odom_gps.bag": {
        "/imu/data": 11865,
        "/husky_velocity_controller/odom": 3952,
        "/fix": 989,
    },
    "rosbags/recorded/ouster_os0_512x10_raw.bag": {
        "/os_node0/lidar_packets": 32,
        "/os_node0/imu_packets": 10,
        "/os_node0/metadata": 1,
    },
    "rosbags/recorded/sick_lms_rms.bag": {
        "/sick_lms_1xx/scan": 89,
        "/cloud": 89,
        "/cloud_radar_track": 108,
        "/cloud_radar_rawtarget": 139,
        "/radar": 34,
        "/tf": 17,
    },
    "rosbags/recorded/tf_example": {"/tf": 517, "/tf_static": 1},
    "rosbags/recorded/nav2_turtlebot.mcap": {"/odom": 2639, "/tf": 5422, "/tf_static": 1, "/amcl_pose": 135},
    "rosbags/converted/kitti_0005_first2.bag": {
        "/velodyne_points": 2,
        "/oxts/imu": 2,
        "/oxts/fix": 2,
        "/camera/image_02/compressed": 2,
    },
    "rosbags/converted/kitti_0005_first3_mcap": {
        "/velodyne_points": 3,
        "/oxts/imu": 3,
        "/oxts/fix": 3,
        "/camera/image_02/compressed": 3,
    },
}


@pytest.mark.parametrize("name", BAGS)
def test_every_message_of_every_bag_is_decoded(name):
    bag = Bag(shared(f"data/{name}"))
    expected = BAGS[name]
    assert {topic.name: topic.count for topic in bag.topics if topic.name in expected} == expected
    counts = dict.fromkeys(expected, 0)
    for topic, log_ns, _ in bag.messages(list(expected)):
        counts[topic] += 1
        assert bag.start_ns <= log_ns <= bag.end_ns
    assert counts == expected
    assert not bag.losses.counts


REFUSED = {
    "lidar_packets/velodyne_vlp16/1673400471837873222": r"/velodyne_packets holds velodyne_msgs/msg/VelodyneScan, raw "
    r"packets .* velodyne_pointcloud",
    "lidar_packets/ouster_os1_128/OS-1-128_1024x10.pcap": r"capture of network packets; play it through .*ouster_ros",
    "rosbags/recorded/ouster_os0_512x10_raw.bag": r"holds ouster_ros/msg/PacketMsg, raw packets .* ouster_ros",
    "rosbags/recorded/phidgets_imu.bag": r"no sensor_msgs/PointCloud2 messages; it holds /imu/data_raw",
    "rosbags/recorded/husky_imu_odom_gps.bag": r"no sensor_msgs/PointCloud2 messages; it holds /imu/data",
    "rosbags/recorded/tf_example": r"no sensor_msgs/PointCloud2 messages; it holds /tf_static",
    "rosbags/recorded/nav2_turtlebot.mcap": r"no sensor_msgs/PointCloud2 messages; it holds /odom",
    "kitti_camera_lidar": r"000000.npz: its name is no time; add times.txt",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_holds_no_scans_is_refused_with_what_to_do(name):
    with pytest.raises(InvalidInput, match=REFUSED[name]):
        open_recording(shared(f"data/{name}"))


def test_packets_without_a_definition_are_refused_by_type_when_they_are_decoded():
    bag = Bag(shared("data/lidar_packets/velodyne_vlp16/1673400471837873222"))
    assert sum(1 for _ in bag.records()) == 4
    with pytest.raises(InvalidInput, match="velodyne_msgs/msg/VelodyneScan has no definition in the bag"):
        bag.decoder("/velodyne_packets")


@pytest.mark.parametrize(("name", "count"), [("kitti_0005_first2.bag", 2), ("kitti_0005_first3_mcap", 3)])
def test_the_converted_scans_equal_those_they_were_made_from(name, count):
    packed = open_recording(shared("data/kitti_raw_0005"))
    recording = open_recording(shared(f"data/rosbags/converted/{name}"), InputConfig(stamp_at="middle"))
    scans = list(recording.events())
    assert recording.num_scans == len(scans) == count
    assert not recording.rig.has_imu
    assert any("/oxts/imu is not used" in note for note in recording.summary.notes)
    for scan, source in zip(scans, packed.events()):
        assert np.array_equal(scan.points, source.points)
        assert abs(scan.stamp_ns - source.stamp_ns) <= 1000
        assert np.abs(scan.offsets_ns - source.offsets_ns).max() <= 10_000  # the bag holds steps of 10 microseconds
        assert abs(scan.end_ns - source.end_ns) <= 1000


def test_the_packed_kitti_drive_is_read_with_its_reference_at_mid_turn():
    recording = open_recording(shared("data/kitti_raw_0005"))
    scans = list(recording.events())
    assert len(scans) == recording.num_scans == 154
    assert recording.reference_fraction == 0.5
    for scan, stamp_ns, pose in zip(scans, recording.reference.stamps_ns, recording.reference.poses):
        assert scan.stamp_ns == stamp_ns - 50_000_000
        assert scan.end_ns == stamp_ns + 50_000_000
        assert len(scan.points) > 95_000
        assert np.isfinite(pose).all()
    ahead = scans[0].points[:, 0] > 10.0 * np.abs(scans[0].points[:, 1])
    assert np.abs(scans[0].offsets_ns[ahead] - 50_000_000).max() < 2_000_000
    table = np.load(shared("data/kitti_raw_0005/scans/000000.npz"))["dxyz"]
    assert np.abs(scans[0].points - np.cumsum(table, axis=1, dtype=np.int16).T * 0.005).max() < 1e-5


@pytest.mark.parametrize(("name", "count"), [("livox_keyframes_hku2", 266), ("ouster_indoor_keyframes", 60)])
def test_folders_of_key_frames_are_read_as_instantaneous_scans(name, count):
    recording = open_recording(shared(f"data/{name}"))
    scans = [event for event in recording.events() if isinstance(event, Scan)]
    assert len(scans) == count
    assert not any(scan.offsets_ns.any() for scan in scans)
    assert any("instantaneous" in note for note in recording.summary.notes)


def test_the_clouds_of_the_sick_bag_have_to_be_chosen():
    path = shared("data/rosbags/recorded/sick_lms_rms.bag")
    with pytest.raises(ConfigError, match=r"/cloud .*/cloud_radar_track .*/cloud_radar_rawtarget"):
        open_recording(path)
    scans = list(open_recording(path, InputConfig(lidar_topic="/cloud")).events())
    assert len(scans) == 89
    assert {scan.frame_id for scan in scans} == {"cloud"}


def test_pcd_files_of_livox_and_velodyne_are_read():
    livox = read_columns(shared("data/livox_keyframes_hku2/pcd_original/000000.pcd"))
    assert len(livox["x"]) == 3812
    packed = read_columns(shared("data/livox_keyframes_hku2/scans/000000.npz"))
    points = np.stack([livox[name] for name in "xyz"], axis=1)
    assert np.abs(points - np.stack([packed[name] for name in "xyz"], axis=1)).max() <= 0.0026
    velodyne = read_columns(shared("data/lidar_packets/velodyne_vlp16/1673400472138016708.pcd"))
    assert len(velodyne["x"]) == 14831
    distance = np.linalg.norm(np.stack([velodyne[name] for name in "xyz"]), axis=0)
    assert np.abs(distance - velodyne["distance"]).max() < 1e-3


TRAJECTORIES = {
    "KITTI_00_gt.txt": 4541,
    "KITTI_00_ORB.txt": 4541,
    "KITTI_00_SPTAM.txt": 4541,
    "freiburg1_xyz-groundtruth.txt": 3000,
    "freiburg1_xyz-rgbdslam.txt": 788,
    "freiburg1_xyz-rgbdslam_drift.txt": 788,
    "freiburg1_xyz-ORB_kf_mono.txt": 32,
}


@pytest.mark.parametrize("name", TRAJECTORIES)
def test_published_trajectories_are_read(name):
    assert len(read_trajectory(shared(f"data/trajectories/{name}"))) == TRAJECTORIES[name]


def test_the_ground_truth_of_euroc_is_read():
    trajectory = read_trajectory(shared("data/imu_euroc_v1_01/groundtruth.csv"))
    assert len(trajectory) == 2895
    assert trajectory.stamps_ns[0] == 1403715273262142976
    assert np.allclose(trajectory.poses[0, :3, 3], [0.878895, 2.1834, 0.948427])
