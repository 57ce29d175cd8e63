from typing import Literal

import pytest
from pydantic import Field

from perception.core.config import Config, changed, fields, load_config, to_yaml
from perception.core.errors import ConfigError


class Inner(Config):
    size: float = Field(1.0, ge=0.1, le=5.0, description="Edge of a voxel.")
    mode: Literal["fast", "exact"] = Field("fast", description="How.")


class Outer(Config):
    inner: Inner = Field(default_factory=Inner)
    count: int = Field(3, ge=1, description="How many.")


def test_file_and_overrides_are_applied_in_this_order(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("inner: {size: 2.0, mode: exact}\n")
    config = load_config(Outer, file, ["inner.size=3", "count=7"], base={"inner": {"size": 1.5}, "count": 5})
    assert (config.inner.size, config.inner.mode, config.count) == (3.0, "exact", 7)


def test_every_wrong_field_is_named_at_once_with_its_path_and_value():
    with pytest.raises(ConfigError) as error:
        load_config(Outer, None, ["inner.size=99", "inner.sise=1", "count=many", "inner.mode=slow"])
    text = str(error.value)
    assert "inner.size" in text and "99" in text
    assert "inner.sise: is unknown; did you mean inner.size?" in text
    assert "count" in text and "many" in text
    assert "inner.mode" in text


@pytest.mark.parametrize("value", [".nan", ".inf", "null", "[1]", "'1'x"])
def test_values_that_are_no_numbers_are_refused(value):
    with pytest.raises(ConfigError):
        load_config(Outer, None, [f"inner.size={value}"])


@pytest.mark.parametrize("text", ["- 1\n- 2\n", "a: !!python/object/apply:os.system ['true']\n", "a: [1\n"])
def test_a_file_that_is_no_plain_mapping_is_refused(tmp_path, text):
    file = tmp_path / "c.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load_config(Outer, file)


def test_off_is_a_word_and_false_is_not(tmp_path):
    class Switch(Config):
        imu: Literal["auto", "off"] = "auto"
        tf: bool = True

    assert load_config(Switch, None, ["imu=off", "tf=false"]) == Switch(imu="off", tf=False)
    file = tmp_path / "c.yaml"
    file.write_text(to_yaml(Switch(imu="off", tf=False)))
    assert load_config(Switch, file) == Switch(imu="off", tf=False)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="absent"):
        load_config(Outer, tmp_path / "absent.yaml")


def test_a_dump_reads_back_as_the_same_configuration(tmp_path):
    config = load_config(Outer, None, ["inner.size=2.5"])
    file = tmp_path / "c.yaml"
    file.write_text(to_yaml(config))
    assert load_config(Outer, file) == config


def test_a_change_at_run_time_is_validated_and_leaves_the_old_one_alone():
    config = Outer()
    assert changed(config, {"inner.size": 2.0}).inner.size == 2.0
    with pytest.raises(ConfigError):
        changed(config, {"inner.size": -1.0})
    assert config.inner.size == 1.0


def test_fields_are_listed_with_range_and_sentence():
    listed = {field.path: field for field in fields(Outer)}
    assert list(listed) == ["inner.size", "inner.mode", "count"]
    assert (listed["inner.size"].minimum, listed["inner.size"].maximum) == (0.1, 5.0)
    assert listed["count"].description == "How many."


def test_an_override_without_a_value_says_what_is_expected():
    with pytest.raises(ConfigError, match=r"expected a\.b=value"):
        load_config(Outer, None, ["count"])
    with pytest.raises(ConfigError, match="count is a value, not a group"):
        load_config(Outer, None, ["count=1", "count.x=2"])
