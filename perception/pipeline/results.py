"""What a replay leaves behind: trajectory files, metrics, the resolved configuration, and a report for people."""

import json
import logging
import resource
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception import __version__
from perception.core.config import to_yaml
from perception.core.errors import DataLoss, InvalidInput
from perception.core.files import write_atomic
from perception.core.health import Level
from perception.core.trajectory import Trajectory
from perception.evaluation.report import RunReport, write_report
from perception.evaluation.trajectory import TrajectoryErrors, evaluate
from perception.io.detection_results import ResultsWriter, counted
from perception.io.image_sources import name_of
from perception.io.line_results import LinesWriter
from perception.io.recording import Recording, Summary, open_recording
from perception.io.trajectories import write_kitti, write_tum
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL
from perception.pipeline.map_results import map_metrics, map_view, placed, told, write_map_files
from perception.pipeline.replay import ReplayResult, lidar_poses, replay
from perception.progress import progress

if TYPE_CHECKING:
    from rich.console import Console

MB = 1e6  # bytes
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One finished replay with everything that is written about it."""

    recording: Recording
    config: PerceptionConfig
    result: ReplayResult
    errors: TrajectoryErrors | None  # None without a reference, or where it does not overlap
    map_errors: TrajectoryErrors | None  # of the poses in the map
    metrics: dict[str, Any]


def replay_to_folder(
    path: Path, out: Path, config: PerceptionConfig, rate: float = 0.0, stages: Iterable[str] | None = None
) -> DataLoss | None:
    """Replay the recording at `path` and write its results to the folder `out`.

    Writes odometry.tum, odometry_kitti.txt, metrics.json, config.yaml and report.html, and detections.json with
    images.json where `config` enables detection, lines.json where it enables lines; where it enables mapping the map
    itself (map/, unless `config` names another folder), map.tum, map.pgm with map.yaml, and map.png. Returns what was
    lost of a damaged recording, whose readable part was used, or what is missing in the map. Raises `InvalidInput` and
    `ConfigError` as `open_recording` does, `ConfigError` where a map is there already.
    """
    from rich.console import Console

    console = Console()
    start = time.perf_counter()
    placed_config = placed(config, out)
    recording = open_recording(path, config.input)
    show_summary(console, path, recording.summary)
    with progress("replay") as update:
        result = replay(recording, placed_config, rate, stages, update)
    run = finished(recording, config, result)
    write_results(out, run)
    run.metrics["time"]["total_s"] = round(time.perf_counter() - start, 3)
    show_notes(console, result.notes)
    show_metrics(console, run.metrics)
    console.print(f"wrote {out / 'report.html'}", soft_wrap=True)
    return result.loss


def finished(recording: Recording, config: PerceptionConfig, result: ReplayResult) -> Run:
    """The run with its errors against the recording's reference, where it has one, and its metrics."""
    errors = _errors(recording, result.trajectory)
    map_errors = _errors(recording, result.map.trajectory) if result.map is not None else None
    metrics = metrics_of(recording, result, errors)
    if result.map is not None:
        metrics["mapping"] = map_metrics(result.map, map_errors, errors)
    return Run(recording, config, result, errors, map_errors, metrics)


def write_results(out: Path, run: Run) -> None:
    """Write all files of a run to the folder `out`, each whole or not at all."""
    out.mkdir(parents=True, exist_ok=True)
    write_tum(out / "odometry.tum", run.result.trajectory)
    write_kitti(out / "odometry_kitti.txt", lidar_poses(run.result, run.recording))
    write_atomic(out / "config.yaml", to_yaml(run.config))
    write_detections(out, run.result)
    write_lines(out, run.result)
    picture = write_map_files(out, run.result.map) if run.result.map is not None else None
    write_report(out / "report.html", report_of(run, picture))
    write_atomic(out / "metrics.json", json.dumps(run.metrics, indent=1, allow_nan=False))


def write_detections(out: Path, result: ReplayResult) -> None:
    """Write detections.json and images.json where detection ran."""
    if result.detections is None:
        return
    with ResultsWriter(out) as writer:
        for detections in result.detections:
            writer.add(name_of(detections), detections)


def write_lines(out: Path, result: ReplayResult) -> None:
    """Write lines.json where line segments were searched."""
    if result.lines is None:
        return
    with LinesWriter(out) as writer:
        for lines in result.lines:
            writer.add(name_of(lines), lines)


def metrics_of(recording: Recording, result: ReplayResult, errors: TrajectoryErrors | None) -> dict[str, Any]:
    """The numbers of metrics.json; `accuracy` only where there is a reference."""
    num_poses = len(result.trajectory)
    metrics: dict[str, Any] = {
        "version": __version__,
        "recording": {
            "path": str(recording.path),
            "kind": recording.summary.kind,
            "duration_s": round(recording.duration, 3),
            "num_scans": result.num_scans,
            "num_poses": num_poses,
            "num_runs": result.num_runs,
            "loss": str(result.loss) if result.loss else None,
            "not_used": dict(recording.losses.counts),
        },
        "time": {
            "replay_s": round(result.wall_time, 3),
            "real_time_factor": round(recording.duration / result.wall_time, 2) if recording.duration else None,
            "cpu_ms_per_output": {name: _quantiles(values) for name, values in result.cpu_ms.items()},
        },
        "memory_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / MB, 1),
        "health": {
            "not_ok_percent": round(100.0 * sum(h.level != Level.OK for h in result.health) / num_poses, 2),
            "degenerate_percent": round(100.0 * sum(r.is_degenerate for r in result.reports) / num_poses, 2),
        },
        "notes": [*recording.summary.notes, *result.notes],
        "counters": result.counters,
        "trajectory_sha256": result.digest(),
    }
    if result.detections is not None:
        metrics["detections"] = counted(result.detections).to_json()
    if result.lines is not None:
        found = sum(len(lines) for lines in result.lines)
        metrics["lines"] = {"images": len(result.lines), "segments": found}
    if errors is not None:
        metrics["accuracy"] = errors.to_json()
    return metrics


