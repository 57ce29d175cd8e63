"""The benchmark of lines: who takes turns, how errors are measured, and the shape of its rows, from made-up numbers."""

import os
import sys

import numpy as np
import pytest

from benchmarks import environment, jobs, lines_parity, lines_photos, lines_plot, lines_quality, lines_speed, lines_use
from benchmarks.lines import GROUPS, run
from benchmarks.lines_peers import ADVANCED, methods
from benchmarks.lines_players import Player
from benchmarks.lines_turns import read_images, write_images
from benchmarks.lines_world import HeldOut
from benchmarks.options import BenchOptions
from benchmarks.result import Result
from perception.bench import names
from perception.core.cameras import CameraModel
from perception.core.errors import ConfigError
from perception.lines.segments import FoundLines

PLAYED = """
import sys, time
import numpy as np
from benchmarks.lines_turns import pin, read_images, serve
pin(sys.argv[2])
def slow(image):
    time.sleep(0.01)
    return np.full((1, 4), float(image[0, 0, 0]), dtype=np.float32), np.ones(1, dtype=np.float32)
serve({"slow": slow, "absent": "no such package"}, read_images(sys.argv[1]))
"""
CAMERA = CameraModel(100, 80, np.array([[100.0, 0.0, 49.5], [0.0, 100.0, 39.5], [0.0, 0.0, 1.0]]))


def verdicts(targets) -> dict[str, bool | None]:
    return {target.metric: target.met for target in targets}


def test_the_benchmark_is_found_by_its_name_and_its_parts_are_not():
    assert "lines" in names(jobs.ROOT)
    assert not [name for name in names(jobs.ROOT) if name.startswith("lines_")]


def test_a_group_that_there_is_not_is_refused():
    with pytest.raises(ConfigError, match="parity"):
        run(BenchOptions(only=("nothing",)))
    assert list(GROUPS)[:3] == ["parity", "quality", "speed"]


def test_without_the_shared_data_rows_say_why_they_are_empty(tmp_path, monkeypatch):
    for module, name in ((lines_parity, "FIXTURE"), (lines_parity, "PHOTOS"), (lines_quality, "PHOTOS")):
        monkeypatch.setattr(module, name, tmp_path / "none.npz")
    result = Result("lines")
    for measure in (lines_parity.measure, lines_quality.measure):
        measure(BenchOptions(), result)
    assert [row.unit for row in result.rows] == [lines_photos.MISSING.format("none.npz")] * 2
    assert set(verdicts([*lines_parity.targets(result), *lines_quality.targets(result)]).values()) == {None}


def test_a_player_answers_when_it_is_asked_and_not_before(tmp_path):
    images = [np.full((2, 2, 3), value, dtype=np.uint8) for value in (7, 9)]
    write_images(tmp_path / "images.npz", images)
    assert [image[0, 0, 0] for image in read_images(str(tmp_path / "images.npz"))] == [7, 9]
    core = str(min(os.sched_getaffinity(0)))
    player = Player([sys.executable, "-c", PLAYED, str(tmp_path / "images.npz"), core], tmp_path)
    assert player.problems == {"slow": "", "absent": "no such package"}
    assert player.usable == ["slow"]
    assert [seconds >= 0.01 for seconds in player.seconds("slow")] == [True, True]
    assert [segments[0].tolist() for segments, _ in player.found("slow")] == [[7.0] * 4, [9.0] * 4]
    player.close()
    assert player.process.returncode == 0


def test_a_player_that_ends_says_why(tmp_path):
    with pytest.raises(jobs.JobFailed, match="exit code 3: the reason"):
        Player([sys.executable, "-c", "import sys; sys.stderr.write('the reason'); sys.exit(3)"], tmp_path)


def test_peers_without_their_package_say_so():
    import importlib.util

    found = methods()
    if importlib.util.find_spec("pytlsd") is None:
        assert "no wheel" in found["pytlsd"]
    segments, scores = found[ADVANCED](np.zeros((40, 60, 3), dtype=np.uint8))
    assert segments.shape == (0, 4)
    assert len(scores) == 0


def test_a_peer_that_this_python_cannot_have_is_not_asked_for(tmp_path, monkeypatch):
    (tmp_path / "some.in").write_text(
        '# comment\na-b==1.2\nc==3; python_version < "3.5"  # old\nd==4; python_version < "9.1"\n'
    )
    monkeypatch.setattr(environment, "_file", lambda peers: tmp_path / f"{peers}.in")
    assert environment.pins("some") == {"a-b": "1.2", "d": "4"}


def test_segments_agree_whatever_the_order_of_their_ends():
    wanted = np.array([[0.0, 0, 10, 0], [0, 5, 10, 5], [3, 3, 3, 9]])
    found = np.array([[10.0, 0.5, 0, 0.5], [0, 5, 10, 6.5]])
    assert lines_parity.share_within(found, wanted) == pytest.approx(1 / 3)
    assert lines_parity.share_within(found[:0], wanted) == 0.0
    assert lines_parity.share_within(found, wanted[:0]) == 1.0


def test_ends_stand_on_the_true_segment_that_lies_beside():
    truth = np.array([[10.0, 10, 60, 10], [10, 12, 60, 12], [30, 0, 30, 70]])
    feet = lines_use.feet_of(np.array([20.0, 12.5, 50, 12.2]), truth)
    np.testing.assert_allclose(feet, [[20.0, 12.0], [50.0, 12.0]], atol=1e-9)
    for lonely in ([20.0, 30, 50, 30], [20, 12, 50, 16], [20, 12, 80, 12]):  # aside, turned, too long
        assert len(lines_use.feet_of(np.array(lonely, dtype=float), truth)) == 0


