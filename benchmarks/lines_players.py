"""Starts our detectors and the peers as processes that take turns (`lines_turns`), and asks them."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.environment import python_with_peers
from benchmarks.jobs import ROOT, SHOWN_ERROR, JobFailed, cores, environment
from benchmarks.lines_turns import write_images
from benchmarks.result import Result

REQUIREMENTS = "bench-lines"
OURS, PEERS = "benchmarks.lines_ours", "benchmarks.lines_peers"
STOP_SECONDS = 20.0


class Player:
    """One such process. Raises `JobFailed` where it ends or cannot answer."""

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self.command, self._folder = command, folder
        self._errors = (folder / "errors").open("w+", encoding="utf-8")
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.problems: dict[str, str] = self._answer()  # by method; empty: none

    @property
    def usable(self) -> list[str]:
        """Methods without a problem."""
        return [name for name, problem in self.problems.items() if not problem]

    def seconds(self, name: str) -> list[float]:
        """Seconds of each image, once."""
        found: list[float] = self._ask("time", name)
        return found

    def found(self, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
        """Segments and scores of each image."""
        file = self._folder / "found.npz"
        num = self._ask("find", name, str(file))
        with np.load(file, allow_pickle=False) as arrays:
            return [(arrays[f"segments_{row}"], arrays[f"scores_{row}"]) for row in range(num)]

    def close(self) -> None:
        """End the process; it ends by itself where its input does."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self._errors.close()

    def _ask(self, *words: str) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write("\t".join(words) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if line:
            return json.loads(line)
        code = self.process.wait()
        self._errors.seek(0)
        said = " ".join(self._errors.read().split())[-SHOWN_ERROR:]
        raise JobFailed(f"{' '.join(self.command[1:3])}: exit code {code}: {said}")


@contextmanager
def players(result: Result, data: str, images: Sequence[np.ndarray]) -> Iterator[list[Player]]:
    """Our process and that of the peers, for these images, on the last core; what is not there is said in a row."""
    with tempfile.TemporaryDirectory(prefix="bench-lines") as folder, ExitStack() as stack:
        source = Path(folder) / "images.npz"
        write_images(source, images)
        found = [_started(stack, sys.executable, OURS, source)]
        try:
            found.append(_started(stack, python_with_peers(REQUIREMENTS), PEERS, source))
        except (JobFailed, OSError) as error:
            result.add("peers", data, "all", None, f"not measured: {error}")
        for player in found:
            for name, problem in player.problems.items():
                if problem:
                    result.add(name, data, "all", None, f"not measured: {problem}")
        yield found


def _started(stack: ExitStack, python: str, module: str, source: Path) -> Player:
    folder = source.parent / module
    folder.mkdir()
    player = Player([python, "-m", module, str(source), str(cores()[-1])], folder)
    stack.callback(player.close)
    return player
