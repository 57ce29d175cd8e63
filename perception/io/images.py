"""`sensor_msgs/Image` and `CompressedImage` without ROS: messages of rclpy and of rosbags have the same attributes.

`image_from` checks a message and gives an `ImageFrame`. The conversions are those of rosbags-image and OpenCV; the
checks are ours, for both believe what a message says about its size. rgb8, mono8 and sound 32FC1 images stay views of
the message; every other encoding is written once.
"""

import sys
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from perception.core.cameras import CameraModel
from perception.core.errors import InvalidInput
from perception.core.stamps import stamp_from_ros
from perception.core.types import ImageFrame
from perception.io.cloud_layout import message_bytes
from perception.io.image_files import decode_file

MM = np.float32(1e-3)  # m; the unit of 16UC1
DEPTH_HEADER = np.dtype([("kind", "<i4"), ("a", "<f4"), ("b", "<f4")])  # in front of the file of compressedDepth
DEPTHS = ("16UC1", "32FC1")
BAYER = ("rggb", "bggr", "gbrg", "grbg")


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the pixels of one encoding lie in a row, and what they are."""

    dtype: str  # of NumPy, without the byte order
    channels: int  # values per pixel of a row
    meaning: str  # encoding of rosbags-image for the same pixels with 8 bits; "depth" for depth
    row_pixels: int = 1  # a row is a multiple of so many pixels
    rows_per_pair: int = 2  # rows of data for two rows of the image


ENCODINGS = {
    "mono8": Encoding("u1", 1, "mono8"),
    "8UC1": Encoding("u1", 1, "mono8"),
    "mono16": Encoding("u2", 1, "mono8"),
    **{f"{order}8": Encoding("u1", len(order), f"{order}8") for order in ("rgb", "bgr", "rgba", "bgra")},
    **{f"{order}16": Encoding("u2", len(order), f"{order}8") for order in ("rgb", "bgr", "rgba", "bgra")},
    "8UC3": Encoding("u1", 3, "bgr8"),  # OpenCV's order, which names no colours; so does cv_bridge read it
    "8UC4": Encoding("u1", 4, "bgra8"),
    **{f"bayer_{tile}8": Encoding("u1", 1, f"bayer_{tile}8") for tile in BAYER},
    **{f"bayer_{tile}16": Encoding("u2", 1, f"bayer_{tile}8") for tile in BAYER},
    **dict.fromkeys(("yuv422", "uyvy"), Encoding("u1", 2, "uyvy", row_pixels=2)),
    **dict.fromkeys(("yuv422_yuy2", "yuyv"), Encoding("u1", 2, "yuyv", row_pixels=2)),
    "nv12": Encoding("u1", 1, "nv12", row_pixels=2, rows_per_pair=3),
    "nv21": Encoding("u1", 1, "nv21", row_pixels=2, rows_per_pair=3),
    "16UC1": Encoding("u2", 1, "depth"),
    "32FC1": Encoding("f4", 1, "depth"),
}


def image_from(msg: Any, max_pixels: int, camera: CameraModel | None = None) -> ImageFrame:
    """The image of a message; colours as RGB, 16 bit grey and colours as 8 bit, depth in metres with NaN for none.

    A message with the attribute `format` is a CompressedImage. Nothing larger than `max_pixels` is decoded. Raises
    `InvalidInput` naming field, value and remedy; also when `camera` is of another size.
    """
    stamp_ns = image_stamp(msg)
    pixels = _compressed(msg, max_pixels) if hasattr(msg, "format") else _raw(msg, max_pixels)
    pixels.flags.writeable = False  # frames are handed on by reference
    return ImageFrame(stamp_ns, str(msg.header.frame_id).lstrip("/"), pixels, camera)


@dataclass(frozen=True, slots=True, eq=False)
class PendingImage:
    """An image message that waits to be decoded, for which it needs far less memory."""

    stamp_ns: int
    message: Any
    camera: CameraModel | None
    max_pixels: int

    @property
    def frame_id(self) -> str:
        """The optical frame."""
        return str(self.message.header.frame_id).lstrip("/")

    @property
    def is_depth(self) -> bool:
        """True where the pixels will be depths."""
        form = self.message.format if hasattr(self.message, "format") else self.message.encoding
        return str(form).startswith(DEPTHS)

    @property
    def num_bytes(self) -> int:
        """Size of the message."""
        return len(self.message.data)

    def decode(self) -> ImageFrame:
        """The image. Raises `InvalidInput`."""
        return image_from(self.message, self.max_pixels, self.camera)


def image_stamp(msg: Any) -> int:
    """Stamp (ns) of a message. Raises `InvalidInput`."""
    return stamp_from_ros(msg.header.stamp.sec, msg.header.stamp.nanosec)


def depth_from(values: np.ndarray) -> np.ndarray:
    """Depth (H, W) float32 m from uint16 mm or float32 m. What is not positive and finite becomes NaN (REP-118)."""
    if values.dtype != np.float32:
        depth = values * MM
        depth[values == 0] = np.nan
        return depth
    with np.errstate(invalid="ignore"):
        is_wrong = (values <= 0.0) | (values == np.inf)
    return np.where(is_wrong, np.float32(np.nan), values) if is_wrong.any() else values


def _raw(msg: Any, max_pixels: int) -> np.ndarray:
    encoding = ENCODINGS.get(str(msg.encoding))
    if encoding is None:
        raise InvalidInput(f"encoding: {str(msg.encoding)!r} is not supported; set the driver to one of {_known()}")
    values = _values(msg, encoding, max_pixels)
    return depth_from(values) if encoding.meaning == "depth" else _converted(values, encoding.meaning)


def _values(msg: Any, encoding: Encoding, max_pixels: int) -> np.ndarray:
    """The values of all rows (H, W[, C]) in native byte order, C-contiguous; a view where they already are so."""
    width, height, step = int(msg.width), int(msg.height), int(msg.step)
    _check_size(width, height, encoding, max_pixels)
    item = np.dtype(encoding.dtype).itemsize
    row_bytes = width * encoding.channels * item
    if step < row_bytes:
        raise InvalidInput(
            f"step: {step} bytes is less than a row of {width} pixels of {msg.encoding} ({row_bytes} bytes); "
            f"fix the driver"
        )
    rows = height * encoding.rows_per_pair // 2
    data = message_bytes(msg.data)
    if len(data) < step * rows:
        raise InvalidInput(
            f"data: {len(data)} bytes, but {height} rows of {msg.encoding} with a step of {step} are {step * rows}; "
            f"the message was cut or its driver is wrong"
        )
    order = ">" if msg.is_bigendian else "<"
    shape = (rows, width) if encoding.channels == 1 else (rows, width, encoding.channels)
    strides = (step, item) if encoding.channels == 1 else (step, encoding.channels * item, item)
    values = np.ndarray(shape, order + encoding.dtype, buffer=data, strides=strides)
    return np.require(values, encoding.dtype, ["C", "A"])


def _check_size(width: int, height: int, encoding: Encoding, max_pixels: int) -> None:
    if width < 1 or height < 1:
        raise InvalidInput(f"width x height: {width} x {height} pixels is empty; fix the driver")
    if width * height > max_pixels:
        raise InvalidInput(
            f"width x height: {width} x {height} pixels; expected at most {max_pixels}: lower the resolution or raise "
            f"input.max_image_pixels"
        )
    if width % encoding.row_pixels or height * encoding.rows_per_pair % 2:
        raise InvalidInput(f"width x height: {width} x {height}; images with half the colours have even sizes")


def _converted(values: np.ndarray, meaning: str) -> np.ndarray:
    """Grey (H, W) or RGB (H, W, 3) uint8 of values with the encoding `meaning`; 16 bits are scaled to 8 first."""
    import cv2

    if values.dtype == np.uint16:
        values = cv2.convertScaleAbs(values, alpha=1.0 / 257.0)
    if meaning in ("mono8", "rgb8"):
        return values
    from rosbags.image import image_to_cvimage

    plain = _Plain(meaning, values.shape[0], values.shape[1], sys.byteorder == "big", values)
    return image_to_cvimage(plain, "rgb8")


class _Plain(NamedTuple):
    """What rosbags-image reads of a message."""

    encoding: str
    height: int
    width: int
    is_bigendian: bool
    data: np.ndarray


def _compressed(msg: Any, max_pixels: int) -> np.ndarray:
    """`format` is "jpeg", or "ENCODING; jpeg compressed TARGET", or "ENCODING; compressedDepth [png]"."""
    encoding, _, how = (part.strip() for part in str(msg.format).partition(";"))
    data = message_bytes(msg.data)
    if "compressedDepth" in how:
        return _compressed_depth(encoding, how, data, max_pixels)
    values = decode_file(data, max_pixels)
    if encoding in DEPTHS:
        if encoding == "32FC1" or values.dtype != np.uint16 or values.ndim != 2:
            raise InvalidInput(
                f"format: {str(msg.format)!r} holds {values.dtype.name} values, which are no {encoding}; send depth as "
                f"compressedDepth"
            )
        return depth_from(values)
    is_mosaic = encoding.startswith("bayer_") and values.ndim == 2  # older plugins compress the pattern itself
    if is_mosaic and encoding in ENCODINGS:
        return _converted(values, ENCODINGS[encoding].meaning)
    return _converted(values, "mono8" if values.ndim == 2 else "rgb8")


def _compressed_depth(encoding: str, how: str, data: np.ndarray, max_pixels: int) -> np.ndarray:
    """Depth of `compressed_depth_image_transport`: a header, then a PNG of millimetres or of inverse depth."""
    if how.split()[-1] == "rvl":
        raise InvalidInput("format: compressedDepth as rvl is not supported; set the publisher's format to png")
    if encoding not in DEPTHS:
        raise InvalidInput(f"format: compressedDepth of {encoding!r}; expected 16UC1 or 32FC1")
    if len(data) < DEPTH_HEADER.itemsize:
        raise InvalidInput(f"data: {len(data)} bytes are no compressedDepth, whose header has 12; the message was cut")
    values = decode_file(data[DEPTH_HEADER.itemsize :], max_pixels)
    if values.dtype != np.uint16 or values.ndim != 2:
        raise InvalidInput(f"data: compressedDepth holds {values.dtype.name} {values.shape}; expected 16 bit grey")
    if encoding == "16UC1":
        return depth_from(values)
    header = data[: DEPTH_HEADER.itemsize].view(DEPTH_HEADER)[0]
    return _from_inverse(values, float(header["a"]), float(header["b"]))


def _from_inverse(values: np.ndarray, a: float, b: float) -> np.ndarray:
    """Depth a / (value - b), none for value 0, which is how 32FC1 is put into 16 bits."""
    if not (np.isfinite(a) and np.isfinite(b) and a > 0.0):
        raise InvalidInput(f"data: the quantisation of compressedDepth is a={a:g}, b={b:g}; expected a > 0, finite")
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        depth = np.float32(a) / (values - np.float32(b))
    depth[values == 0] = np.nan
    return depth_from(depth)


def _known() -> str:
    return ", ".join(ENCODINGS)
