"""What SIGKILL at random moments costs a replay that makes a map: the whole program, from the bag to the folder.

Run as a program it is `perception replay` that says the number of each keyframe once it is safe.
"""

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

from slam.maps.folder import CARD, MapFolder
from slam.maps.keyframe import Keyframe

ROOT = Path(__file__).resolve().parents[1]
IN_A_ROW = 5  # kills of one map before a run may come to its end
MAX_PAUSE = 0.3  # s between a keyframe and the kill
START_TIME = 3.0  # s; one kill in `EARLY` comes while the program starts
EARLY = 10
MOST_KEYFRAMES = 35  # that a run may make before it is killed
PATIENCE = 600.0  # s, for a run that nobody kills


@dataclass(slots=True)
class Kills:
    """What came of them."""

    lost: list[int] = field(default_factory=list)  # by kill: keyframes that were said and are not in the map
    keyframes: list[int] = field(default_factory=list)  # by kill: in the map then
    problems: list[str] = field(default_factory=list)  # of maps after a kill, and of runs that were to resume
    resumed: list[Path] = field(default_factory=list)  # folders of the results of the runs that came to their end


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
