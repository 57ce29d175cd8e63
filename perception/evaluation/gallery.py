"""Pictures with captions as HTML that needs no other file, for the pages of evaluations."""

from base64 import b64encode
from collections.abc import Iterable
from html import escape

import numpy as np

QUALITY = 80  # of JPEG
MIN_WIDTH = 150  # px


def figure(picture: np.ndarray, caption: str, small: str = "") -> str:
    """A picture (H, W, 3) uint8 RGB above its caption; `small` is a second line."""
    source = b64encode(_jpeg(picture)).decode("ascii")
    said = escape(caption)
    return (
        f'<figure><img alt="{said}" src="data:image/jpeg;base64,{source}">'
        f"<figcaption>{said}<br><small>{escape(small)}</small></figcaption></figure>"
    )


def gallery(figures: Iterable[str], min_width: int = MIN_WIDTH) -> str:
    """Figures beside each other, each at least `min_width` px wide on the screen."""
    columns = f"grid-template-columns:repeat(auto-fill,minmax(min(100%,{min_width}px),1fr))"
    return f'<div class="gallery" style="{columns}">{"".join(figures)}</div>'


def _jpeg(picture: np.ndarray) -> bytes:
    import cv2

    bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1])
