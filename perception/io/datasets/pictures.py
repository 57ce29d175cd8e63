"""Image files: JPEG for colour; 16-bit PNG for depth, class, instance and normal of each pixel."""

from pathlib import Path

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import write_atomic
from perception.core.types import check
from perception.io.image_files import decode_file, read_header

JPEG_QUALITY = 92
DEPTH_STEPS = 256.0  # per metre, as the depth maps of KITTI
MAX_STEPS = 65535
NORMAL_STEPS = 32767.0  # of a component of 1; 32768 is 0, so a normal is never (0, 0, 0), which says: none
PNG_COLOR_TYPE, PNG_PALETTE = 25, 3  # place of the type of colour in a PNG, and the type with a palette
MAX_FILE = 200_000_000  # bytes of one image file
MAX_PIXELS = 100_000_000  # of one image


def write_jpeg(path: Path, color: np.ndarray, quality: int = JPEG_QUALITY) -> None:
    """Write an image (H, W, 3) uint8 RGB as JPEG."""
    import cv2

    check("color", color, (None, None, 3), np.uint8)
    _write(path, ".jpg", _swapped(color), [cv2.IMWRITE_JPEG_QUALITY, quality])


def write_depth(path: Path, depth: np.ndarray) -> None:
    """Write depth (H, W) float32, m, as 16-bit PNG: metres times 256, rounded; 0: none (NaN, infinite, not positive).

    Depths are cut at 255.99 m, and those below half a step are written as one step.
    """
    check("depth", depth, (None, None), np.float32)
    is_known = np.isfinite(depth) & (depth > 0.0)
    steps = np.clip(np.where(is_known, depth, 0.0) * np.float32(DEPTH_STEPS) + np.float32(0.5), 0.0, MAX_STEPS)
    _write_png(path, np.where(is_known, np.maximum(steps.astype(np.uint16), 1), 0).astype(np.uint16))


def read_depth(path: Path) -> np.ndarray:
    """Depth (H, W) float32, m, NaN: none, of a 16-bit PNG as `write_depth` and KITTI write it."""
    steps = _read_map(path)
    return np.where(steps > 0, steps.astype(np.float32) / np.float32(DEPTH_STEPS), np.float32(np.nan))


def write_classes(path: Path, classes: np.ndarray) -> None:
    """Write the `Class` (255: not labelled) of each pixel, (H, W) uint8, as 16-bit PNG."""
    check("classes", classes, (None, None), np.uint8)
    _write_png(path, classes.astype(np.uint16))


def read_classes(path: Path) -> np.ndarray:
    """The `Class` of each pixel, (H, W) uint8."""
    classes = _read_map(path)
    if classes.size and int(classes.max()) > np.iinfo(np.uint8).max:
        raise InvalidInput(f"{path}: holds the class {classes.max()}, expected at most 255; is it a map of instances?")
    return classes.astype(np.uint8)


def write_instances(path: Path, instances: np.ndarray) -> None:
    """Write the instance of each pixel, (H, W) int32, 0: none, as 16-bit PNG. Raises `InvalidInput` above 65535."""
    check("instances", instances, (None, None), np.int32)
    if instances.size and not 0 <= int(instances.min()) <= int(instances.max()) <= MAX_STEPS:
        raise InvalidInput(
            f"instances: {instances.min()} to {instances.max()} do not fit 16 bit; number the instances from 1 on"
        )
    _write_png(path, instances.astype(np.uint16))


def read_instances(path: Path) -> np.ndarray:
    """The instance of each pixel, (H, W) int32, 0: none."""
    return _read_map(path).astype(np.int32)


def write_normals(path: Path, normals: np.ndarray) -> None:
    """Write unit normals (H, W, 3) float32, camera axes, as 16-bit RGB PNG: 32768 + 32767 n; (0, 0, 0): none."""
    check("normals", normals, (None, None, 3), np.float32)
    is_known = (normals != 0.0).any(axis=2, keepdims=True)
    steps = np.rint(np.clip(normals, -1.0, 1.0) * np.float32(NORMAL_STEPS)) + (NORMAL_STEPS + 1.0)
    _write_png(path, _swapped(np.where(is_known, steps, 0.0).astype(np.uint16)))


def read_normals(path: Path) -> np.ndarray:
    """Unit normals (H, W, 3) float32 of a PNG that `write_normals` wrote; (0, 0, 0): none."""
    steps = _decoded(path, read_bytes(path))
    if steps.ndim != 3 or steps.dtype != np.uint16:
        raise InvalidInput(f"{path}: expected a 16-bit RGB PNG of normals, got {steps.shape} {steps.dtype}")
    normals = (steps.astype(np.float32) - np.float32(NORMAL_STEPS + 1.0)) / np.float32(NORMAL_STEPS)
    return np.where(steps.any(axis=2, keepdims=True), normals, np.float32(0.0))


