"""The training of LSDNet on pictures of 96x64 px: windows, and runs that learn, stop and go on."""

import json
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="training needs the extra torch")
pytest.importorskip("safetensors", reason="training needs the extra torch")

from perception.cli import main  # noqa: E402
from perception.core.config import changed  # noqa: E402
from perception.core.errors import ConfigError, InvalidInput  # noqa: E402
from perception.io.datasets.pictures import write_jpeg  # noqa: E402
from perception.networks.lsdnet import load_lsdnet  # noqa: E402
from perception.training.checkpoint import read_checkpoint  # noqa: E402
from perception.training.curves import read_curves  # noqa: E402
from perception.training.line_pictures import read_line_pictures  # noqa: E402
from perception.training.line_windows import LineBatches, drawn, moved, parts, placed, shown  # noqa: E402
from perception.training.lines import train_lines  # noqa: E402
from perception.training.lines_config import LineAugmentConfig, LineTargetConfig, LineTrainingConfig  # noqa: E402

WIDTH, HEIGHT = 96, 64
MAPS = ("heat", "angle", "is_known", "has_angle")


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def line_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Grey pictures with bright quadrangles, and the Wireframe file of their sides."""
    folder, rng, entries = tmp_path_factory.mktemp("lines"), np.random.default_rng(0), []
    (folder / "images").mkdir()
    (folder / "lines").mkdir()
    for number in range(5):
        color = np.full((HEIGHT, WIDTH, 3), 70, dtype=np.uint8)
        middle = np.array([48, 32]) + rng.uniform(-8, 8, 2)
        angles = np.sort(rng.uniform(0, 2 * np.pi, 4))
        corners = middle + np.stack([np.cos(angles), np.sin(angles)], axis=1) * rng.uniform(15, 24, (4, 1))
        cv2.fillPoly(color, [np.rint(corners).astype(np.int32)], (200, 180, 160))
        lines = np.concatenate([np.rint(corners), np.roll(np.rint(corners), -1, axis=0)], axis=1)
        write_jpeg(folder / "images" / f"{number}.jpg", color)
        entries.append({"filename": f"{number}.jpg", "width": WIDTH, "height": HEIGHT, "lines": lines.tolist()})
    (folder / "lines" / "lines.json").write_text(json.dumps(entries))
    return folder


@pytest.fixture
def tiny() -> LineTrainingConfig:
    part = {"min_scale": 0.3, "max_scale": 0.4}
    run = {"steps": 6, "batch": 4, "threads": 1, "workers": 1, "device": "cpu", "record_every": 1}
    return LineTrainingConfig.model_validate(
        {**run, "base_width": 4, "finish_share": 0.34, "augment": {**part, "side": 48}, "finish": {**part, "side": 64}}
    )


def stopping_after(number: int) -> object:
    """A progress function that asks this process to stop, as Ctrl-C does."""
    return lambda done, total: signal.raise_signal(signal.SIGINT) if done == number else None


def test_end_points_move_as_the_pixels_do() -> None:
    """A dot painted at an end point is found where the end point went, whatever was drawn by lot."""
    config = LineAugmentConfig(side=96, min_scale=0.35, max_scale=0.6, quarter_turn=0.5, flip=0.5, turn_deg=30.0)
    size, rng = np.array([WIDTH, HEIGHT]), np.random.default_rng(1)
    num_seen = 0
    for _ in range(40):
        T_window_picture = placed(size, config, rng)
        ends = rng.uniform([6, 6, 6, 6], [WIDTH - 7, HEIGHT - 7] * 2, size=(1, 4)).round().astype(np.float32)
        (x1, y1, _, _) = moved(ends, T_window_picture)[0]
        if not (8 <= x1 < 88 and 8 <= y1 < 88):
            continue
        picture = np.zeros((HEIGHT, WIDTH), np.float32)
        picture[int(ends[0, 1]), int(ends[0, 0])] = 1.0
        window = cv2.warpAffine(cv2.GaussianBlur(picture, (0, 0), 1.5), T_window_picture, (96, 96))
        y, x = np.unravel_index(window.argmax(), window.shape)
        assert np.hypot(x - x1, y - y1) < 2.0
        num_seen += 1
    assert num_seen > 10


def test_a_window_without_change_is_the_picture_as_it_is_stretched_for_use() -> None:
    from perception.networks.lsdnet_input import stretched

    config = LineAugmentConfig(min_scale=1, max_scale=1, stretch=1, mirror=0, flip=0, quarter_turn=0, turn_deg=0)
    picture = np.random.default_rng(0).integers(0, 256, (400, 500, 3), dtype=np.uint8)
    T_window_picture = placed(np.array([500, 400]), config, np.random.default_rng(0))
    window = cv2.warpAffine(picture, T_window_picture, (288, 288))
    apart = np.abs(window / 255 - stretched(picture, (288, 288)).transpose(1, 2, 0))
    assert np.median(apart) < 0.01 and apart[2:-2, 2:-2].max() < 0.06  # warps place samples on a grid of 1/32 px
    np.testing.assert_allclose(
        moved(np.array([[-0.5, -0.5, 499.5, 399.5]]), T_window_picture), [[-0.5, -0.5, 287.5, 287.5]]
    )
    assert shown(np.array([500, 400]), T_window_picture, 288)[4:-4, 4:-4].all()


def test_maps_of_a_line_have_its_stroke_and_its_direction() -> None:
    is_known = np.ones((32, 32), dtype=bool)
    is_known[:, :10] = False
    maps = drawn(np.array([[4, 16, 28, 16]], np.float32), is_known, LineTargetConfig())
    np.testing.assert_allclose(maps.heat[13:20, 16], [0, 0, 1, 1, 1, 0, 0])
    assert maps.has_angle[15:18, 10:28].all() and not maps.has_angle[:, :10].any() and not maps.has_angle[14].any()
    assert (maps.angle[15:18, 16] == 0).all()
    cross = drawn(np.array([[4, 16, 28, 16], [16, 4, 16, 28]], np.float32), is_known, LineTargetConfig())
    assert not cross.has_angle[16, 16] and cross.has_angle[16, 22] and cross.heat[16, 16] == 1


def test_batches_are_the_same_whoever_asks_and_divide_among_processes(
    line_folder: Path, tiny: LineTrainingConfig
) -> None:
    pictures = read_line_pictures([line_folder])
    batch, again = LineBatches(pictures, tiny).batch(1), LineBatches(pictures, tiny).batch(1)
    pieces = parts(batch, 2)
    assert batch.images.shape == (4, 48, 48, 3) and LineBatches(pictures, tiny).batch(5).images.shape == (4, 64, 64, 3)
    assert np.array_equal(batch.images, again.images) and np.array_equal(pieces[1].images, batch.images[1::2])
    for name in MAPS:
        assert np.array_equal(getattr(batch.maps, name), getattr(again.maps, name)), name
        assert np.array_equal(getattr(pieces[0].maps, name), getattr(batch.maps, name)[::2]), name
    assert batch.maps.heat.max() == 1.0 and batch.maps.has_angle.any()


def test_the_loss_falls_on_a_problem_that_is_small_enough_to_learn_by_heart(
    line_folder: Path, tiny: LineTrainingConfig, tmp_path: Path
) -> None:
    values = {"steps": 50, "batch": 5, "base_width": 8, "finish_share": 0.0, "optimiser.learning_rate": 0.01}
    still = {"min_scale": 0.35, "max_scale": 0.35, "turn_deg": 0, "quarter_turn": 0, "mirror": 0, "flip": 0, "blur": 0}
    values |= {f"augment.{name}": value for name, value in {**still, "side": 96, "stretch": 1, "noise": 0}.items()}
    done = train_lines([line_folder], tmp_path, changed(tiny, values))
    rows = read_curves(tmp_path / "curves.csv")
    assert done.is_complete and len(rows) == 50 and list(rows[0].terms) == ["heat", "angle"]
    first, last = rows[:5], rows[-5:]
    for name in ("heat", "angle"):
        assert np.mean([row.terms[name] for row in last]) < 0.6 * np.mean([row.terms[name] for row in first]), name
    assert (tmp_path / "curves.png").is_file()


def test_a_run_that_was_interrupted_ends_with_the_same_bits_as_one_that_was_not(
    line_folder: Path, tiny: LineTrainingConfig, tmp_path: Path
) -> None:
    whole = train_lines([line_folder], tmp_path / "whole", tiny)
    stopped = train_lines([line_folder], tmp_path / "parts", tiny, progress=stopping_after(3))
    assert stopped.step == 3 and not stopped.is_complete
    assert train_lines([line_folder], tmp_path / "parts", tiny).is_complete
    one, other = (
        read_checkpoint(tmp_path / name / "checkpoint.safetensors", LineTrainingConfig).tensors
        for name in ("whole", "parts")
    )
    assert one.keys() == other.keys()
    assert not [name for name in one if not torch.equal(one[name], other[name])]
    assert load_lsdnet(whole.weights).config.base_width == 4


def test_a_run_starts_from_weights_and_learns_from_a_teacher_but_only_of_its_width(
    line_folder: Path, tiny: LineTrainingConfig, tmp_path: Path
) -> None:
    first = train_lines([line_folder], tmp_path / "first", changed(tiny, {"steps": 1, "base_width": 8}))
    taught = changed(tiny, {"steps": 2, "teacher": str(first.weights), "teacher_share": 1.0})
    assert train_lines([line_folder], tmp_path / "taught", taught).is_complete
    with pytest.raises(ConfigError, match="base_width: 4, but the first weights are of 8"):
        train_lines([line_folder], tmp_path / "narrow", tiny, init=first.weights)
    with pytest.raises(ConfigError, match="base_width: the run was started with 4, not 8"):
        train_lines([line_folder], tmp_path / "taught", changed(taught, {"base_width": 8}))


def test_data_without_segments_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="no data set"):
        read_line_pictures([])
    (tmp_path / "lines.json").write_text("[]")
    with pytest.raises(InvalidInput, match="holds no line segment"):
        read_line_pictures([tmp_path])


def test_the_command_trains_and_names_a_wrong_setting(
    line_folder: Path, tiny: LineTrainingConfig, tmp_path: Path
) -> None:
    given = ["train", "lines", "--data", str(line_folder), "--out", str(tmp_path)]
    wrong = CliRunner().invoke(main, [*given, "--set", "base_widht=8"])
    assert wrong.exit_code == 2 and "did you mean base_width" in wrong.output
    small = ["base_width=4", "steps=1", "batch=2", "augment.side=32", "finish.side=32", "device=cpu", "threads=1"]
    done = CliRunner().invoke(main, [*given, *(word for value in small for word in ("--set", value))])
    assert done.exit_code == 0 and "finished at step 1 of 1" in done.output, done.output
