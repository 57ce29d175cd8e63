"""`sensor_msgs/CameraInfo` without ROS, and what follows from it: the camera model, rectified images, crops.

The image is rectified along the camera's own axes, to a pinhole with the same focal lengths: `R` and `P`, which turn
the images of a stereo pair towards each other, are not used.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from perception.core.cameras import NUM_COEFFICIENTS, CameraModel, Distortion
from perception.core.errors import InvalidInput
from perception.core.types import ImageFrame

MODELS: dict[str, Distortion] = {
    "": "none",
    "none": "none",
    "plumb_bob": "plumb_bob",
    "rational_polynomial": "rational_polynomial",
    "equidistant": "equidistant",
    "fisheye": "equidistant",
}
MAX_SIDE = 32_000  # px; the maps of OpenCV hold 16 bits
CALIBRATE = "run camera_calibration and give the result to the driver (camera_info_url)"


def camera_from(msg: Any) -> CameraModel:
    """The model of the images that a CameraInfo belongs to: of the full sensor, cut to its ROI, then binned.

    Raises `InvalidInput` for a camera that is not calibrated (K is zero), an unknown distortion model, or numbers
    that make no camera.
    """
    K, D = (np.array(getattr(msg, name, getattr(msg, name.upper(), ())), dtype=np.float64) for name in "kd")
    if K.size != 9 or not np.isfinite(K).all() or not np.isfinite(D).all():
        raise InvalidInput(f"K, D: {K.tolist()}, {D.tolist()}; expected 9 numbers and coefficients, all finite")
    if not K.any():
        raise InvalidInput(f"K: is zero: the camera is not calibrated; {CALIBRATE}")
    distortion, D = _distortion(str(msg.distortion_model), D)
    pinhole = np.array([[K[0], 0.0, K[2]], [0.0, K[4], K[5]], [0.0, 0.0, 1.0]])  # a skew is none of CameraInfo's
    full = CameraModel(int(msg.width), int(msg.height), pinhole, distortion, D)
    roi = msg.roi
    if roi.width and roi.height:
        full = crop_camera(full, (int(roi.x_offset), int(roi.y_offset), int(roi.width), int(roi.height)))
    return _binned(full, max(1, int(msg.binning_x)), max(1, int(msg.binning_y)))


class CameraInfos:
    """The newest model of one camera: made anew only when the numbers change, so that what is made of it is kept."""

    def __init__(self) -> None:
        self.camera: CameraModel | None = None  # None: nothing heard, or not calibrated
        self.refusal = ""  # why the newest message gives no model
        self._key: tuple[Any, ...] | None = None

    def take(self, msg: Any) -> None:
        """Take a CameraInfo. Raises `InvalidInput` once for each that gives no model; the camera has none then."""
        key = _key(msg)
        if key == self._key:
            return
        self._key, self.camera, self.refusal = key, None, ""
        try:
            self.camera = camera_from(msg)
        except InvalidInput as error:
            self.refusal = str(error)
            raise


class Rectifier:
    """Takes the distortion out of the images of one camera: `rectified` is the pinhole that sees the result.

    Given none, it has the size and the focal lengths of `camera`; its optical axis is that of `camera` in any case.
    """

    def __init__(self, camera: CameraModel, rectified: CameraModel | None = None) -> None:
        self.camera = camera
        self.rectified = pinhole(camera) if rectified is None else rectified
        if max(camera.width, camera.height, self.rectified.width, self.rectified.height) > MAX_SIDE:
            raise InvalidInput(
                f"camera: {camera.width}x{camera.height} px; more than {MAX_SIDE} on a side cannot be rectified: lower "
                f"the resolution or set camera.rectify=false"
            )
        if self.rectified.distortion != "none":
            raise InvalidInput(f"rectified: has the distortion {self.rectified.distortion!r}; expected none")
        self._maps: dict[bool, tuple[np.ndarray, np.ndarray]] = {}

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """The image as `rectified` sees it; black, or NaN for depth, where the camera saw nothing.

        Colours and grey are interpolated, depth is that of the nearest pixel. An image that stays as it is, is given
        back itself. Raises `InvalidInput` for one of another size.
        """
        if pixels.shape[1::-1] != (self.camera.width, self.camera.height):
            raise InvalidInput(
                f"pixels: {pixels.shape[1]}x{pixels.shape[0]}, but the camera is "
                f"{self.camera.width}x{self.camera.height}; give the calibration of this resolution"
            )
        if same_camera(self.camera, self.rectified):
            return pixels
        import cv2

        is_depth = pixels.dtype == np.float32
        how = cv2.INTER_NEAREST if is_depth else cv2.INTER_LINEAR
        out = cv2.remap(pixels, *self._map(is_depth), how, borderValue=np.nan if is_depth else 0)
        out.flags.writeable = False
        return out

    def frame(self, frame: ImageFrame) -> ImageFrame:
        """The rectified frame with its camera."""
        return replace(frame, pixels=self.apply(frame.pixels), camera=self.rectified)

    def _map(self, is_depth: bool) -> tuple[np.ndarray, np.ndarray]:
        """Where each pixel of the result lies in the image, in OpenCV's fixed-point form; made once."""
        if is_depth not in self._maps:
            import cv2

            maps = [
                np.nan_to_num(m.clip(-MAX_SIDE, MAX_SIDE), nan=-MAX_SIDE)
                for m in pixel_maps(self.camera, self.rectified)
            ]
            self._maps[is_depth] = cv2.convertMaps(*maps, cv2.CV_16SC2, nninterpolation=is_depth)
        return self._maps[is_depth]