def read_color(path: Path) -> np.ndarray:
    """The image (H, W, 3) uint8 RGB of a JPEG, PNG or WebP file; its EXIF orientation is not applied: labels ignore it.

    Raises `InvalidInput` where the file cannot be read, was cut, or holds no colours of 8 bit.
    """
    image = _decoded(path, read_bytes(path))
    if image.dtype != np.uint8:
        raise InvalidInput(f"{path}: expected an image of 8 bit, got {image.dtype.name}; is it a map of labels?")
    return image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)


def read_palette(path: Path) -> np.ndarray:
    """The number of each pixel, (H, W) uint8, in a PNG whose colours are a palette (DAVIS, VOC), or in a grey one.

    OpenCV would look the colours up; the file is decoded as if it were grey, which gives the numbers themselves.
    """
    raw = read_bytes(path)
    if len(raw) <= PNG_COLOR_TYPE or raw[PNG_COLOR_TYPE] != PNG_PALETTE:
        numbers = _decoded(path, raw)
    else:
        bits = int(raw[PNG_COLOR_TYPE - 1])
        numbers = _decoded(path, _as_grey(raw)) // (255 // (2 ** min(bits, 8) - 1))
    if numbers.ndim != 2 or numbers.dtype != np.uint8:
        raise InvalidInput(f"{path}: expected a palette or grey of 8 bit, got {numbers.shape} {numbers.dtype.name}")
    return numbers


def image_size(path: Path) -> tuple[int, int]:
    """Width and height, px, from the header of an image file. Raises `InvalidInput`."""
    try:
        header = read_header(read_bytes(path))
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    return header.width, header.height


def read_bytes(path: Path) -> np.ndarray:
    """The bytes (N,) uint8 of a file. Raises `InvalidInput` where it cannot be read or is beyond all reason."""
    try:
        if (size := path.stat().st_size) > MAX_FILE:
            raise InvalidInput(f"{path}: has {size} bytes, expected at most {MAX_FILE}")
        return np.fromfile(path, dtype=np.uint8)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror})") from None


def _as_grey(raw: np.ndarray) -> np.ndarray:
    """A palette PNG with its header changed to grey, and with nothing else but its pixels."""
    import zlib

    data, parts, at = raw.tobytes(), [raw[:8].tobytes()], 8
    while at + 12 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind, body = data[at + 4 : at + 8], data[at + 8 : end - 4]
        if kind == b"IHDR":
            header = kind + body[:9] + b"\0" + body[10:]  # byte 9 is the type of colour, 0: grey
            parts.append(data[at : at + 4] + header + zlib.crc32(header).to_bytes(4, "big"))
        elif kind in (b"IDAT", b"IEND"):
            parts.append(data[at:end])
        at = end
    return np.frombuffer(b"".join(parts), dtype=np.uint8)


def _write_png(path: Path, image: np.ndarray) -> None:
    _write(path, ".png", image, _png_options())


def _png_options() -> list[int]:
    """Level 4 with Paeth's filter: a tenth smaller than run lengths on maps that are smooth or flat, 2 ms slower.

    OpenCV offers the choice of a filter from version 4.12 on; before it takes one of its own.
    """
    import cv2

    options = [cv2.IMWRITE_PNG_COMPRESSION, 4, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_FILTERED]
    if hasattr(cv2, "IMWRITE_PNG_FILTER"):
        options += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_PAETH]
    return options


def _write(path: Path, suffix: str, image: np.ndarray, options: list[int]) -> None:
    import cv2

    if image.size == 0:
        raise InvalidInput(f"{path}: an image of {image.shape[1]}x{image.shape[0]} px cannot be written")
    _, encoded = cv2.imencode(suffix, image, options)
    write_atomic(Path(path), encoded.tobytes(), is_durable=False)


def _swapped(image: np.ndarray) -> np.ndarray:
    """RGB as BGR, the order of OpenCV."""
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.size else image


def _read_map(path: Path) -> np.ndarray:
    image = _decoded(path, read_bytes(path))
    if image.ndim != 2:
        raise InvalidInput(f"{path}: expected a PNG with one channel, got {image.shape} {image.dtype}")
    return image


def _decoded(path: Path, raw: np.ndarray) -> np.ndarray:
    try:
        return decode_file(raw, MAX_PIXELS)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
