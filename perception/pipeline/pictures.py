"""Where images with what was found drawn on them go: JPEG files for images, a video for each video and each camera."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.core.stamps import NS_PER_S
from perception.io.datasets.pictures import write_jpeg
from perception.io.image_sources import ImageSource

if TYPE_CHECKING:
    from perception.pipeline.search import Drawable

FOLDER = "annotated"
DEFAULT_RATE = 10.0  # Hz, of a video whose images tell no times
RATES = (1.0, 240.0)  # Hz, what players show
JPEG = (".jpg", ".jpeg")
CODEC, SUFFIX = "mp4v", ".mp4"


class PictureWriter:
    """Writes the drawn images of one source below `folder`."""

    def __init__(self, folder: Path, source: ImageSource) -> None:
        self.folder, self.source = folder, source
        self.num_written = 0
        self._videos: dict[str, _Video] = {}

    def add(self, name: str, image: "Drawable") -> None:
        """Draw one image. Raises `InvalidInput` where a video cannot be written."""
        pixels = image.draw().pixels
        self.num_written += 1
        if self.source.kind == "images":
            write_jpeg(inside(self.folder, name if name.lower().endswith(JPEG) else f"{name}.jpg"), pixels)
            return
        stem = self.source.path.stem + ("" if self.source.kind == "video" else f"_{image.frame_id.replace('/', '_')}")
        if image.frame_id not in self._videos:
            self._videos[image.frame_id] = _Video(inside(self.folder, stem + SUFFIX), self.source.rate)
        self._videos[image.frame_id].add(image.stamp_ns, pixels)

    def close(self) -> None:
        """Finish the videos."""
        for video in self._videos.values():
            video.close()


class _Video:
    """A video whose rate follows from the stamps of its first two images where it is not known."""

    def __init__(self, path: Path, rate: float) -> None:
        self.path, self.rate = path, rate
        self._size: tuple[int, int] | None = None
        self._first: tuple[int, np.ndarray] | None = None
        self._writer: Any = None

    def add(self, stamp_ns: int, pixels: np.ndarray) -> None:
        """Append an image; one of another size than the first is scaled."""
        if self._writer is not None:
            self._write(pixels)
        elif self._first is None and not self.rate:
            self._first = stamp_ns, pixels
        else:
            self._open(stamp_ns, pixels)
            self._write(pixels)

    def close(self) -> None:
        """Finish the file."""
        if self._writer is None and self._first is not None:
            self._open(*self._first)
        if self._writer is not None:
            self._writer.release()

    def _open(self, stamp_ns: int, pixels: np.ndarray) -> None:
        import cv2

        step_ns = stamp_ns - self._first[0] if self._first is not None else 0
        rate = self.rate or (NS_PER_S / step_ns if step_ns > 0 else DEFAULT_RATE)
        self._size = pixels.shape[1], pixels.shape[0]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._writer = cv2.VideoWriter(
            str(self.path), cv2.VideoWriter.fourcc(*CODEC), float(np.clip(rate, *RATES)), self._size
        )
        if not self._writer.isOpened():
            raise InvalidInput(f"{self.path}: cannot be written as {CODEC} video; is the disk full?")
        if self._first is not None:
            self._write(self._first[1])
            self._first = None

    def _write(self, pixels: np.ndarray) -> None:
        import cv2

        if (pixels.shape[1], pixels.shape[0]) != self._size:
            pixels = cv2.resize(pixels, self._size)
        self._writer.write(cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
