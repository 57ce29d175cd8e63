"""Child processes of the benchmarks: pinned to a core, with every thread pool held to one thread."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

import numpy as np

from benchmarks.accuracy import Run
from perception.core.errors import PerceptionError

ROOT = Path(__file__).resolve().parents[1]
ONE_THREAD = {
    f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "OPENBLAS", "MKL", "NUMBA", "NUMEXPR", "VECLIB", "RAYON", "TBB")
}
MAX_SECONDS = 900  # no single child may take longer
SHOWN_ERROR = 300  # characters of the end of what a child wrote


class JobFailed(PerceptionError):
    """A child process of a benchmark did not end well; the message holds the end of what it said."""


@dataclass(frozen=True, slots=True)
class Job:
    """One method on one drive."""

    method: str
    drive: Path
    python: str = sys.executable


def environment() -> dict[str, str]:
    """Variables of a child: one thread, and this checkout first on the path."""
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": path}


def child(command: Sequence[str], seconds: float = MAX_SECONDS) -> str:
    """Standard output of a command. Raises `JobFailed`."""
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise JobFailed(f"{' '.join(command[1:4])}: still running after {seconds:.0f} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-SHOWN_ERROR:]
        raise JobFailed(f"{' '.join(command[1:4])}: exit code {done.returncode}: {said}")
    return done.stdout


def run_alone(job: Job, core: int | None = None) -> Run:
    """Run one job on the last core, with nothing else of ours running. Raises `JobFailed`."""
    core = cores()[-1] if core is None else core
    with tempfile.TemporaryDirectory(prefix="bench") as folder:
        out = Path(folder) / "run.npz"
        child([job.python, "-m", "benchmarks.run_method", job.method, str(job.drive), str(out), str(core)])
        with np.load(out, allow_pickle=False) as arrays:
            return Run(*(arrays[name] for name in ("starts_ns", "ends_ns", "poses", "cpu_ns")))


def run_beside(jobs: Sequence[Job]) -> list[Run | JobFailed]:
    """Run jobs whose times do not count, one on each core at a time."""
    free: SimpleQueue[int] = SimpleQueue()
    for core in cores():
        free.put(core)

    def one(job: Job) -> Run | JobFailed:
        core = free.get()
        try:
            return run_alone(job, core)
        except JobFailed as failure:
            return failure
        finally:
            free.put(core)

    with ThreadPoolExecutor(free.qsize()) as pool:
        return list(pool.map(one, jobs))


def cores() -> list[int]:
    """Cores that this process may use."""
    return sorted(os.sched_getaffinity(0))
