import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.io.datasets.coco_writer import YoutubeVisWriter
from perception.io.datasets.fields import load_json
from perception.io.datasets.youtube_vis import open_youtube_vis
from tests.unit.io.datasets import made

unhurried = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
KINDS = {1: Class.CAR, 2: Class.PEDESTRIAN, 3: Class.BUS, 4: Class.CHAIR}


def written(path, videos):
    path.unlink(missing_ok=True)
    writer = YoutubeVisWriter(path)
    for name, frames in videos.items():
        for number, labels in enumerate(frames):
            writer.add(name, made.image(number, f"images/{name}"), labels)
    writer.close()
    return path


@st.composite
def followed(draw):
    """A frame of a video; an instance has the same class in every frame."""
    labels = draw(made.labels())
    kinds = {int(number): KINDS[int(number)] for number in labels.instance_ids}
    return made.labels_of(labels.instance_map, kinds, draw(st.integers(0, 5)))


@given(
    st.dictionaries(st.sampled_from(["cam_back", "cam_front", "camera"]), st.lists(followed(), min_size=1, max_size=4))
)
@unhurried
def test_what_is_written_is_read_again(tmp_path, videos):
    path = written(tmp_path / "videos.json", videos)
    dataset = open_youtube_vis(path, load_json(path))
    got = list(dataset.frames())
    want = [(name, number, labels) for name in sorted(videos) for number, labels in enumerate(videos[name])]
    assert not dataset.losses.counts
    assert len(got) == len(want)
    for frame, (name, number, labels) in zip(got, want):
        assert frame.name == made.image(number, f"images/{name}").file_name
        assert frame.is_start == (number == 0)
        made.assert_same_objects(frame.views[0].objects, labels)


def test_an_object_keeps_its_number_and_is_null_where_it_is_not_seen(tmp_path):
    seen = np.zeros((made.HEIGHT, made.WIDTH), np.int32)
    seen[2:5, 3:6] = 7
    frames = [made.labels_of(seen, {7: Class.CAR}), made.labels_of(seen * 0, {}), made.labels_of(seen, {7: Class.CAR})]
    (track,) = load_json(written(tmp_path / "videos.json", {"a": frames}))["annotations"]
    assert [entry is None for entry in track["segmentations"]] == [False, True, False]
    assert track["areas"] == [9, None, 9]
    assert track["bboxes"][0] == [3, 2, 3, 3]
    assert track["instance_id"] == 7


def test_a_track_is_ignored_where_all_its_frames_are(tmp_path):
    seen = np.zeros((made.HEIGHT, made.WIDTH), np.int32)
    seen[2:5, 3:6], seen[6:8, 3:6] = 1, 2
    frames = []
    for ignored in ([True, True], [True, False]):
        labels = made.labels_of(seen, {1: Class.CAR, 2: Class.BUS})
        labels.is_ignored[:] = ignored
        frames.append(labels)
    tracks = load_json(written(tmp_path / "videos.json", {"a": frames}))["annotations"]
    assert [track["iscrowd"] for track in tracks] == [1, 0]


def test_a_stop_changes_nothing_in_the_file(tmp_path):
    frame = made.labels_of(np.ones((made.HEIGHT, made.WIDTH), np.int32), {1: Class.CAR})
    whole = written(tmp_path / "whole.json", {"a": [frame] * 3, "b": [frame]}).read_bytes()
    first = YoutubeVisWriter(tmp_path / "videos.json")
    first.add("b", made.image(0, "images/b"), frame)
    first.add("a", made.image(2, "images/a"), frame)
    first.abort()
    second = YoutubeVisWriter(tmp_path / "videos.json")
    assert ("a", made.image(2, "images/a").file_name) in second
    for name, count in (("a", 3), ("b", 1)):
        for number in range(count):
            second.add(name, made.image(number, f"images/{name}"), frame)
    second.close()
    assert (tmp_path / "videos.json").read_bytes() == whole


def content():
    """As YouTube-VIS has it: uncompressed lists or compressed strings, no number of the instance."""
    seen = {"size": [2, 3], "counts": [1, 2, 3]}
    return {
        "categories": [{"id": 26, "name": "person"}, {"id": 5, "name": "sedan"}],
        "videos": [{"id": 4, "width": 3, "height": 2, "length": 2, "file_names": ["v/0.jpg", "v/5.jpg"]}],
        "annotations": [
            {"id": 9, "video_id": 4, "category_id": 26, "iscrowd": 0, "segmentations": [None, seen]},
            {
                "id": 11,
                "video_id": 4,
                "category_id": 5,
                "iscrowd": 1,
                "segmentations": [{**seen, "counts": "51"}, None],
            },
        ],
    }


def test_the_files_of_the_field_are_read(tmp_path):
    first, second = open_youtube_vis(tmp_path / "instances.json", content()).frames()
    assert first.views[0].objects.class_ids.tolist() == [Class.CAR]
    assert first.views[0].objects.is_ignored.tolist() == [True]
    assert first.views[0].objects.instance_ids.tolist() == [2]
    assert second.views[0].objects.instance_map.tolist() == [[0, 1, 0], [1, 0, 0]]
    assert second.views[0].objects.boxes.tolist() == [[0, 0, 2, 2]]
    assert np.isnan(second.views[0].objects.occlusion).all()


def test_a_test_split_without_annotations_gives_frames_without_labels(tmp_path):
    for annotations in ({}, {"annotations": None}):
        part = {key: value for key, value in content().items() if key != "annotations"}
        frames = list(open_youtube_vis(tmp_path / "test.json", {**part, **annotations}).frames())
        assert [frame.views[0].objects for frame in frames] == [None, None]


def test_a_damaged_mask_costs_itself_and_is_counted(tmp_path):
    bad = content()
    bad["annotations"][0]["segmentations"][1] = {"size": [2, 3], "counts": [1, 2]}
    dataset = open_youtube_vis(tmp_path / "x.json", bad)
    first, second = dataset.frames()
    assert len(first.views[0].objects.class_ids) == 1
    assert len(second.views[0].objects.class_ids) == 0
    assert "annotation 9: counts" in next(iter(dataset.losses.counts))


def test_annotations_that_are_no_list_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="annotations: expected a list, got dict"):
        open_youtube_vis(tmp_path / "x.json", {**content(), "annotations": {}})
