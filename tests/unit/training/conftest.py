"""A tiny data set: grey pictures with coloured rectangles, and the COCO file that says where."""

import json
from pathlib import Path

import numpy as np
import pytest

from perception.io.datasets.pictures import write_jpeg
from perception.training.config import TrainingConfig

COLOURS = {"car": (220, 30, 30), "pedestrian": (30, 30, 220)}
WIDTH, HEIGHT = 96, 64


def write_set(folder: Path, num_pictures: int = 6, seed: int = 0) -> Path:
    rng = np.random.default_rng(seed)
    images, annotations = [], []
    for number in range(1, num_pictures + 1):
        color = np.full((HEIGHT, WIDTH, 3), 90, dtype=np.uint8)
        for category, colour in enumerate(COLOURS.values(), start=1):
            width, height = rng.integers(16, 30, size=2)
            x = int(rng.integers(0, WIDTH // 2 - width) + (category - 1) * WIDTH // 2)
            y = int(rng.integers(0, HEIGHT - height))
            color[y : y + height, x : x + width] = colour
            box = [x, y, int(width), int(height)]
            annotations.append(
                {"id": len(annotations) + 1, "image_id": number, "category_id": category, "bbox": box, "iscrowd": 0}
            )
        name = f"{number:03d}.jpg"
        (folder / "images").mkdir(parents=True, exist_ok=True)
        write_jpeg(folder / "images" / name, color)
        images.append({"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT})
    categories = [{"id": number, "name": name} for number, name in enumerate(COLOURS, start=1)]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "annotations").mkdir(exist_ok=True)
    (folder / "annotations" / "instances.json").write_text(json.dumps(content))
    return folder


@pytest.fixture(scope="session")
def pictures_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_set(tmp_path_factory.mktemp("pictures"))


@pytest.fixture
def tiny() -> TrainingConfig:
    window = {"height": 64, "width": 64, "layout": "crops", "picture_side": 96, "min_scale": 0.8, "max_scale": 1.2}
    return TrainingConfig.model_validate(
        {
            "classes": ("car", "pedestrian"),
            "steps": 6,
            "batch": 4,
            "threads": 1,
            "workers": 1,
            "device": "cpu",
            "record_every": 1,
            "finish_share": 0.34,
            "augment": {**window, "mosaic": 0.5, "focus": 0.3},
            "finish": {**window, "mosaic": 0.0, "width": 96},
            "optimiser": {"kind": "adamw", "learning_rate": 0.002},
        }
    )
