import pytest

from nodes.description import RunOptions, alone, default_texts, describe, options_from_text
from perception.core.errors import ConfigError


def only(options):
    plan = describe(options)
    assert len(plan.processes) == 1
    return plan.processes[0]


def test_default_is_one_process_with_all_stages_and_no_overrides():
    process = only(RunOptions())
    assert (process.name, process.executable) == ("perception", "full_node")
    assert process.parameters == {"use_sim_time": False, "autostart": True}
    assert process.remappings == {}


def test_split_is_one_process_for_each_stage():
    plan = describe(RunOptions(placement="split"))
    assert [(p.name, p.executable) for p in plan.processes] == [("odometry", "odometry_node")]


def test_configured_cameras_add_a_camera_node():
    options = RunOptions(
        placement="split", overrides=("input.camera_topics=[/front/image_raw]", "camera.rectify=false")
    )
    plan = describe(options)
    assert [(p.name, p.executable) for p in plan.processes] == [
        ("odometry", "odometry_node"),
        ("camera", "camera_node"),
    ]
    odometry, camera = (process.parameters for process in plan.processes)
    assert camera["input.camera_topics"] == ["/front/image_raw"]
    assert camera["camera.rectify"] is False
    assert "camera.rectify" not in odometry


def test_overrides_reach_the_nodes_as_parameters_and_defaults_do_not():
    process = only(RunOptions(overrides=("odometry.time.max_gap=2", "input.T_base_lidar=[0, 0, 1, 0, 0, 0, 1]")))
    assert process.parameters["odometry.time.max_gap"] == 2.0
    assert process.parameters["input.T_base_lidar"] == [0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    assert len(process.parameters) == 4


def test_config_file_and_overrides_are_checked_before_anything_starts(tmp_path):
    file = tmp_path / "robot.yaml"
    file.write_text("odometry: {time: {max_gap: 3.0}}\n")
    assert only(RunOptions(config=str(file))).parameters["odometry.time.max_gap"] == 3.0
    with pytest.raises(ConfigError, match="max_gap"):
        describe(RunOptions(overrides=("odometry.time.maxgap=2",)))


def test_topics_come_from_the_option_else_from_the_configuration():
    assert only(RunOptions(points="/os/points")).remappings == {"points": "/os/points"}
    configured = RunOptions(overrides=("input.lidar_topic=/ouster", "input.imu_topic=/ouster/imu"), imu="/other")
    assert only(configured).remappings == {"points": "/ouster", "imu": "/other"}


def test_command_line_quotes_values_so_that_text_stays_text():
    process = only(RunOptions(namespace="robot", overrides=("publish.odom_frame='7'",)))
    command = process.command()
    assert command[1:3] == ["-m", "nodes.full_node"]
    assert "__ns:=/robot" in command
    assert 'publish.odom_frame:="7"' in command
    assert "autostart:=true" in command


def test_launch_arguments_are_the_options_and_read_back_as_the_defaults():
    texts = {name: text for name, (text, _) in default_texts().items()}
    assert options_from_text(texts) == RunOptions()
    given = options_from_text({**texts, "respawn": "true", "overrides": "a.b=1 c.d=2"})
    assert given.respawn
    assert given.overrides == ("a.b=1", "c.d=2")


def test_wrong_launch_arguments_are_refused():
    with pytest.raises(ConfigError, match="respawn: expected true or false"):
        options_from_text({"respawn": "maybe"})
    with pytest.raises(ConfigError, match="placement"):
        options_from_text({"placement": "cloud"})


def test_every_process_gets_the_profile_for_large_messages():
    environment = describe(RunOptions()).environment
    assert "MALLOC_TRIM_THRESHOLD_" in environment


def test_enabled_detection_adds_a_node_that_hears_the_cameras_itself():
    overrides = ("input.camera_topics=[/front/image_raw]", "detection.is_enabled=true", "camera.rectify=false")
    plan = describe(RunOptions(placement="split", overrides=(*overrides, "detection.classes=[car]")))
    assert [(p.name, p.executable) for p in plan.processes] == [
        ("odometry", "odometry_node"),
        ("camera", "camera_node"),
        ("detection", "detection_node"),
    ]
    odometry, camera, detection = (process.parameters for process in plan.processes)
    assert detection["input.camera_topics"] == ["/front/image_raw"]
    assert detection["camera.rectify"] is False
    assert detection["detection.classes"] == ["car"]
    assert not [name for name in (*odometry, *camera) if name.startswith("detection")]
    assert alone("detection") == ("camera", "detection")
    assert alone("camera") == ("camera",)
    assert alone("odometry") == ("odometry",)


def test_detection_without_cameras_starts_nothing():
    plan = describe(RunOptions(placement="split", overrides=("detection.is_enabled=true",)))
    assert [process.name for process in plan.processes] == ["odometry"]


def test_mapping_takes_the_odometry_along_in_its_process_so_that_there_is_one_frame_odom():
    plan = describe(RunOptions(placement="split", overrides=("mapping.is_enabled=true", "mapping.folder=/maps/a")))
    assert [(p.name, p.executable) for p in plan.processes] == [("mapping", "mapping_node")]
    assert plan.processes[0].parameters["mapping.folder"] == "/maps/a"
    assert alone("mapping") == ("odometry", "mapping")
