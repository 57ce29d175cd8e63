"""The 20 re-annotated photos of the Wireframe set and what the published LSDNet gave for them, from `../shared`."""

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.jobs import ROOT

if TYPE_CHECKING:
    from perception.evaluation.lines import ImageLines

PARITY = ROOT.parent / "shared" / "parity"
FIXTURE, PHOTOS = PARITY / "lsdnet.npz", PARITY / "lsdnet_tiny20.npz"
SIDE = 288  # px, of the network
MISSING = "not measured: ../shared/parity/{} is not there"


@cache
def stored(name: str = FIXTURE.name) -> dict[str, np.ndarray]:
    """The arrays of a fixture."""
    with np.load(PARITY / name, allow_pickle=False) as file:
        return dict(file)


@cache
def names() -> tuple[str, ...]:
    """Of the photos."""
    return tuple(key[3:] for key in stored(PHOTOS.name) if key.startswith("gt_"))


@cache
def photos() -> tuple[np.ndarray, ...]:
    """The photos (H, W, 3) uint8, RGB as the files have it: red and blue are exchanged in them, as in the origin."""
    import cv2

    decoded = [cv2.imdecode(stored(PHOTOS.name)[f"jpg_{name}"], cv2.IMREAD_COLOR) for name in names()]
    return tuple(np.ascontiguousarray(photo[..., ::-1]) for photo in decoded)


def judged(found: Iterable[tuple[np.ndarray, np.ndarray]]) -> "list[ImageLines]":
    """What was found in each photo, segments (N, 4) px and scores (N,), beside what is there."""
    from perception.evaluation.lines import ImageLines

    return [
        ImageLines(
            name,
            (photo.shape[1], photo.shape[0]),
            stored(PHOTOS.name)[f"gt_{name}"],
            segments.reshape(-1, 4).astype(np.float32),
            scores.astype(np.float32),
        )
        for name, photo, (segments, scores) in zip(names(), photos(), found, strict=True)
    ]


def published(is_whole: bool) -> list[tuple[np.ndarray, np.ndarray]]:
    """What the published program found: as floats, or as the whole numbers that it prints."""
    rows = [stored(PHOTOS.name)[f"pred_{name}"] for name in names()]
    return [
        (in_photo(row[:, :4], photo.shape, is_whole=is_whole), row[:, 4])
        for row, photo in zip(rows, photos(), strict=True)
    ]


def in_photo(segments: np.ndarray, shape: tuple[int, ...], is_whole: bool = False) -> np.ndarray:
    """Segments (N, 4) of the network's map in px of a photo as the published program scales them."""
    scale = np.array([shape[1], shape[0]] * 2) / SIDE
    return np.trunc(np.trunc(segments) * scale) if is_whole else segments * scale
