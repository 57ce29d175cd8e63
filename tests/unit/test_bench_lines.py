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
from benchmarks.options import BenchOptions
from benchmarks.result import Result, write
from perception.bench import names
from perception.core.errors import ConfigError
from perception.evaluation.lines_use import EndPointErrors, RollErrors

PLAYED = """
import sys, time
import numpy as np
from benchmarks.lines_turns import pin, read_images, serve
pin(sys.argv[2])
def slow(image):
    end = time.process_time() + 0.01
    while time.process_time() < end:
        pass
    return np.full((1, 4), float(image[0, 0, 0]), dtype=np.float32), np.ones(1, dtype=np.float32)
serve({"slow": slow, "absent": "no such package"}, read_images(sys.argv[1]))
"""


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


def test_use_is_decided_by_medians_over_all_drives():
    rolls = RollErrors([0.5, -2.0, 0.7], [0.1, 0.1, -0.3], 4)
    ends = EndPointErrors([0.04, 0.06, 0.5, 0.08], [9.0, 11.0, 30.0, 9.5], num_segments=10, num_lifted=4, num_images=4)
    result = Result("lines")
    lines_use.add_use(result, rolls, ends)
    assert result.value("perception", lines_use.USE, "images that tell an attitude") == 75.0
    assert result.value("perception", lines_use.USE, lines_use.AT_10_M) == pytest.approx(6.0)
    found = verdicts(lines_use.targets(result))
    assert found[f"{lines_use.ROLL}, {lines_use.USE}"] is True
    assert found[f"{lines_use.AT_10_M}, {lines_use.USE}"] is False
    lines_use.add_use(result := Result("lines"), RollErrors(), EndPointErrors())
    assert result.value("perception", lines_use.USE, lines_use.ROLL) is None
    assert None in verdicts(lines_use.targets(result)).values()


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


def test_the_plot_is_the_same_every_time_and_shown_on_the_page(tmp_path):
    pytest.importorskip("matplotlib")
    result = timed()
    result.add(ADVANCED, lines_quality.DATA, lines_quality.BEST, 74.7, "%")
    picture = lines_plot.plot(result)
    assert picture.startswith(b"\x89PNG")
    assert picture == lines_plot.plot(result)
    write(result, tmp_path / "lines.json")
    (tmp_path / "page.md").write_text(f"before\n{lines_plot.BEGIN}of yesterday\n{lines_plot.END}after\n")
    lines_plot.main(*(str(tmp_path / name) for name in ("lines.json", "page.md", "images/plot.png")))
    assert (tmp_path / "images" / "plot.png").read_bytes() == picture
    page = (tmp_path / "page.md").read_text()
    assert f"| {ADVANCED} | 74.7 |" in page
    assert "](images/plot.png)" in page
    assert "of yesterday" not in page
