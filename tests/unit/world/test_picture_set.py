"""Single pictures of several small worlds as one COCO data set."""

import json
import shutil
from pathlib import Path

import pytest

from perception.core.config import validated
from perception.core.errors import ConfigError, InvalidInput
from perception.io.datasets.opening import open_dataset
from perception.world.config import SceneConfig
from perception.world.picture_set import ANNOTATIONS, FINAL, PictureSetConfig, write_picture_set

CONFIG = PictureSetConfig(
    first_seed=5,
    num_worlds=2,
    per_world=1,
    duration=10.0,
    routes=("corridor",),
    weather="day",
    scene=SceneConfig(leaves_per_tree=20, num_pedestrians=12),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_picture_set(tmp_path_factory.mktemp("pictures") / "set", CONFIG)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_the_set_is_read_as_coco_and_has_every_picture_of_every_world(folder):
    dataset = open_dataset(folder)
    views = [frame.views[0] for frame in dataset.frames()]
    assert len(views) == CONFIG.num_worlds * CONFIG.per_world
    assert {view.path.parent.name for view in views} == {"5", "6"}
    assert all(view.pixels().shape == (480, 640, 3) for view in views)
    assert any(len(view.objects.class_ids) for view in views)


def test_an_interrupted_generation_goes_on_and_ends_with_the_same_bytes(folder, tmp_path):
    class Interrupted(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 1:
            raise Interrupted

    out = tmp_path / "again"
    with pytest.raises(Interrupted):
        write_picture_set(out, CONFIG, stop)
    assert not (out / ANNOTATIONS).exists()
    seen = []
    write_picture_set(out, CONFIG, lambda done, total: seen.append((done, total)), num_threads=1)
    assert seen == [(1, 2), (2, 2)]
    assert contents(out) == contents(folder)


def test_line_segments_are_added_to_a_finished_set_and_read_as_wireframe(folder, tmp_path):
    out = tmp_path / "both"
    shutil.copytree(folder, out)
    write_picture_set(out, CONFIG, formats=("coco", "lines"))
    assert {name: data for name, data in contents(out).items() if name != FINAL["lines"]} == contents(folder)
    views = [frame.views[0] for frame in open_dataset(out / FINAL["lines"]).frames()]
    assert {view.path for view in views} == set(out.rglob("*.jpg"))
    for view in views:
        height, width = view.pixels().shape[:2]
        ends = view.lines.segments.reshape(-1, 2)
        assert len(ends) > 20
        assert (ends >= 0).all() and (ends <= [width - 1, height - 1]).all()


def test_lines_alone_need_no_objects_and_other_formats_are_refused(folder, tmp_path):
    out = write_picture_set(tmp_path / "lines", CONFIG, formats=["lines"])
    assert not (out / ANNOTATIONS).exists()
    assert sum(len(frame.views[0].lines.segments) for frame in open_dataset(out / FINAL["lines"]).frames()) > 40
    with pytest.raises(ConfigError, match="format: 'voc'"):
        write_picture_set(tmp_path / "lines", CONFIG, formats=("voc",))


def test_a_finished_set_is_left_as_it_is_and_other_settings_are_refused(folder):
    before = json.loads((folder / ANNOTATIONS).read_text())
    write_picture_set(folder, CONFIG, lambda done, total: pytest.fail("nothing is to be done"))
    assert json.loads((folder / ANNOTATIONS).read_text()) == before
    other = validated(PictureSetConfig, {**CONFIG.model_dump(), "per_world": 2})
    with pytest.raises(InvalidInput, match="other settings"):
        write_picture_set(folder, other)
