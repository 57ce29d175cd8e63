"""Times networks in a process of its own: `python -m benchmarks.detection_timing JOBS.json OUT.json CORE ROUNDS`.

Every job is a network on one backend. The jobs take turns, so that a machine that slows down slows all of them; the
first call of a turn warms the caches and does not count.
"""

import json
import os
import sys
import time
from pathlib import Path

CALLS = 3  # of a turn that count
WARM_UP_CALLS = 3


def main(jobs_file: str, out: str, core: str, rounds: str) -> None:
    """Pin this process to one core, then time."""
    os.sched_setaffinity(0, {int(core)})
    jobs = json.loads(Path(jobs_file).read_text(encoding="utf-8"))
    found = [time_of(job) for job in jobs]
    for _ in range(int(rounds)):
        for entry in found:
            if entry["run"] is not None:
                entry["run"]()
                entry["seconds"] += [_once(entry["run"]) for _ in range(CALLS)]
    results = [{key: value for key, value in entry.items() if key != "run"} for entry in found]
    Path(out).write_text(json.dumps(results), encoding="utf-8")


def time_of(job: dict) -> dict:
    """A job that is ready to run, or the reason why it cannot."""
    import numpy as np

    from benchmarks.detection_models import open_card
    from perception.core.errors import PerceptionError
    from perception.inference.runtime import make_runtime

    shape = (1, 3, *job["size"])
    images = np.random.default_rng(0).random(shape, dtype=np.float32)
    try:
        runtime = make_runtime(
            open_card(Path(job["card"])), job["backend"], job["precision"], num_threads=1, shapes={"images": shape}
        )
        runtime.warm_up({"images": shape})
        for _ in range(WARM_UP_CALLS):
            runtime.infer({"images": images})
    except PerceptionError as error:
        return {**job, "run": None, "seconds": [], "problem": str(error)}
    return {**job, "run": lambda: runtime.infer({"images": images}), "seconds": [], "problem": ""}


def _once(run) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main(*sys.argv[1:])
