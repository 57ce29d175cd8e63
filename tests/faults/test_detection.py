"""Hostile and broken input of detection: models that are not what they say, images that are not what they claim."""

import struct
import zlib

import numpy as np
import pytest

from perception.core.errors import InvalidInput, ModelError
from perception.core.types import ImageFrame
from perception.detection.config import DetectionConfig
from perception.inference.model_card import FileEntry, write_card
from perception.io.config import InputConfig
from perception.io.image_sources import ImageSource, open_images
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.detect import detect
from perception.pipeline.detection import DetectionStage
from perception.pipeline.pictures import PictureWriter
from tests.unit.detection.fakes import card, detector

FRAME = ImageFrame(1, "front", np.zeros((64, 64, 3), dtype=np.uint8))


def stage_with(path):
    return DetectionStage(DetectionConfig(model=str(path), backend="onnx"))


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_that_claims(width, height):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")


def test_a_network_that_was_replaced_after_its_card_was_written_is_not_run(tmp_path):
    (tmp_path / "fake.onnx").write_bytes(b"another network")
    entry = FileEntry(name="fake.onnx", sha256="0" * 64)
    write_card(card(files={"onnx": entry}), tmp_path / "fake.json")
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
    with pytest.raises(ModelError, match="sha256"):
        stage_with(tmp_path / "fake.json").step("image", FRAME)


def test_a_card_that_names_a_file_outside_its_folder_is_refused(tmp_path):
    write_card(card(), tmp_path / "fake.json")
    text = (tmp_path / "fake.json").read_text()
    entry = '{"onnx": {"name": "../../etc/passwd", "sha256": "' + "0" * 64 + '"}}'
    (tmp_path / "fake.json").write_text(text.replace('"files": {}', f'"files": {entry}'))
    with pytest.raises(ModelError, match="name"):
        stage_with(tmp_path / "fake.json").step("image", FRAME)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"name": "x"}', "null", "\0" * 100])
def test_a_file_that_is_no_card_is_refused(tmp_path, text):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelError, match=r"model\.json"):
        stage_with(tmp_path / "model.json").step("image", FRAME)


def test_an_image_file_that_claims_a_giant_size_is_not_decoded(tmp_path):
    (tmp_path / "bomb.png").write_bytes(png_that_claims(60_000, 60_000))
    source = open_images(tmp_path / "bomb.png", InputConfig())
    assert list(source.frames()) == []
    assert "max_image_pixels" in str(source.losses)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", png_that_claims(10, 10)]
)
def test_a_broken_image_is_counted_and_nothing_else_happens(tmp_path, data):
    (tmp_path / "broken.png").write_bytes(data)
    source = open_images(tmp_path, InputConfig())
    assert list(source.frames()) == []
    assert "broken.png" in str(source.losses)


@pytest.mark.parametrize("data", [b"", b"\0" * 5000, b"\0\0\0\x18ftypmp42" + b"\0" * 100])
def test_a_broken_video_is_refused_by_name(tmp_path, data):
    (tmp_path / "clip.mp4").write_bytes(data)
    with pytest.raises(InvalidInput, match=r"clip\.mp4"):
        detect([tmp_path / "clip.mp4"], PerceptionConfig())


def test_a_name_that_leaves_the_folder_of_results_is_refused(tmp_path):
    source = ImageSource(tmp_path, "images", 1, 0.0, lambda source: iter(()))

    class Shown:
        def draw(self):
            return FRAME

    with pytest.raises(InvalidInput, match="leaves the folder"):
        PictureWriter(tmp_path / "out", source).add("../escaped.jpg", Shown())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("level", ["p3", "p4", "p5"])
def test_no_value_that_is_not_finite_becomes_a_box(level, value):
    found = detector()
    runtime_infer = found.runtime.infer

    def poisoned(inputs):
        outputs = runtime_infer(inputs)
        outputs[level][0, -1, -1, -1] = value
        return outputs

    found.runtime.infer = poisoned
    with pytest.raises(ModelError, match="not finite"):
        found.detect(np.zeros((480, 640, 3), dtype=np.uint8))
