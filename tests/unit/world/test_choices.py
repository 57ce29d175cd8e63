"""The words of the command line, the split of seeds, and work that is done ahead."""

import threading
import time

import numpy as np
import pytest
from click.testing import CliRunner

from perception.cli import main
from perception.core.config import load_config
from perception.core.errors import ConfigError
from perception.world.ahead import done_ahead
from perception.world.choices import ROUTE_OF_SCENE, camera_overrides, format_names, route_of
from perception.world.config import WorldConfig
from perception.world.data_sets import DEFAULT_FORMATS, FORMATS, Wanted
from perception.world.materials import VARIANTS, Texture
from perception.world.variety import EVALUATION_SEED, TRAINING, Variety, variety_of

HELD_OUT = Variety(is_held_out=True)


@pytest.mark.parametrize(
    ("word", "num_surround", "has_front"),
    [("none", 0, False), ("front", 0, True), ("surround", 6, False), ("all", 6, True), ("3", 3, False)],
)
def test_cameras_are_chosen_by_a_word_or_a_number(word: str, num_surround: int, has_front: bool) -> None:
    cameras = load_config(WorldConfig, None, camera_overrides(word)).cameras
    assert (cameras.num_surround, cameras.has_front) == (num_surround, has_front)


def test_unknown_words_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="--cameras back: is unknown; use none, front, surround, all"):
        camera_overrides("back")
    with pytest.raises(ConfigError, match="less than or equal to 6"):
        load_config(WorldConfig, None, camera_overrides("7"))
    with pytest.raises(ConfigError, match="both choose the world"):
        route_of("street", "town")


def test_every_scene_is_a_route_and_no_word_changes_nothing() -> None:
    for scene in ROUTE_OF_SCENE:
        load_config(WorldConfig, None, route_of(scene, None))
    assert camera_overrides(None) == route_of(None, "town") == []


def test_formats_are_those_that_are_named() -> None:
    assert format_names(None) == DEFAULT_FORMATS
    assert format_names("coco, lines") == ("coco", "lines") and format_names("none") == ()
    wanted = Wanted.from_names(format_names("coco,lines"))
    assert wanted.coco and wanted.lines and not (wanted.ytvis or wanted.occ3d or wanted.pixels or wanted.normals)
    assert set(DEFAULT_FORMATS) <= set(FORMATS)


def test_the_command_refuses_in_one_line(tmp_path) -> None:
    outcome = CliRunner().invoke(main, ["synth", str(tmp_path / "out"), "--format", "voc"])
    assert outcome.exit_code == 2 and "'voc': is unknown" in outcome.output
    assert not (tmp_path / "out").exists()


def test_no_option_is_on_both_sides_of_the_split() -> None:
    for count in range(2, 20):
        training, held_out = set(TRAINING.part(range(count))), set(HELD_OUT.part(range(count)))
        assert training and held_out and not training & held_out
        assert training | held_out == set(range(count))
    assert TRAINING.part(["only"]) == HELD_OUT.part(["only"]) == ["only"]


def test_seeds_from_a_million_on_are_held_out() -> None:
    assert not variety_of(EVALUATION_SEED - 1).is_held_out and variety_of(EVALUATION_SEED).is_held_out


def test_layers_of_textures_are_split_too_and_weights_follow_their_options() -> None:
    rng = np.random.default_rng(0)
    training = {TRAINING.layer(rng, Texture.BRICK) for _ in range(200)}
    held_out = {HELD_OUT.layer(rng, Texture.BRICK) for _ in range(200)}
    assert not training & held_out
    assert {layer // VARIANTS for layer in training | held_out} == {int(Texture.BRICK)}
    assert {TRAINING.choose(rng, "abcd", [0.0, 1.0, 0.0, 5.0]) for _ in range(50)} == {"b"}


def test_results_come_in_order_though_later_ones_are_ready_first() -> None:
    def job(k: int) -> int:
        time.sleep(0.02 if k == 0 else 0.0)
        return k

    assert list(done_ahead([lambda k=k: job(k) for k in range(20)], 4, 2)) == list(range(20))


def test_work_ahead_is_bounded_and_ends_with_its_reader() -> None:
    started, lock = [], threading.Lock()

    def job(k: int) -> int:
        with lock:
            started.append(k)
        return k

    results = done_ahead([lambda k=k: job(k) for k in range(100)], 2, 3)
    assert next(results) == 0
    results.close()
    assert len(started) <= 7


def test_an_error_of_a_job_comes_in_its_place() -> None:
    def fail() -> int:
        raise ValueError("broken")

    results = done_ahead([lambda: 1, fail, lambda: 3], 2)
    assert next(results) == 1
    with pytest.raises(ValueError, match="broken"):
        next(results)
