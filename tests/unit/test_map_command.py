"""`perception map`, as a user types it."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from mcap.reader import make_reader

from perception.cli import main
from perception.io.interfaces import typestore
from slam.maps.folder import MapFolder
from tests.shared import shared
from tests.unit.slam.rooms import room_map, truth

pytest.importorskip("gtsam", reason="maps are imported and merged by the pose graph")


def run(*arguments):
    return CliRunner().invoke(main, ["map", *map(str, arguments)])


def test_info_says_what_is_there_and_check_finds_what_was_changed(tmp_path):
    room_map(tmp_path / "room", 5)
    result = run("info", tmp_path / "room", "--json", "--check")
    facts = json.loads(result.output)
    assert result.exit_code == 0
    assert facts["keyframes"] == 5 and facts["factors"] == {"prior": 1, "odometry": 4} and facts["problems"] == []
    assert facts["path_m"] == pytest.approx(2.0) and facts["extent_m"] == pytest.approx([2.0, 0.0, 0.0])
    assert facts["sensors"] == ["lidar at 0 0 1.2 m"]
    file = tmp_path / "room" / MapFolder(tmp_path / "room").keyframes[2].file
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    result = run("info", tmp_path / "room", "--check")
    assert result.exit_code == 1 and "crc32" in result.output


def test_what_is_no_map_is_refused_in_one_line(tmp_path):
    result = run("info", tmp_path)
    assert result.exit_code == 1
    assert "map.json: is not there" in result.output


def test_export_takes_the_format_from_the_name(tmp_path):
    room_map(tmp_path / "room", 3)
    for name in ("a.pcd", "a.ply", "a.tum", "a.g2o", "a.pgm", "a.png"):
        result = run("export", tmp_path / "room", tmp_path / name)
        assert result.exit_code == 0, result.output
        assert (tmp_path / name).stat().st_size > 100
    assert run("export", tmp_path / "room", tmp_path / "a.dxf").exit_code == 2


def test_a_map_is_shown_by_its_cloud_and_its_path(tmp_path):
    room_map(tmp_path / "room", 4)
    result = CliRunner().invoke(main, ["view", str(tmp_path / "room"), "--out", str(tmp_path / "room.mcap")])
    assert result.exit_code == 0 and "2 messages" in result.output
    with (tmp_path / "room.mcap").open("rb") as file:
        shown = {
            channel.topic: (schema.name, message) for schema, channel, message in make_reader(file).iter_messages()
        }
    assert {topic: name for topic, (name, _) in shown.items()} == {
        "/map/points": "sensor_msgs/msg/PointCloud2",
        "/map/path": "nav_msgs/msg/Path",
    }
    path = typestore().deserialize_cdr(shown["/map/path"][1].data, "nav_msgs/msg/Path")
    assert path.header.frame_id == "map" and path.poses[3].pose.position.x == pytest.approx(truth(4)[3][0, 3])
    result = CliRunner().invoke(main, ["view", str(tmp_path / "room"), "--html", str(tmp_path / "room.html")])
    assert result.exit_code == 2 and "MCAP" in result.output


def test_an_exported_graph_is_imported_again(tmp_path):
    poses = room_map(tmp_path / "room", 6)
    run("export", tmp_path / "room", tmp_path / "a.g2o")
    result = run("import", tmp_path / "a.g2o", tmp_path / "again")
    assert "6 keyframes" in result.output
    assert np.abs(MapFolder(tmp_path / "again").poses()[1] - poses).max() < 1e-6


def test_two_maps_are_merged_by_the_loops_of_a_file(tmp_path):
    room_map(tmp_path / "a", 5)
    room_map(tmp_path / "b", 5)
    x, y, z = truth(5)[3][:3, 3] - truth(5)[3][:3, 3]
    (tmp_path / "loops.txt").write_text(f"# one place\n3 3 {x} {y} {z} 0 0 0 1\n")
    result = run("merge", tmp_path / "a", tmp_path / "b", tmp_path / "both", "--loops", tmp_path / "loops.txt")
    assert "10 keyframes, 1 of 1 loops" in result.output
    facts = json.loads(run("info", tmp_path / "both", "--json").output)
    assert [(session["first"], session["last"]) for session in facts["sessions"]] == [(0, 4), (5, 9)]
    assert facts["loops"] == {"within a session": 0, "between sessions": 1, "ties of sessions": 0}
    assert facts["path_m"] == pytest.approx(4.0)
    assert "5 to 9: 2 m in 4 s" in run("info", tmp_path / "both").output
    (tmp_path / "loops.txt").write_text("3 3 1 2\n")
    result = run("merge", tmp_path / "a", tmp_path / "b", tmp_path / "c", "--loops", tmp_path / "loops.txt")
    assert result.exit_code == 1 and "loops.txt:1" in result.output
    assert run("merge", tmp_path / "a", tmp_path / "b", tmp_path / "c", "--pose", "1 2").exit_code == 1


def test_settings_count_where_loops_are_given(tmp_path):
    for name in ("a", "b"):
        room_map(tmp_path / name, 5)
    (tmp_path / "loops.txt").write_text("3 3 0 0 0 0 0 0 1\n2 2 1 0 0 0 0 0 1\n")
    given = ("merge", tmp_path / "a", tmp_path / "b", tmp_path / "both", "--loops", tmp_path / "loops.txt")
    result = run(*given, "--set", "mapping.graph.is_undoing=false")
    assert "2 of 2 loops" in result.output
    assert run(*given[:3], tmp_path / "c", *given[4:]).output.endswith("1 of 2 loops between the maps\n")
    assert run(*given[:3], tmp_path / "d", *given[4:], "--set", "mapping.graph.nothing=1").exit_code == 2


def test_maps_without_clouds_touch_nothing_and_what_is_no_map_is_refused_before_any_work(tmp_path):
    room_map(tmp_path / "room", 3)
    run("export", tmp_path / "room", tmp_path / "a.g2o")
    run("import", tmp_path / "a.g2o", tmp_path / "graph")
    result = run("merge", tmp_path / "room", tmp_path / "graph", tmp_path / "both")
    assert result.exit_code == 0, result.output
    assert "left out: it shares no place" in result.output and len(MapFolder(tmp_path / "both")) == 3
    for paths in (("room", "graph", "nothing", "c"), ("nothing", "room", "c")):
        result = run("merge", *(tmp_path / name for name in paths))
        assert result.exit_code == 1 and "nothing/map.json: is not there" in result.output.replace("\n", "")
        assert not (tmp_path / "c").exists()
    result = run("merge", tmp_path / "room", tmp_path / "graph", tmp_path / "both")
    assert result.exit_code == 1 and "is there already" in result.output
    assert run("merge", tmp_path / "room", tmp_path / "graph").exit_code == 2


def test_clean_makes_a_new_map(tmp_path):
    room_map(tmp_path / "room", 8)
    result = run("clean", tmp_path / "room", tmp_path / "clean", "--set", "voxel_size=0.25", "--set", "radius=15")
    assert result.exit_code == 0, result.output
    before, after = (json.loads(run("info", tmp_path / name, "--json").output) for name in ("room", "clean"))
    assert 0 < before["points"] - after["points"] < 0.1 * before["points"]
    assert {**before, "map_id": 0, "points": 0, "size_mb": 0} == {**after, "map_id": 0, "points": 0, "size_mb": 0}
    assert not MapFolder(tmp_path / "clean").problems()


@pytest.mark.long
@pytest.mark.parametrize(
    ("name", "chi2"), [("intel", 45.0042), ("kitti_00", 98.3221), ("parking-garage", 1.2684), ("sphere2500", 1351.402)]
)
def test_public_graphs_are_imported_at_their_stated_cost(tmp_path, name, chi2):
    result = run("import", shared(f"data/pose_graphs/{name}.g2o"), tmp_path / "map")
    assert float(result.output.split()[-1]) == pytest.approx(chi2, rel=1e-3)
