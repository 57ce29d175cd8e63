"""A recording as one HTML page: a scrubber over moments, the images with their boxes, and the view from above."""

import base64
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from perception.core.colours import colour_of
from perception.core.files import write_atomic
from perception.core.stamps import NS_PER_S
from perception.core.trajectory import Trajectory
from perception.view.moments import ImageBox, Moment, SpaceBox

TEMPLATES = Path(__file__).parent / "templates"
IMAGE_WIDTH = 480  # px, of images on the page
PAGE_QUALITY = 75  # of their JPEG
TOP_REACH = 50.0  # m, seen from above
TOP_POINTS = 2500  # of a cloud
TOP_HEIGHT = (0.25, 4.0)  # m above the base: neither the ground nor crowns
PATH_POINTS = 1500
CM = 100.0


def write_page(path: Path, title: str, moments: Iterable[Moment], reference: Trajectory | None) -> int:
    """Write the page and return the number of its moments. It needs neither network nor other files."""
    from jinja2 import Environment, FileSystemLoader

    shown = [_moment(moment) for moment in moments]
    start_ns = shown[0]["t"] if shown else 0
    for entry in shown:
        entry["t"] = (entry["t"] - start_ns) / NS_PER_S
    data = {"moments": shown, "path": _path(reference), "reach": TOP_REACH}
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, auto_reload=False)
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")  # stays inside its element
    write_atomic(path, environment.get_template("view.html").render(title=title, data=text))
    return len(shown)


def _moment(moment: Moment) -> dict[str, Any]:
    return {
        "t": moment.time_ns,
        "images": {camera: _image(data, moment.image_boxes.get(camera, [])) for camera, data in moment.images.items()},
        "points": _top(moment.points),
        "boxes": [_from_above(box) for box in moment.boxes],
        "pose": None if moment.T_odom_base is None else _planar(moment.T_odom_base),
    }


def _image(data: bytes, boxes: list[ImageBox]) -> dict[str, Any]:
    """The image made small enough for a page, and its boxes in its own pixels."""
    import cv2

    pixels = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), cv2.IMREAD_COLOR) if data else None
    if pixels is None:
        return {"src": "", "w": 1, "h": 1, "boxes": []}
    scale = min(1.0, IMAGE_WIDTH / pixels.shape[1])
    small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1.0 else pixels
    jpeg = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, PAGE_QUALITY])[1].tobytes()
    return {
        "src": "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii"),
        "w": small.shape[1],
        "h": small.shape[0],
        "boxes": [
            [box.label, box.identity, _css(box.label), *(round(value * scale, 1) for value in box.extent)]
            for box in boxes
        ],
    }


def _top(points: np.ndarray) -> list[int]:
    """x, y, x, y, ... in whole centimetres of a share of the points near the robot."""
    low, high = TOP_HEIGHT
    is_near = (np.abs(points[:, :2]) < TOP_REACH).all(axis=1) & (points[:, 2] > low) & (points[:, 2] < high)
    near = points[is_near, :2]
    near = near[:: max(1, len(near) // TOP_POINTS)]
    return np.rint(near * CM).astype(int).ravel().tolist()


def _from_above(box: SpaceBox) -> list[Any]:
    x, y, _, length, width, _, yaw = box.pose
    return [box.label, box.identity, _css(box.label), *(round(float(value), 2) for value in (x, y, length, width, yaw))]


def _planar(T: np.ndarray) -> list[float]:
    return [round(float(value), 3) for value in (T[0, 3], T[1, 3], np.arctan2(T[1, 0], T[0, 0]))]


def _path(reference: Trajectory | None) -> list[list[float]]:
    if reference is None:
        return []
    every = max(1, len(reference) // PATH_POINTS)
    return np.round(reference.poses[::every, :2, 3], 2).tolist()


def _css(label: str) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour_of(label))