def report_of(run: Run, picture: np.ndarray | None = None) -> RunReport:
    """The run as the report shows it; `picture` (H, W, 3) of its map."""
    summary, result, factor = run.recording.summary, run.result, run.metrics["time"]["real_time_factor"]
    stamps = result.trajectory.stamps_ns
    series = {
        "matched points": np.array([report.num_matches for report in result.reports]),
        "point to plane residual, rms (mm)": np.array([1e3 * report.rms_residual for report in result.reports]),
        "iterations": np.array([report.num_iterations for report in result.reports]),
        "translation not determined": np.array([report.is_degenerate for report in result.reports]),
    }
    shown = ("recording", "time", "memory_peak_mb", "health", "detections", "lines", "mapping", "trajectory_sha256")
    return RunReport(
        title=f"Replay of {run.recording.path.name}",
        summary=replace(summary, notes=(*summary.notes, *result.notes)),
        trajectory=result.trajectory,
        reference=run.recording.reference,
        errors=run.errors,
        highlights=(("of real time, replay alone", f"{factor} x"),) if factor is not None else (),
        metrics={name: run.metrics[name] for name in shown if name in run.metrics},
        timings={
            name: (stamps[: len(ms)], ms[: len(stamps)])
            for name, ms in result.cpu_ms.items()
            if _input_of(name) == "scan"
        },
        series={name: (stamps, values) for name, values in series.items()},
        health=tuple(zip(stamps.tolist(), result.health)),
        counters={**result.counters, "the reader (not used)": run.metrics["recording"]["not_used"]},
        map=map_view(result.map, picture, run.map_errors) if result.map is not None else None,
        config_yaml=to_yaml(run.config),
    )


def show_summary(console: "Console", path: Path, summary: Summary) -> None:
    """Print what was found in a recording."""
    from rich.markup import escape

    console.print(f"[bold]{escape(str(path))}[/bold]: {escape(summary.kind)}", soft_wrap=True)
    for name, value in summary.rows:
        console.print(f"  {escape(name)}: {escape(value)}", soft_wrap=True)
    show_notes(console, summary.notes)


def show_notes(console: "Console", notes: Iterable[str]) -> None:
    """Print what was assumed or done in a lesser way."""
    from rich.markup import escape

    for note in notes:
        console.print(f"  [yellow]note[/yellow]: {escape(note)}", soft_wrap=True)


def show_metrics(console: "Console", metrics: dict[str, Any]) -> None:
    """Print the few numbers that people look at first."""
    recording, timing = metrics["recording"], metrics["time"]
    console.print(
        f"{recording['num_poses']} poses from {recording['num_scans']} scans in {timing['total_s']:.1f} s "
        f"(replay alone: {timing['real_time_factor']} x real time)"
    )
    for stage, quantiles in timing["cpu_ms_per_output"].items():
        console.print(
            f"{stage}: CPU per {_input_of(stage)} {quantiles['median']:.2f} ms median, {quantiles['p95']:.2f} ms p95"
        )
    console.print(f"health: {metrics['health']['not_ok_percent']} % of the scans not OK")
    if "detections" in metrics:
        found = metrics["detections"]
        console.print(f"{found['objects']} objects found in {found['images']} images, {found['tracks']} tracks")
    if "lines" in metrics:
        console.print(f"{metrics['lines']['segments']} line segments in {metrics['lines']['images']} images")
    if "accuracy" in metrics:
        accuracy = metrics["accuracy"]
        console.print(
            f"against the reference: APE {accuracy['ape_translation']['rmse']:.3f} m, "
            f"{accuracy['ape_rotation_deg']['rmse']:.3f} deg (rmse, SE(3) aligned)"
        )
    for line in told(metrics["mapping"]) if "mapping" in metrics else ():
        console.print(line, soft_wrap=True)


def _errors(recording: Recording, trajectory: Trajectory) -> TrajectoryErrors | None:
    if recording.reference is None:
        return None
    try:
        return evaluate(trajectory, recording.reference)
    except InvalidInput as error:  # the trajectory is still worth writing
        log.warning("not compared with the reference: %s", error)
        return None


def _input_of(stage: str) -> str:
    """What each output of a stage answers: a scan where it reads them."""
    return "scan" if {"scan", "odometry"} & set(FULL.stage(stage).reads) else "image"


def _quantiles(values: np.ndarray) -> dict[str, float]:
    if len(values) == 0:
        return {"median": 0.0, "p95": 0.0, "max": 0.0}
    return {name: round(float(np.percentile(values, q)), 3) for name, q in (("median", 50), ("p95", 95), ("max", 100))}
