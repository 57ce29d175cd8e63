"""Batches: the same windows whoever asks for them, and in whatever order."""

from pathlib import Path

import numpy as np
import pytest

from perception.training.batches import Batches, Share
from perception.training.config import TrainingConfig
from perception.training.pictures import read_pictures

pytest.importorskip("torch")
from perception.training.loop import parts


def test_batches_ahead_are_those_of_their_steps(pictures_folder: Path, tiny: TrainingConfig) -> None:
    pictures = read_pictures([pictures_folder], tiny.classes)
    batches = Batches(pictures, tiny)
    ahead = list(batches.ahead(2))
    assert len(ahead) == tiny.steps - 2
    for step, batch in enumerate(ahead, start=2):
        assert np.array_equal(batch.images, Batches(pictures, tiny).batch(step).images)
    assert ahead[0].images.shape == (4, 64, 64, 3)
    assert ahead[-1].images.shape == (4, 64, 96, 3)


def test_shares_of_processes_are_the_parts_of_one(pictures_folder: Path, tiny: TrainingConfig) -> None:
    pictures = read_pictures([pictures_folder], tiny.classes)
    whole = parts(Batches(pictures, tiny).batch(1), 2)
    for rank in range(2):
        share = Batches(pictures, tiny, Share(rank, 2)).batch(1)
        for name in ("images", "image_ids", "classes", "boxes", "is_ignored"):
            assert np.array_equal(getattr(share, name), getattr(whole[rank], name)), name


def test_boxes_are_shares_of_the_window(pictures_folder: Path, tiny: TrainingConfig) -> None:
    batch = Batches(read_pictures([pictures_folder], tiny.classes), tiny).batch(0)
    assert len(batch.boxes) == len(batch.classes) == len(batch.image_ids) > 0
    low, high = batch.boxes[:, :2] - batch.boxes[:, 2:] / 2, batch.boxes[:, :2] + batch.boxes[:, 2:] / 2
    assert (low >= -1e-6).all() and (high <= 1 + 1e-6).all()
    assert set(batch.image_ids) <= set(range(4))
