"""Draws `images/contact_sheet.jpg`: random images of generated worlds, by day, dusk, night, rain and fog.

    python -m docs.contact_sheet [--seed N]

Which worlds, cameras and moments are shown follows from the seed alone; nothing is picked by hand.
"""

import argparse
from pathlib import Path

import numpy as np

from perception.world.config import CameraConfig, Route, Weather, WorldConfig
from perception.world.recording import SyntheticRecording
from perception.world.sensors.cameras import FRONT

TARGET = Path(__file__).parent / "images" / "contact_sheet.jpg"
WORLDS: tuple[tuple[Route, Weather], ...] = (
    ("town", "day"),
    ("district", "dusk"),
    ("office", "day"),
    ("town", "night"),
    ("campus", "rain"),
    ("district", "fog"),
    ("campus", "day"),
    ("district", "rain"),
)
WIDE_PER_WORLD, FRONT_PER_WORLD = 2, 1  # images of 704x256 and of 640x480
COLUMNS = 4
TILE_WIDTH = 480  # px
DURATION = 60.0  # s
QUALITY = 90


def pictures(route: Route, weather: Weather, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Wide images and images of the front camera of one world."""
    cameras = CameraConfig(num_surround=6, has_front=True)
    seed = int(rng.integers(1000))
    recording = SyntheticRecording(
        WorldConfig(seed=seed, route=route, weather=weather, duration=DURATION, cameras=cameras)
    )
    surround = [camera for camera in recording.cameras if camera.name != FRONT[0]]
    front = [camera for camera in recording.cameras if camera.name == FRONT[0]]
    chosen = [surround[k] for k in rng.choice(len(surround), size=WIDE_PER_WORLD, replace=False)]
    numbers = rng.integers(30, recording.num_pictures, size=WIDE_PER_WORLD + FRONT_PER_WORLD)
    shots = [recording.exposure(c, int(n)) for c, n in zip(chosen + front * FRONT_PER_WORLD, numbers, strict=True)]
    images = [recording.renderer.render(shot).color for shot in shots]
    return images[:WIDE_PER_WORLD], images[WIDE_PER_WORLD:]


def sheet(wide: list[np.ndarray], high: list[np.ndarray]) -> np.ndarray:
    """Rows of `COLUMNS` images each, those of one kind together."""
    rows = [kind[i : i + COLUMNS] for kind in (wide, high) for i in range(0, len(kind), COLUMNS)]
    return np.concatenate([np.concatenate([_tile(image) for image in row], axis=1) for row in rows])


def _tile(image: np.ndarray) -> np.ndarray:
    import cv2

    height = round(image.shape[0] * TILE_WIDTH / image.shape[1])
    return cv2.resize(image, (TILE_WIDTH, height), interpolation=cv2.INTER_AREA)


def main() -> None:
    """Render the sheet."""
    import cv2

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", type=Path, default=TARGET)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    wide: list[np.ndarray] = []
    high: list[np.ndarray] = []
    for route, weather in WORLDS:
        images = pictures(route, weather, rng)
        wide += images[0]
        high += images[1]
    image = sheet(wide, high)
    cv2.imwrite(str(options.target), image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])


if __name__ == "__main__":
    main()