def pinhole(camera: CameraModel) -> CameraModel:
    """The camera without its distortion."""
    return camera if camera.distortion == "none" else replace(camera, distortion="none", D=np.zeros(0))


def same_camera(one: CameraModel, other: CameraModel) -> bool:
    """True where both see the same."""
    sizes, lenses = [(c.width, c.height) for c in (one, other)], [c.distortion for c in (one, other)]
    is_alike = sizes[0] == sizes[1] and lenses[0] == lenses[1]
    return is_alike and np.array_equal(one.K, other.K) and np.array_equal(one.D, other.D)


def pixel_maps(camera: CameraModel, rectified: CameraModel) -> tuple[np.ndarray, np.ndarray]:
    """Columns and rows (H, W) float32 in the image of `camera` of the pixels of the pinhole `rectified`."""
    import cv2

    size, kind, axes = (rectified.width, rectified.height), cv2.CV_32FC1, np.eye(3)
    if camera.distortion == "equidistant":
        return cv2.fisheye.initUndistortRectifyMap(camera.K, camera.D, axes, rectified.K, size, kind)
    return cv2.initUndistortRectifyMap(camera.K, camera.D, axes, rectified.K, size, kind)


def crop_camera(camera: CameraModel, window: Sequence[int]) -> CameraModel:
    """The camera of the part `window` (left, top, width, height; px) of its images. Raises `InvalidInput`."""
    left, top, width, height = _checked(window, camera.width, camera.height)
    K = camera.K.copy()
    K[:2, 2] -= left, top
    return replace(camera, width=width, height=height, K=K)


def crop_frame(frame: ImageFrame, window: Sequence[int]) -> ImageFrame:
    """The part `window` (left, top, width, height; px) of an image, copied. Raises `InvalidInput`."""
    full_height, full_width = frame.pixels.shape[:2]
    left, top, width, height = _checked(window, full_width, full_height)
    pixels = frame.pixels[top : top + height, left : left + width].copy()
    pixels.flags.writeable = False
    return replace(frame, pixels=pixels, camera=None if frame.camera is None else crop_camera(frame.camera, window))


def _checked(window: Sequence[int], full_width: int, full_height: int) -> tuple[int, int, int, int]:
    left, top, width, height = window
    if left < 0 or top < 0 or width < 1 or height < 1 or left + width > full_width or top + height > full_height:
        raise InvalidInput(
            f"window: {width}x{height} at ({left}, {top}) is no part of an image of {full_width}x{full_height}"
        )
    return left, top, width, height


def _distortion(name: str, D: np.ndarray) -> tuple[Distortion, np.ndarray]:
    """Model and coefficients; zeros are no distortion, and trailing zeros may be left out or added."""
    if name not in MODELS:
        known = ", ".join(model for model in MODELS if model)
        raise InvalidInput(f"distortion_model: {name!r} is unknown; calibrate the camera with one of {known}")
    if not D.any():
        return "none", np.zeros(0)
    count = NUM_COEFFICIENTS[MODELS[name]]
    if D[count:].any():
        raise InvalidInput(f"D: {name!r} has {count} coefficients, got {D.tolist()}; name the model they belong to")
    return MODELS[name], np.pad(D[:count], (0, max(0, count - D.size)))


def _binned(camera: CameraModel, across: int, down: int) -> CameraModel:
    """The camera whose pixels are the means of `across` x `down` pixels. Pixel (0, 0) is the middle of the first."""
    if across == down == 1:
        return camera
    K = camera.K.copy()
    K[0] /= across
    K[1] /= down
    K[0, 2] += 0.5 / across - 0.5
    K[1, 2] += 0.5 / down - 0.5
    return replace(camera, width=camera.width // across, height=camera.height // down, K=K)


def _key(msg: Any) -> tuple[Any, ...]:
    """All that a model is made of."""
    numbers = (bytes(np.asarray(getattr(msg, n, getattr(msg, n.upper(), ())), dtype=np.float64)) for n in "kd")
    roi = msg.roi
    cut = (roi.x_offset, roi.y_offset, roi.width, roi.height, msg.binning_x, msg.binning_y)
    return (msg.width, msg.height, msg.distortion_model, *numbers, *cut)
