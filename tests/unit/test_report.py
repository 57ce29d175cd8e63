import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from perception.core.health import Health, Level
from perception.core.trajectory import Trajectory
from perception.evaluation.evaluate import evaluate_files
from perception.evaluation.map_report import MapView
from perception.evaluation.report import RunReport, health_rows, write_report
from perception.evaluation.trajectory import Options, evaluate
from perception.io.recording import Summary
from perception.io.trajectories import write_tum
from tests.unit.evaluation.paths import curved_drive, noisy

EVIL = "<script>document.title='hacked'</script>\"'&"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MAX_BYTES = 1_000_000


def full_report(num_poses: int = 1200) -> RunReport:
    drive = curved_drive(num_poses, step=0.3)
    rng = np.random.default_rng(1)
    stamps = drive.stamps_ns
    bad = Health(Level.DEGRADED, f"degenerate {EVIL}")
    return RunReport(
        title=f"Replay {EVIL}",
        summary=Summary(f"bag {EVIL}", ((EVIL, f"topic {EVIL}"),), (f"note {EVIL}",)),
        trajectory=noisy(drive, seed=2),
        reference=drive,
        metrics={"num_scans": num_poses, EVIL: EVIL, "memory": {"peak_mb": 512.3}},
        timings={f"odometry {EVIL}": (stamps, rng.gamma(20.0, 0.3, num_poses))},
        series={
            f"matches {EVIL}": (stamps, rng.integers(500, 900, num_poses)),
            "degenerate": (stamps, rng.random(num_poses) < 0.05),
        },
        health=tuple((int(t), bad if 10 < i < 20 else Health()) for i, t in enumerate(stamps)),
        counters={EVIL: {f"dropped {EVIL}": 3}},
        config_yaml=f"name: {EVIL}\n</pre></details>",
    )


class Structure(HTMLParser):
    """Counts tags and keeps the text, and fails on tags that do not nest."""

    VOID = ("br", "img", "meta", "link")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.counts, self.text = [], {}, ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def written(path: Path, report: RunReport) -> str:
    write_report(path, report)
    return path.read_text(encoding="utf-8")


def test_report_is_one_small_file_without_any_address(tmp_path: Path):
    page = written(tmp_path / "report.html", full_report())
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
    assert len(page.encode()) < MAX_BYTES
    assert (
        re.findall(r"(?i)https?:|//[a-z0-9-]+\.[a-z]|@import|url\(|<link(?! rel=\"icon\" href=\"data:,\">)", page) == []
    )
    assert re.findall(r"(?i)\s(?:src|srcset|action)\s*=", page) == []


def test_everything_from_files_is_escaped(tmp_path: Path):
    structure = Structure(written(tmp_path / "report.html", full_report()))
    assert structure.counts["script"] == 1
    assert structure.counts["details"] == 1
    assert structure.text.count(EVIL) >= 8


def test_report_shows_input_errors_timing_matching_health_and_config(tmp_path: Path):
    structure = Structure(written(tmp_path / "report.html", full_report()))
    for words in (
        "Input",
        "From above",
        "Height over distance",
        "Position error",
        "APE (m)",
        "distribution",
    ):
        assert words in structure.text
    for words in (
        "degenerate (",
        "DEGRADED",
        "Counters of",
        "peak_mb",
        "p95",
        "Everything this run was configured with",
    ):
        assert words in structure.text
    assert structure.counts["svg"] == 10


def test_a_run_without_reference_timings_and_health_has_a_page_too(tmp_path: Path):
    report = RunReport("short", Summary("folder", ()), curved_drive(2))
    structure = Structure(written(tmp_path / "report.html", report))
    assert "Errors" not in structure.text
    assert structure.counts["svg"] == 2


@pytest.mark.parametrize("num_poses", [0, 1])
def test_no_pose_and_one_pose_can_be_reported(tmp_path: Path, num_poses: int):
    drive = curved_drive(2)
    short = Trajectory(drive.stamps_ns[:num_poses], drive.poses[:num_poses])
    nothing = (short.stamps_ns, np.zeros(num_poses))
    report = RunReport("x", Summary("folder", ()), short, timings={"odometry": nothing}, series={"matches": nothing})
    assert "matches" in Structure(written(tmp_path / "report.html", report)).text


def test_a_reference_that_does_not_overlap_is_named_and_the_run_still_shown(tmp_path: Path):
    drive = curved_drive(50)
    other = Trajectory(drive.stamps_ns + 10**15, drive.poses)
    report = RunReport("x", Summary("folder", ()), drive, reference=other)
    assert "Not compared with the reference: only 0 poses" in Structure(written(tmp_path / "r.html", report)).text


def test_values_that_are_not_finite_leave_gaps_and_no_broken_points(tmp_path: Path):
    drive = curved_drive(100)
    values = np.full(100, np.nan)
    values[10:20], values[50] = 1.0, np.inf
    page = written(
        tmp_path / "r.html", RunReport("x", Summary("f", ()), drive, series={"rms": (drive.stamps_ns, values)})
    )
    assert re.findall(r'(?i)points="[^"]*(?:nan|inf)', page) == []


