"""Methods in processes of their own that take turns: each waits for a word, works once over all images, and answers.

So packages that cannot be installed together are timed beside each other on one core, and a machine that slows down
slows all of them. This file needs NumPy alone: it also runs where the peers are.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

Work = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""From an image (H, W, 3) uint8 RGB to segments (N, 4) px and scores (N,)."""


def pin(core: str) -> None:
    """Hold this process, and every thread that it will start, to one core."""
    os.sched_setaffinity(0, {int(core)})


def serve(methods: Mapping[str, Work | str], images: Sequence[np.ndarray]) -> None:
    """Answer on standard output: the seconds of each image for `time NAME`, a file for `find NAME FILE`.

    A method that is a text cannot be used, and that says why. Seconds are CPU time of the process: on one core that is
    the time an idle machine takes, and what other programs take meanwhile does not count.
    """
    answer({name: work if isinstance(work, str) else "" for name, work in methods.items()})
    for line in sys.stdin:
        what, name, *rest = line.rstrip("\n").split("\t")
        work = methods[name]
        assert not isinstance(work, str)
        if what == "time":
            answer(_seconds(work, images))
        else:
            found = [work(image) for image in images]
            arrays = {f"segments_{row}": segments for row, (segments, _) in enumerate(found)}
            np.savez(rest[0], **arrays, **{f"scores_{row}": scores for row, (_, scores) in enumerate(found)})
            answer(len(found))


def answer(value: object) -> None:
    """One line of JSON."""
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()


def _seconds(work: Work, images: Sequence[np.ndarray]) -> list[float]:
    seconds = []
    for image in images:
        start = time.process_time()
        work(image)
        seconds.append(time.process_time() - start)
    return seconds


def read_images(source: str) -> list[np.ndarray]:
    """Images that `write_images` wrote."""
    with np.load(source, allow_pickle=False) as file:
        return [file[f"image_{row}"] for row in range(len(file.files))]


def write_images(path: Path, images: Sequence[np.ndarray]) -> None:
    """Write images for the processes."""
    np.savez(path, **{f"image_{row}": image for row, image in enumerate(images)})
