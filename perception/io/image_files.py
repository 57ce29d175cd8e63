"""JPEG, PNG and WebP files in memory: what they hold is read from their headers before OpenCV decodes them.

OpenCV decodes whatever size a header claims and fills up what is cut off; both are refused here.
"""

from dataclasses import dataclass

import numpy as np

from perception.core.errors import InvalidInput

JPEG, PNG, RIFF, WEBP = b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"WEBP"
PNG_END = b"IEND"
JPEG_END = b"\xff\xd9"
SIZES = set(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers of JPEG in front of the size
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers of JPEG without a length
SCAN = 0xDA  # marker of JPEG in front of the pixels
PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 1, 6: 3}  # by colour type; transparency is dropped


@dataclass(frozen=True, slots=True)
class ImageHeader:
    """What a file says about itself."""

    kind: str
    width: int
    height: int
    channels: int  # 1: grey, 3: colour
    bits: int  # per value: 8 or 16
    is_whole: bool  # its end is there


def decode_file(data: np.ndarray, max_pixels: int) -> np.ndarray:
    """Grey (H, W) or RGB (H, W, 3), uint8 or uint16, from the bytes (N,) uint8 of a file.

    Raises `InvalidInput` for any other format, for more than `max_pixels`, and for what is cut or damaged.
    """
    header = read_header(data)
    if header.width * header.height > max_pixels:
        raise InvalidInput(
            f"data: a {header.kind} of {header.width} x {header.height} pixels; expected at most {max_pixels}: lower "
            f"the resolution or raise input.max_image_pixels"
        )
    if not header.is_whole:
        raise InvalidInput(f"data: the {header.kind} has no end after {len(data)} bytes; the message was cut")
    pixels = _decoded(data, header)
    if pixels is None or pixels.shape[:2] != (header.height, header.width):
        raise InvalidInput(f"data: the {header.kind} cannot be decoded; it is damaged or its driver is wrong")
    return pixels


def read_header(data: np.ndarray) -> ImageHeader:
    """Kind, size and depth of a file in memory. Raises `InvalidInput` when it is no sound JPEG, PNG or WebP."""
    raw = bytes(data[:64])
    try:
        if raw.startswith(JPEG):
            return _jpeg(data.tobytes())
        if raw.startswith(PNG):
            return _png(raw, data)
        if raw[:4] == RIFF and raw[8:12] == WEBP:
            return _webp(raw, len(data))
    except IndexError:
        raise InvalidInput(f"data: the header of the image ends after {len(data)} bytes; the message was cut") from None
    raise InvalidInput(
        f"data: begins with {raw[:8].hex() or 'nothing'}, which is no JPEG, PNG or WebP; change `format`"
    )


def _decoded(data: np.ndarray, header: ImageHeader) -> np.ndarray | None:
    import cv2

    flags = cv2.IMREAD_GRAYSCALE if header.channels == 1 else cv2.IMREAD_COLOR_RGB
    if header.bits == 16:
        flags |= cv2.IMREAD_ANYDEPTH
    try:
        return cv2.imdecode(data, flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        return None


def _jpeg(data: bytes) -> ImageHeader:
    """Walk over the segments to the one with the size (ITU T.81, B.2.2)."""
    at, size = 2, None
    while True:
        if data[at] != 0xFF:
            raise InvalidInput(f"data: the JPEG is damaged at byte {at}")
        marker = data[at + 1]
        at += 1 if marker == 0xFF else 2  # any number of 0xFF may stand before a marker
        if marker == 0xFF or marker in ALONE:
            continue
        if marker == SCAN or marker == JPEG_END[1]:
            break
        if marker in SIZES:
            size = at
        at += max(2, _big(data, at, 2))
    if size is None:
        raise InvalidInput("data: the JPEG has pixels and no size; it is damaged")
    bits, height, width, channels = data[size + 2], _big(data, size + 3, 2), _big(data, size + 5, 2), data[size + 7]
    _check("JPEG", width, height, bits in (8,), f"{bits} bits")
    return ImageHeader("JPEG", width, height, 1 if channels == 1 else 3, bits, data.rfind(JPEG_END) > at)


def _png(raw: bytes, data: np.ndarray) -> ImageHeader:
    width, height, bits, color = _big(raw, 16, 4), _big(raw, 20, 4), raw[24], raw[25]
    _check("PNG", width, height, raw[12:16] == b"IHDR" and color in PNG_CHANNELS and bits <= 16, f"{bits} bits")
    is_whole = PNG_END in bytes(data[-64:])
    return ImageHeader("PNG", width, height, PNG_CHANNELS[color], 16 if bits == 16 else 8, is_whole)


def _webp(raw: bytes, length: int) -> ImageHeader:
    """Size in the extended, lossless or lossy form (RFC 9649)."""
    kind, body = raw[12:16], raw[20:]
    match kind:
        case b"VP8X":
            width, height = 1 + _little(body, 4, 3), 1 + _little(body, 7, 3)
        case b"VP8L":
            packed = _little(body, 1, 4)
            width, height = 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"VP8 ":
            width, height = _little(body, 6, 2) & 0x3FFF, _little(body, 8, 2) & 0x3FFF
        case _:
            raise InvalidInput(f"data: the WebP begins with a chunk {kind!r}; it is damaged")
    _check("WebP", width, height, True, "")
    return ImageHeader("WebP", width, height, 3, 8, _little(raw, 4, 4) + 8 <= length)


def _check(kind: str, width: int, height: int, is_known: bool, form: str) -> None:
    if width < 1 or height < 1 or not is_known:
        raise InvalidInput(f"data: a {kind} of {width} x {height} pixels with {form} cannot be read")


def _big(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(_part(data, at, count), "big")


def _little(data: bytes, at: int, count: int) -> int:
    return int.from_bytes(_part(data, at, count), "little")


def _part(data: bytes, at: int, count: int) -> bytes:
    if at + count > len(data):
        raise IndexError
    return data[at : at + count]