def test_equal_health_is_joined_to_one_row():
    good, bad = Health(), Health(Level.FAILED, "no match")
    rows, left_out = health_rows(tuple(enumerate([good, good, bad, good])), 0)
    assert [(row.level, row.count) for row in rows] == [("OK", 2), ("FAILED", 1), ("OK", 1)]
    assert left_out == 0
    flicker = tuple((i, bad if i % 2 else good) for i in range(1000))
    assert health_rows(flicker, 0)[1] == 960


def console_errors(page: Path, profile: Path) -> list[str]:
    """Errors that a headless browser reports for a page, and the title it ends up with."""
    arguments = [BROWSER, "--headless", "--disable-gpu", "--enable-logging=stderr", "--v=0", "--dump-dom"]
    arguments += ["--virtual-time-budget=3000", f"--user-data-dir={profile}", page.as_uri()]
    if os.geteuid() == 0:
        arguments.insert(1, "--no-sandbox")
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=90)
    assert "</html>" in done.stdout, done.stderr[-500:]
    found = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return found + (["hacked"] if "<title>hacked" in done.stdout else [])


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_report_opens_in_a_headless_browser_without_errors(tmp_path: Path):
    write_report(tmp_path / "report.html", full_report())
    assert console_errors(tmp_path / "report.html", tmp_path / "profile") == []


@pytest.mark.skipif(BROWSER is None, reason="no chromium on this machine")
def test_the_readout_under_the_pointer_works_in_the_browser(tmp_path: Path):
    page = written(tmp_path / "plain.html", full_report())
    probe = """<script>
    for (const svg of document.querySelectorAll("svg[data-limits]")) {
      const box = svg.getBoundingClientRect();
      const middle = {clientX: box.x + box.width / 2, clientY: box.y + box.height / 2};
      svg.dispatchEvent(new PointerEvent("pointermove", middle));
      const words = svg.querySelector("text.readout");
      if (!words || !/[0-9]/.test(words.textContent) || /NaN/.test(words.textContent)) console.error("no readout");
    }
    console.log("probed");
    </script></body>"""
    (tmp_path / "probe.html").write_text(page.replace("</body>", probe))
    found = console_errors(tmp_path / "probe.html", tmp_path / "profile")
    assert len(found) == 1
    assert "probed" in found[0]


def test_evaluate_writes_json_and_a_page(tmp_path: Path):
    drive = curved_drive(300)
    write_tum(tmp_path / "reference.tum", drive)
    write_tum(tmp_path / "estimate.tum", noisy(drive, seed=3))
    errors = evaluate_files(tmp_path / "estimate.tum", tmp_path / "reference.tum", Options(), tmp_path / "out")
    assert 0.1 < errors.ape_translation.rmse < 0.3
    assert f'"rmse": {errors.ape_translation.rmse}' in (tmp_path / "out" / "evaluation.json").read_text()
    assert "estimate.tum against reference.tum" in Structure((tmp_path / "out" / "evaluation.html").read_text()).text


def test_the_report_module_imports_neither_plotting_nor_ros():
    heavy = ("plotly", "matplotlib", "rclpy", "scipy", "numba")
    code = f"import sys, perception.evaluation.report; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def test_a_map_is_shown_with_both_trajectories_its_loops_and_its_picture(tmp_path: Path):
    drive = curved_drive(50)
    drifting = Trajectory(drive.stamps_ns, drive.poses.copy())
    drifting.poses[:, 1, 3] += np.linspace(0.0, 3.0, 50)
    loops = np.stack([drive.poses[[0, 5], :3, 3], drive.poses[[40, 45], :3, 3]], axis=1)
    view = MapView(drive, loops, np.full((40, 60, 3), 200, np.uint8), None, {EVIL: 3, "too little overlap": 7})
    page = written(tmp_path / "alone.html", RunReport("x", Summary("folder", ()), drifting, map=view))
    assert "Map" in Structure(page).text and "2 loops hold the map together" in page
    assert "too little overlap 7, " in page and Structure(page).text.count(EVIL) == 1
    assert all(f'data-name="{name}"' in page for name in ("odometry", "map", "loops")) and "data:image/jpeg" in page
    compared = replace(view, errors=evaluate(drive, drive))
    report = RunReport("x", Summary("folder", ()), drifting, reference=drive, map=compared)
    assert Structure(written(tmp_path / "compared.html", report)).text.count("Position error") == 2


def test_a_map_that_was_never_found_has_a_section_without_a_picture(tmp_path: Path):
    nothing = MapView(Trajectory(np.zeros(0, np.int64), np.zeros((0, 4, 4))), np.zeros((0, 2, 3)))
    page = written(tmp_path / "r.html", RunReport("x", Summary("folder", ()), curved_drive(5), map=nothing))
    assert "0 loops hold the map together" in page
