import pytest

from perception.core.errors import ConfigError
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.presets import configured, names, reference


@pytest.mark.parametrize("name", names())
def test_every_preset_is_a_valid_configuration_that_changes_something(name):
    assert configured(preset=name) != PerceptionConfig()


def test_file_and_overrides_count_more_than_a_preset(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("odometry: {preprocess: {max_range: 30.0}}\n")
    config = configured(file, "indoor", ["odometry.map.voxel_size=0.4"])
    assert (config.odometry.preprocess.min_range, config.odometry.preprocess.max_range) == (0.3, 30.0)
    assert config.odometry.map.voxel_size == 0.4


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="'moon' is unknown; use one of: indoor, livox_avia"):
        configured(preset="moon")


def test_the_reference_page_names_every_field_with_its_range():
    page = reference()
    assert "| `odometry.preprocess.max_range` | `100.0` | 1.0 to 500.0 |" in page
    assert "auto, off, required" in page
