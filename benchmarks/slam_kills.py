"""What SIGKILL at random moments costs a replay that makes a map: the whole program, from the bag to the folder.

Run as a program it is `perception replay` that says the number of each keyframe once it is safe.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target
from slam.maps.card import CARD
from slam.maps.folder import MapFolder
from slam.maps.keyframe import Keyframe

ROOT = Path(__file__).resolve().parents[1]
IN_A_ROW = 5  # kills of one map before a run may come to its end
MAX_PAUSE = 0.3  # s between a keyframe and the kill
START_TIME = 3.0  # s; one kill in `EARLY` comes while the program starts
EARLY = 10
MOST_KEYFRAMES = 35  # that a run may make before it is killed
PATIENCE = 600.0  # s, for a run that nobody kills


CASE = "replay killed"
NUM_KILLS, NUM_KILLS_LONG, MIN_LOOPS = 50, 200, 5
FAILED, MOST_LOST, NOT_CLOSED = "maps or runs with a problem", "lost, most", "resumed runs without loops"
SETTINGS = (  # of the yard of the tests, which is smaller than a town
    "--set", "mapping.place.index.min_age=5", "--set", "mapping.place.index.min_path=25",
    "--set", "mapping.place.bev.extent=20",
)  # fmt: skip


@dataclass(slots=True)
class Kills:
    """What came of them."""

    lost: list[int] = field(default_factory=list)  # by kill: keyframes that were said and are not in the map
    keyframes: list[int] = field(default_factory=list)  # by kill: in the map then
    problems: list[str] = field(default_factory=list)  # of maps after a kill, and of runs that were to resume
    resumed: list[Path] = field(default_factory=list)  # folders of the results of the runs that came to their end


def targets(result: Result) -> list[Target]:
    """What a kill may cost."""
    found = [target("keyframes lost by a kill of a replay", 1.0, result.value(OURS, CASE, MOST_LOST), "<=")]
    return found + [target(name, 0.0, result.value(OURS, CASE, name), "<=") for name in (FAILED, NOT_CLOSED)]


def measure(options: BenchOptions, result: Result) -> None:
    """Kill replays of a drive in the tests' yard."""
    from tests.yard import Drive, record

    with tempfile.TemporaryDirectory() as name:
        recording, kills = record(Path(name) / "drive", Drive()), NUM_KILLS_LONG if options.long else NUM_KILLS
        found = kill_again_and_again(recording, Path(name), kills, np.random.default_rng(0), SETTINGS)
        result.add(OURS, CASE, "kills", len(found.lost), "")
        result.add(OURS, CASE, MOST_LOST, max(found.lost), "keyframes")
        result.add(OURS, CASE, "kills that cost a keyframe", sum(lost > 0 for lost in found.lost), "")
        result.add(OURS, CASE, FAILED, len(found.problems), "")
        result.add(OURS, CASE, "resumed runs", len(found.resumed), "")
        loops = [num_loops(out) for out in found.resumed]
        result.add(OURS, CASE, NOT_CLOSED, sum(count < MIN_LOOPS for count in loops), "")


def num_loops(out: Path) -> int:
    """Loops that a replay closed, by its results."""
    metrics = json.loads((out / "metrics.json").read_text(encoding="utf-8")) if out.is_dir() else {}
    return int(metrics.get("mapping", {}).get("loops", 0))


def kill_again_and_again(
    recording: Path, place: Path, kills: int, rng: np.random.Generator, arguments: Sequence[str] = ()
) -> Kills:
    """Kill replays of `recording` into maps below `place`; after some kills of a map a run goes on in it to its end.

    `arguments`: further ones of `perception replay`.
    """
    found = Kills()
    for number in range(0, kills, IN_A_ROW):
        folder = place / f"map-{number}"
        for _ in range(min(IN_A_ROW, kills - number)):
            out = Path(tempfile.mkdtemp(dir=place, prefix="killed-"))
            _check(folder, _killed(_command(recording, out, folder, arguments), rng), found)
        out = place / f"resumed-{number}"
        log = (place / f"resumed-{number}.log").open("wb")
        with log:
            command = _command(recording, out, folder, arguments)
            code = subprocess.run(command, stdout=log, stderr=log, env=_environment(), cwd=ROOT, timeout=PATIENCE)
        found.resumed.append(out)
        if code.returncode:
            words = Path(log.name).read_text(encoding="utf-8", errors="replace")[-500:]
            found.problems.append(f"{folder}: the resumed run ended with {code.returncode}: {words}")
    return found


def _command(recording: Path, out: Path, folder: Path, arguments: Sequence[str]) -> list[str]:
    module = [sys.executable, "-m", "benchmarks.slam_kills"]
    return [*module, "replay", str(recording), "--out", str(out), "--map", str(folder), *arguments]


def _killed(command: list[str], rng: np.random.Generator) -> list[int]:
    """Run, kill, and give the numbers of the keyframes that were said to be safe."""
    said: list[int] = []
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=_environment(), cwd=ROOT, text=True
    ) as child:
        assert child.stdout is not None
        is_early = rng.integers(EARLY) == 0
        wanted = 0 if is_early else int(rng.integers(1, MOST_KEYFRAMES))
        while len(said) < wanted and (line := child.stdout.readline()):
            said += _numbers(line)
        try:
            child.wait(rng.uniform(0.0, START_TIME if is_early else MAX_PAUSE))
        except subprocess.TimeoutExpired:
            os.kill(child.pid, signal.SIGKILL)
        said += _numbers(child.stdout.read())
    return said


def _check(folder: Path, said: list[int], found: Kills) -> None:
    """Open the map and look whether everything that was safe is there."""
    if not (folder / CARD).exists():  # killed before there was a map
        found.lost.append(len(said))
        found.keyframes.append(0)
        return
    opened = MapFolder(folder)
    found.problems += opened.problems()
    found.lost.append(len(set(said) - set(opened.keyframes)))
    found.keyframes.append(len(opened))


def _numbers(text: str) -> list[int]:
    """The keyframes that whole lines tell."""
    return [int(number) for number in re.findall(r"^keyframe (\d+)\n", text, re.MULTILINE)]


def _environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def _main() -> None:
    from perception.cli import main

    add_keyframe = MapFolder.add_keyframe

    def told(folder: MapFolder, keyframe: Keyframe) -> None:
        add_keyframe(folder, keyframe)
        sys.stdout.write(f"keyframe {keyframe.keyframe_id}\n")
        sys.stdout.flush()

    MapFolder.add_keyframe = told  # type: ignore[method-assign,assignment]
    main()


if __name__ == "__main__":
    _main()
