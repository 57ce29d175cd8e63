"""Draws docs/images/map.jpg: what the odometry maps of a generated town, from above. Run: python docs/render_map.py."""

from pathlib import Path

import cv2
import numpy as np

from perception.core.geometry import apply
from perception.core.types import OdometryUpdate, Scan
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.full import FULL
from perception.pipeline.runner import Runner, stream_of
from perception.progress import progress
from perception.world.config import WorldConfig
from perception.world.recording import SyntheticRecording

WORLD = WorldConfig(seed=1, duration=90.0, route="town")
PIXEL = 0.2  # m
HEIGHTS = (-2.0, 10.0)  # m, lowest and highest colour
EVERY = 4  # points


def main() -> None:
    """Replay the town and write the picture."""
    recording = SyntheticRecording(WORLD)
    clouds, path = [], []

    def collect(stream: str, update: OdometryUpdate) -> None:
        if stream == "odometry":
            T_odom_lidar = update.odometry.T_odom_base @ recording.rig.T_base_lidar
            clouds.append(apply(T_odom_lidar, update.points[::EVERY]))
            path.append(update.odometry.T_odom_base[:3, 3])

    runner = Runner(FULL.only(["odometry"]), PerceptionConfig(), recording.rig, collect)
    with progress("map") as update:
        done = 0
        for event in recording.events():
            runner.feed(stream_of(event), event)
            done += isinstance(event, Scan)
            update(done, recording.num_scans)
    image = draw(np.concatenate(clouds), np.array(path))
    cv2.imwrite(str(Path(__file__).parent / "images" / "map.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 85])


def draw(points: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Points (N, 3) from above, coloured by height and darker where few were seen; the path (M, 3) in white."""
    margin = 40.0  # m around the path
    low, high = path[:, :2].min(axis=0) - margin, path[:, :2].max(axis=0) + margin
    points = points[((points[:, :2] > low) & (points[:, :2] < high)).all(axis=1)]
    width, height = np.ceil((high - low) / PIXEL).astype(int)
    column, row = ((points[:, :2] - low) / PIXEL).astype(int).T
    cell = (height - 1 - row.clip(0, height - 1)) * width + column.clip(0, width - 1)
    count = np.bincount(cell, minlength=width * height)
    total = np.bincount(cell, weights=points[:, 2], minlength=width * height)
    level = (total / np.maximum(count, 1) - HEIGHTS[0]) / (HEIGHTS[1] - HEIGHTS[0])
    hue = cv2.applyColorMap((level.clip(0, 1) * 255).astype(np.uint8).reshape(height, width), cv2.COLORMAP_TURBO)
    brightness = (np.log1p(count) / np.log(200.0)).clip(0, 1).reshape(height, width, 1)
    image = (hue * brightness).astype(np.uint8)
    pixels = np.stack([(path[:, 0] - low[0]) / PIXEL, height - 1 - (path[:, 1] - low[1]) / PIXEL], axis=1)
    cv2.polylines(image, [pixels.astype(np.int32).reshape(-1, 1, 2)], False, (255, 255, 255), 2, cv2.LINE_AA)
    return image


if __name__ == "__main__":
    main()
