import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.core.errors import InvalidInput
from perception.core.labels import LineLabels
from perception.io.datasets.fields import load_json
from perception.io.datasets.pictures import write_jpeg
from perception.io.datasets.wireframe import open_wireframe, open_wireframe_folder, open_york_urban
from perception.io.datasets.wireframe_writer import WireframeWriter
from tests.unit.io.datasets import made

unhurried = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
SEGMENTS = hnp.arrays(np.float32, st.tuples(st.integers(0, 5), st.just(4)), elements=st.floats(-9, 900, width=32))


@given(st.lists(SEGMENTS, min_size=1, max_size=3))
@unhurried
def test_what_is_written_is_read_again_from_the_list_and_from_single_files(tmp_path_factory, images):
    root = tmp_path_factory.mktemp("lines")
    writer = WireframeWriter(root)
    for number, segments in enumerate(images):
        writer.add(made.image(number), LineLabels(segments))
    assert made.image(0).file_name in writer
    assert made.image(len(images)).file_name not in writer
    writer.close()
    files = sorted((root / "annotations").rglob("*.json"))
    whole = open_wireframe(root / "lines.json", load_json(root / "lines.json"))
    single = open_wireframe_folder(root / "annotations", files)
    for dataset in (whole, single):
        frames = list(dataset.frames())
        assert [frame.name for frame in frames] == [made.image(number).file_name for number in range(len(images))]
        assert all(frame.views[0].path == root / frame.name for frame in frames)
        for frame, want in zip(frames, images):
            np.testing.assert_allclose(frame.views[0].lines.segments, want, atol=0.051)


def test_a_file_of_the_reannotated_set_is_read_and_its_image_found(tmp_path):
    write_jpeg(tmp_path / "images" / "35.jpg", np.zeros((20, 30, 3), dtype=np.uint8))
    (tmp_path / "annotations").mkdir()
    file = tmp_path / "annotations" / "35.json"
    objects = [{"type": "seg", "data": [[1.5, 2], [3, 4]]}, {"type": "point", "data": [1, 2]}]
    file.write_text(json.dumps({"size": [30, 20], "objects": objects}))
    (frame,) = open_wireframe_folder(file.parent, [file]).frames()
    assert frame.views[0].lines.segments.tolist() == [[1.5, 2, 3, 4]]
    assert frame.views[0].pixels().shape == (20, 30, 3)


def test_junctions_and_edges_are_joined_to_segments(tmp_path):
    entry = {"filename": "a.png", "width": 9, "height": 9, "junctions": [[0, 1], [5, 6], [7, 8]]}
    entry["edges_positive"] = [[0, 2], [1, 2]]
    (frame,) = open_wireframe(tmp_path / "train.json", [entry]).frames()
    assert frame.views[0].lines.segments.tolist() == [[0, 1, 7, 8], [5, 6, 7, 8]]


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({"lines": [[1, 2, 3]]}, "lines"),
        ({"lines": [[1, 2, 3, float("inf")]]}, "lines"),
        ({"lines": None}, "lines"),
        ({"junctions": [[0, 0]], "edges_positive": [[0, 1]]}, "junction 1 of 1"),
        ({"objects": [{"type": "seg", "data": [1, 2]}]}, "data"),
        ({"lines": [], "width": -1, "height": 4}, "width"),
        ({"lines": [], "filename": "../x"}, "leaves"),
        ({"lines": [], "filename": 3}, "filename"),
    ],
)
def test_a_damaged_entry_costs_itself_and_is_counted(tmp_path, entry, reason):
    sound = {"filename": "b.png", "lines": [[1, 2, 3, 4]]}
    dataset = open_wireframe(tmp_path / "x.json", [{"filename": "a.png", **entry}, sound])
    assert [frame.name for frame in dataset.frames()] == ["b.png"]
    assert reason in next(iter(dataset.losses.counts))


def test_york_urban_counts_pixels_from_one(tmp_path):
    from scipy.io import savemat

    folder = tmp_path / "P1020171"
    write_jpeg(folder / "P1020171.jpg", np.zeros((4, 4, 3), dtype=np.uint8))
    savemat(folder / "P1020171LinesAndVP.mat", {"lines": np.array([[1.0, 1.0], [5.0, 9.0]]), "vp_association": [[1.0]]})
    (folder / "brokenLinesAndVP.mat").write_bytes(b"MATLAB 5.0 MAT-file" + bytes(300))
    write_jpeg(folder / "broken.jpg", np.zeros((4, 4, 3), dtype=np.uint8))
    dataset = open_york_urban(tmp_path, sorted(folder.glob("*.mat")))
    (frame,) = dataset.frames()
    assert frame.views[0].lines.segments.tolist() == [[0, 0, 4, 8]]
    assert "broken" in next(iter(dataset.losses.counts))


def test_json_that_holds_no_segments_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match="holds no line segments"):
        open_wireframe(tmp_path / "x.json", {"a": 3})
