"""Replays of many recordings: each in its own process, with its results in a folder that is there when it is done.

A crash costs that recording alone. What is done already, with the same settings and of the same recording, is kept,
so that an interrupted batch resumes. Children run here, or on a cluster where `dask.distributed` is.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from perception import __version__
from perception.core.errors import ConfigError, DataLoss, MissingDependency, PerceptionError
from perception.core.files import write_atomic

DONE, LOG = "done.json", "replay.log"
KEPT, FINISHED, PARTIAL, FAILED = "kept", "done", "partial", "failed"  # partial: a damaged recording, its readable part
CONNECT_TIMEOUT = 30.0  # s, for a cluster to answer
ROOT = Path(__file__).resolve().parents[2]  # holds the package
LAST_LINES = 3  # of a log that are shown


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to replay."""

    name: str  # of its folder in `out`
    recording: str  # absolute
    out: str  # folder of the batch, absolute
    arguments: tuple[str, ...] = ()  # of `perception replay`, beside recording and --out
    fingerprint: str = ""  # of everything that the results follow from
    retries: int = 1  # when its process is killed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a job."""

    name: str
    recording: str
    status: str
    attempts: int = 0
    took: float = 0.0  # s
    reason: str = ""
    metrics: dict[str, Any] = field(default_factory=dict)  # the replay's metrics.json


def jobs_of(
    recordings: Sequence[Path], out: Path, arguments: Sequence[str] = (), settings: str = "", retries: int = 1
) -> list[Job]:
    """A job for each recording; two of one name get numbers. `settings`: the resolved configuration, as text."""
    names: set[str] = set()
    jobs = []
    for path in (Path(recording).resolve() for recording in recordings):
        tried = (path.name, *(f"{path.name}-{number}" for number in range(2, len(names) + 2)))
        name = next(name for name in tried if name not in names)
        names.add(name)
        fingerprint = fingerprint_of(path, (*arguments, settings))
        jobs.append(Job(name, str(path), str(Path(out).resolve()), tuple(arguments), fingerprint, retries))
    return jobs


def fingerprint_of(recording: Path, settings: Iterable[str]) -> str:
    """SHA-256 of version, settings, and the names, sizes and times of the files of a recording."""
    files = sorted(recording.rglob("*")) if recording.is_dir() else [recording]
    seen = [
        (str(path.relative_to(recording)), path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
        if path.is_file()
    ]
    text = json.dumps([__version__, str(recording), list(settings), seen])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def shard_of(jobs: Sequence[Job], shard: str | None) -> list[Job]:
    """Part `i/n` of the jobs, i from 1: for the array jobs of a scheduler. Raises `ConfigError`."""
    if shard is None:
        return list(jobs)
    first, slash, last = shard.partition("/")
    if not (slash and first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last)):
        raise ConfigError(f"--shard {shard!r}: expected I/N with I from 1 to N, e.g. 2/8")
    return list(jobs[int(first) - 1 :: int(last)])


def kept(job: Job) -> Outcome | None:
    """The outcome of an earlier run whose results are there and still right."""
    folder = Path(job.out) / job.name
    try:
        values = json.loads((folder / DONE).read_text(encoding="utf-8"))
        is_same = values["fingerprint"] == job.fingerprint
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return Outcome(job.name, job.recording, KEPT, 0, float(values["took"]), "", metrics) if is_same else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def run_job(job: Job) -> Outcome:
    """Replay one recording in a child process; killed, it is tried again. Never raises for what the child does."""
    start = time.monotonic()
    for attempt in range(1, job.retries + 2):
        part = _fresh_part(job)
        code = _child(job, part)
        if code in (0, DataLoss.exit_code):
            return _finish(job, part, code, attempt, time.monotonic() - start)
        if code >= 0:  # it said why; another time it would say the same
            break
    reason = _last_words(part) if code >= 0 else f"its process was killed by signal {-code}, {attempt} times"
    _keep_log(job, part)
    return Outcome(job.name, job.recording, FAILED, attempt, time.monotonic() - start, reason)


def run_local(jobs: Sequence[Job], num_workers: int) -> Iterator[Outcome]:
    """Outcomes as they come, `num_workers` children at a time."""
    with ThreadPoolExecutor(num_workers) as pool:
        waiting: set[Future[Outcome]] = {pool.submit(run_job, job) for job in jobs}
        try:
            while waiting:
                done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
        finally:
            pool.shutdown(cancel_futures=True)


def run_on_cluster(jobs: Sequence[Job], address: str) -> Iterator[Outcome]:
    """Outcomes as they come from the workers of a dask cluster, which see the same files and have this package.

    A worker that dies is replaced by another one, which begins its recording anew. Raises `MissingDependency`
    without dask and `ConfigError` where nothing answers at `address`.
    """
    try:
        import distributed
    except ImportError:
        raise MissingDependency("--cluster needs dask.distributed; run `pip install perception[cluster]`") from None
    try:
        client = distributed.Client(address, timeout=CONNECT_TIMEOUT)
    except (OSError, ValueError) as error:
        raise ConfigError(f"--cluster {address}: no scheduler answers ({error}); is it running?") from None
    with client:
        futures = {
            client.submit(run_job, job, key=f"replay-{job.name}-{uuid.uuid4().hex}", retries=job.retries): job
            for job in jobs
        }
        for future in distributed.as_completed(list(futures)):
            job = futures[future]
            if future.status == "finished":
                yield future.result()
            else:
                reason = str(future.exception()).strip().partition("\n")[0]
                yield Outcome(job.name, job.recording, FAILED, 0, 0.0, f"on the cluster: {reason}")