def scene(points: np.ndarray | None = None) -> HeldOut:
    """A wall 10 m ahead on the left half of the image, one at 20 m on the right half, sky in the last column."""
    planes = np.array([[0.0, 0.0, 1.0, 10.0], [0.0, 0.0, 1.0, 20.0]])
    surfaces = np.zeros((80, 100), dtype=np.int32)
    surfaces[:, 50:], surfaces[:, 97:] = 1, -1
    points = np.zeros((0, 3), dtype=np.float32) if points is None else points
    T_world_camera = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
    return HeldOut("a.jpg", CAMERA, T_world_camera, points, planes, surfaces)


def test_the_true_point_of_an_edge_lies_on_the_nearer_surface():
    np.testing.assert_allclose(lines_use.surface_point(scene(), np.array([49.5, 39.5])), [0.0, 0.0, 10.0])
    np.testing.assert_allclose(lines_use.surface_point(scene(), np.array([50.4, 39.5]))[2], 10.0)
    np.testing.assert_allclose(lines_use.surface_point(scene(), np.array([69.5, 39.5])), [4.0, 0.0, 20.0])
    assert lines_use.surface_point(scene(), np.array([99.0, 5.0])) is None


def test_ends_in_space_are_as_far_off_as_their_depth_is():
    rows, columns = np.mgrid[5:75:3, 3:48:3].reshape(2, -1)
    rays = CAMERA.rays(np.stack([columns, rows], axis=1).astype(float))
    segments = np.array([[20.0, 10, 20, 70]], dtype=np.float32)
    found = FoundLines(segments, np.ones(1, dtype=np.float32))
    for depth in (10.0, 10.2):
        errors, lifted = lines_use.end_errors(scene((rays * depth).astype(np.float32)), found, segments)
        assert lifted == 1
        np.testing.assert_allclose(errors[:, 0], 10.0)
        np.testing.assert_allclose(errors[:, 1], (depth - 10.0) * np.hypot(1, [0.419, 0.424]), atol=0.02)


def test_quality_is_decided_against_what_was_asked_and_known():
    result = Result("lines")
    data = lines_quality.DATA
    result.add(lines_quality.network_name("lsdnet"), data, lines_quality.BEST, 86.7, "%")
    result.add(lines_quality.PROGRAM, data, lines_quality.BEST, 85.8, "%")
    result.add(ADVANCED, data, lines_quality.ALL, 74.2, "%")
    result.add(lines_quality.CLASSIC_ADVANCED, data, lines_quality.ALL, 73.8, "%")
    found = verdicts(lines_quality.targets(result))
    assert found[f"F^H, lsdnet, {data}"] is True
    assert found[f"F^H against 86.2, published program, {data}"] is False
    assert found[f"F^H against 74.1, {ADVANCED}, {data}"] is True
    assert found[f"F^H against 69.3, EDLines, {data}"] is None
    assert found[f"F^H that {lines_quality.CLASSIC_ADVANCED} lacks of {ADVANCED}"] is True


def timed() -> Result:
    result = Result("lines")
    for data in (lines_speed.AS_THEY_ARE, lines_speed.LARGE):
        for name, fastest in ((ADVANCED, 8.0), (lines_quality.CLASSIC_ADVANCED, 7.0), ("regions, 640x480", 2.4)):
            lines_speed.add_times(
                result, data, name, np.array([[fastest, fastest + 2.0], [fastest + 4.0, fastest + 2.0]])
            )
            result.add(name, data, lines_speed.RATIO, (fastest + 1.0) / 9.0, "x")
    return result


def test_times_are_those_of_the_fastest_run_of_each_image():
    result = timed()
    assert result.value(ADVANCED, lines_speed.LARGE, lines_speed.FASTEST) == 9.0
    assert result.value(ADVANCED, lines_speed.LARGE, lines_speed.MEDIAN) == 10.0
    found = verdicts(lines_speed.targets(result))
    assert found[f"regions, 640x480, {lines_speed.LARGE}"] is False  # 3.4 ms
    assert found[f"{lines_quality.CLASSIC_ADVANCED}, {lines_speed.RATIO}, {lines_speed.LARGE}"] is True
    assert found[f"lsdnet bf16, whole, {lines_speed.LARGE}"] is None


def test_the_summary_has_methods_with_quality_and_time_best_first():
    result = timed()
    for name, quality in ((ADVANCED, 74.7), (lines_quality.CLASSIC_ADVANCED, 74.8), ("published program", 86.2)):
        result.add(name, lines_quality.DATA, lines_quality.BEST, quality, "%")
    lines = lines_plot.summary(result).splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| perception LSD, advanced", f"| {ADVANCED}"]
    assert lines[3] == f"| {ADVANCED} | 74.7 | - | - | 9 | 9 |"


def test_the_plot_is_a_picture_and_the_same_every_time():
    pytest.importorskip("matplotlib")
    result = timed()
    result.add(ADVANCED, lines_quality.DATA, lines_quality.BEST, 74.7, "%")
    picture = lines_plot.plot(result)
    assert picture.startswith(b"\x89PNG")
    assert picture == lines_plot.plot(result)
