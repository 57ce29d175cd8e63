import json
from pathlib import Path

import pytest

from perception.core.errors import ModelError
from perception.inference import engines
from perception.inference.engines import EngineKey, Profile

KEY = EngineKey(
    model="a" * 64, flavour="tensorrt", version="10.3.0", gpu="Orin", compute_capability="8.7", precision="f16"
)
PROFILES = {"images": Profile(smallest=(1, 3, 32, 32), usual=(1, 3, 480, 640), largest=(1, 3, 640, 640))}
SHAPES = {"images": (1, 3, 480, 640)}
ENGINE = bytes(range(256)) * 4


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = engines.engine_path("leyolo", KEY, PROFILES, tmp_path)
    engines.store(ENGINE, engines.side_car(ENGINE, "leyolo", KEY, PROFILES, 12.345), path)
    return path


def changed(**fields) -> EngineKey:
    return KEY.model_copy(update=fields)


def test_an_engine_comes_back_untouched_with_what_it_was_made_for(path: Path):
    engine, car = engines.load(path, KEY)
    assert engine == path.read_bytes() == ENGINE
    assert (car.key, car.profiles, car.num_bytes, car.build_seconds) == (KEY, PROFILES, 1024, 12.35)
    assert json.loads((path.parent / f"{path.name}.json").read_text())["key"]["gpu"] == "Orin"


def test_an_engine_is_found_for_shapes_within_its_profile(path: Path):
    assert engines.find("leyolo", KEY, SHAPES, path.parent)[0] == ENGINE
    assert engines.find("leyolo", KEY, {"images": (1, 3, 32, 640)}, path.parent)[0] == ENGINE


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"model": "b" * 64}, "model: a.*, here b"),
        ({"version": "10.4.0"}, "version: 10.3.0, here 10.4.0"),
        (
            {"gpu": "RTX 4090", "compute_capability": "8.9"},
            "gpu: Orin, here RTX 4090; compute_capability: 8.7, here 8.9",
        ),
        ({"recipe": 2}, "recipe: 1, here 2"),
    ],
)
def test_an_engine_for_other_things_is_refused_naming_each_field_and_the_command(path: Path, fields, words):
    with pytest.raises(ModelError, match=words) as caught:
        engines.find("leyolo", changed(**fields), SHAPES, path.parent)
    assert "perception export leyolo --backend tensorrt --precision f16" in str(caught.value)


def test_shapes_outside_the_profile_are_refused_with_its_limits(path: Path):
    with pytest.raises(ModelError, match=r"profiles\.images.*640, 640.*asked for \(2, 3, 480, 640\)"):
        engines.find("leyolo", KEY, {"images": (2, 3, 480, 640)}, path.parent)
    with pytest.raises(ModelError, match="none for the input other"):
        engines.find("leyolo", KEY, {"other": (1,)}, path.parent)


def test_without_an_engine_the_command_that_makes_one_is_told(tmp_path: Path):
    with pytest.raises(ModelError, match=r"there is none in .*Run: perception export leyolo"):
        engines.find("leyolo", KEY, SHAPES, tmp_path)


@pytest.mark.parametrize(
    ("data", "words"),
    [(ENGINE[:-1], "has 1023 bytes, expected 1024"), (ENGINE[:-1] + b"\0", "its hash is not"), (b"", "has 0 bytes")],
)
def test_a_truncated_or_tampered_engine_is_noticed(path: Path, data, words):
    path.write_bytes(data)
    with pytest.raises(ModelError, match=words):
        engines.load(path, KEY)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "x"}', "[" * 100_000, "x" * (1 << 17)])
def test_an_engine_without_a_side_car_that_can_be_read_is_refused(path: Path, text):
    engines.side_car_path(path).write_text(text)
    with pytest.raises(ModelError, match="side-car"):
        engines.load(path, KEY)


def test_an_interrupted_write_leaves_no_engine_that_would_be_used(path: Path, monkeypatch):
    def fails(target, data):
        if target.name.endswith(".json"):
            raise OSError("disk full")
        target.write_bytes(data)

    monkeypatch.setattr(engines, "write_atomic", fails)
    with pytest.raises(OSError, match="disk full"):
        engines.store(b"other", engines.side_car(b"other", "leyolo", KEY, PROFILES, 0), path)
    with pytest.raises(ModelError, match="side-car cannot be read"):
        engines.load(path, KEY)


def test_engines_of_different_shapes_and_precisions_lie_beside_each_other(tmp_path: Path):
    smaller = {"images": Profile(smallest=(1, 3, 32, 32), usual=(1, 3, 32, 32), largest=(1, 3, 32, 32))}
    paths = {
        engines.engine_path("leyolo", key, profiles, tmp_path)
        for key in (KEY, changed(precision="f32"), changed(flavour="tensorrt_rtx"))
        for profiles in (PROFILES, smaller)
    }
    assert len(paths) == 6
    assert engines.engine_path("leyolo", changed(gpu="other"), PROFILES, tmp_path) in paths  # replaced, not gathered


def test_engines_lie_in_the_cache_of_the_user(monkeypatch):
    monkeypatch.setenv("PERCEPTION_CACHE", "/somewhere")
    assert engines.engines_folder() == Path("/somewhere/engines")