def run_batch(
    jobs: Sequence[Job],
    num_workers: int = 1,
    cluster: str | None = None,
    on_done: Callable[[int, int], None] = lambda done, total: None,
) -> list[Outcome]:
    """Run what is not there yet; returns the outcomes in the order of the jobs and writes them to batch.json."""
    outcomes = {job.name: outcome for job in jobs if (outcome := kept(job)) is not None}
    left = [job for job in jobs if job.name not in outcomes]
    on_done(len(outcomes), len(jobs))
    if left:
        for outcome in run_on_cluster(left, cluster) if cluster else run_local(left, num_workers):
            outcomes[outcome.name] = outcome
            on_done(len(outcomes), len(jobs))
    ordered = [outcomes[job.name] for job in jobs]
    if jobs:
        rows = json.dumps([asdict(outcome) for outcome in ordered], indent=1)
        write_atomic(Path(jobs[0].out) / "batch.json", rows)
    return ordered


def raise_for(outcomes: Sequence[Outcome]) -> None:
    """Raises `PerceptionError` where a replay failed, `DataLoss` where a recording was damaged."""
    failed = [outcome.name for outcome in outcomes if outcome.status == FAILED]
    if failed:
        raise PerceptionError(f"{len(failed)} of {len(outcomes)} replays failed: {', '.join(failed)}")
    damaged = [outcome.name for outcome in outcomes if outcome.status == PARTIAL]
    if damaged:
        raise DataLoss(f"{len(damaged)} of {len(outcomes)} recordings are damaged: {', '.join(damaged)}")


def _fresh_part(job: Job) -> Path:
    """A new folder for a child; those of children that did not come back go."""
    out = Path(job.out)
    for old in out.glob(f".{job.name}.part-*"):
        shutil.rmtree(old, ignore_errors=True)
    part = out / f".{job.name}.part-{uuid.uuid4().hex}"
    part.mkdir(parents=True)
    return part


def _child(job: Job, part: Path) -> int:
    """Exit code of the child; below 0 it is the signal that ended it."""
    command = [sys.executable, "-m", "perception", "replay", job.recording, "--out", str(part), *job.arguments]
    environment = {"OMP_NUM_THREADS": "1", **os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    with (part / LOG).open("wb") as log:
        return subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False).returncode


def _finish(job: Job, part: Path, code: int, attempts: int, took: float) -> Outcome:
    """The folder takes its name when everything is in it."""
    metrics = json.loads((part / "metrics.json").read_text(encoding="utf-8"))
    status = FINISHED if code == 0 else PARTIAL
    if status == FINISHED:
        write_atomic(part / DONE, json.dumps({"fingerprint": job.fingerprint, "took": round(took, 3)}))
    final = Path(job.out) / job.name
    shutil.rmtree(final, ignore_errors=True)
    part.rename(final)
    reason = "" if code == 0 else str(metrics["recording"]["loss"])
    return Outcome(job.name, job.recording, status, attempts, took, reason, metrics)


def _keep_log(job: Job, part: Path) -> None:
    log = Path(job.out) / f"{job.name}.failed.log"
    (part / LOG).replace(log)
    shutil.rmtree(part, ignore_errors=True)


def _last_words(part: Path) -> str:
    lines = (part / LOG).read_text(encoding="utf-8", errors="replace").split("\n")
    return " ".join([line.strip() for line in lines if line.strip()][-LAST_LINES:])[-500:]


def maps_of(outcomes: Iterable[Outcome], out: Path) -> list[Path]:
    """Folders of the maps that were made, in the order of the recordings."""
    from perception.pipeline.map_results import FOLDER

    return [out / outcome.name / FOLDER for outcome in outcomes if outcome.metrics.get("mapping", {}).get("keyframes")]


def table(outcomes: Sequence[Outcome]) -> Any:
    """All outcomes as one table."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    has_maps = any("mapping" in outcome.metrics for outcome in outcomes)
    of_maps = ("keyframes", "loops", "APE, map (m)") if has_maps else ()
    heads = ("recording", "status", "scans", "x real time", "APE (m)", *of_maps, "not OK (%)", "took (s)", "remark")
    made = Table(*heads, box=SIMPLE_HEAD, padding=(0, 1, 0, 0))  # fits into 80 columns
    for outcome in outcomes:
        metrics, mapping = outcome.metrics, outcome.metrics.get("mapping", {})
        remark = outcome.reason or (f"{outcome.attempts} attempts" if outcome.attempts > 1 else "")
        counts = [str(mapping.get(name, "-")) for name in of_maps[:-1]]
        made.add_row(
            outcome.name,
            outcome.status,
            str(metrics.get("recording", {}).get("num_scans", "-")),
            str(metrics.get("time", {}).get("real_time_factor", "-")),
            _metres(metrics.get("accuracy", {}).get("ape_translation", {}).get("rmse")),
            *([*counts, _metres(mapping.get("ape_map_m"))] if has_maps else []),
            str(metrics.get("health", {}).get("not_ok_percent", "-")),
            f"{outcome.took:.1f}",
            remark,
        )
    return made


def _metres(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
