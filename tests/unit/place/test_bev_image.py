import numpy as np
import pytest

from perception.core.config import load_config
from perception.core.errors import ConfigError, InvalidInput
from perception.core.geometry import exp_so3
from perception.place.bev_image import (
    CAPS,
    bev_counts,
    bev_counts_twin,
    bev_image,
    cell_centres,
    shaded,
)
from perception.place.config import BevConfig
from tests.shared import shared

RULES = ["bevplace", "bevlio"]


def cloud(rng, count, scale=30.0):
    return rng.normal(0, scale, (count, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("key", "config"),
    [
        ("imgA", BevConfig()),
        ("imgB40", BevConfig(rule="bevlio")),
        ("imgB65", BevConfig(rule="bevlio", extent=65.0)),
    ],
)
def test_images_of_a_real_scan_are_those_of_the_reference_bit_by_bit(key, config):
    with np.load(shared("parity/bevplace_rem.npz")) as data:
        points, counts, image = data["points_xyz"], data[f"{key}_counts"], data[f"{key}_u8"]
    np.testing.assert_array_equal(np.minimum(bev_counts(points, config), CAPS[config.rule]), counts)
    np.testing.assert_array_equal(bev_image(points, config), image)


@pytest.mark.parametrize(("extent", "side"), [(40, 201), (50, 251), (65, 326), (70, 351), (80, 401), (90, 451)])
def test_sides_are_those_of_the_paper(extent, side):
    assert BevConfig(extent=float(extent)).side == side


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("count", [0, 1, 2, 5000])
def test_counts_are_those_of_the_definition(rule, count):
    rng = np.random.default_rng(count)
    config = BevConfig(rule=rule, min_height=-10.0, max_height=20.0)
    points = np.concatenate([cloud(rng, count), cloud(rng, count, 0.3)])
    np.testing.assert_array_equal(bev_counts(points, config), bev_counts_twin(points, config))
    R = exp_so3(np.array([0.1, -0.2, 0.9]))
    np.testing.assert_array_equal(bev_counts(points, config, R), bev_counts_twin(points, config, R))


@pytest.mark.parametrize("rule", RULES)
def test_wild_points_count_nothing(rule):
    config = BevConfig(rule=rule)
    wild = np.array([[np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf], [3e38, 3e38, 0], [0, 0, 41]], dtype=np.float32)
    assert bev_counts(wild, config).sum() == 0
    np.testing.assert_array_equal(bev_counts(wild, config), bev_counts_twin(wild, config))
    good = np.array([[5.0, 1.0, 0.0]], dtype=np.float32)
    np.testing.assert_array_equal(bev_counts(np.concatenate([wild, good]), config), bev_counts(good, config))


def test_forward_is_up_and_left_is_left():
    config = BevConfig()
    rows, columns = np.nonzero(bev_counts(np.array([[10.0, 4.0, 0.0]], dtype=np.float32), config))
    np.testing.assert_array_equal(np.concatenate([rows, columns]), [100 - 25, 100 - 10])
    np.testing.assert_allclose(cell_centres([[columns[0], rows[0]]], config), [[10.2, 4.2]])


def test_heights_outside_of_the_limits_are_left_out():
    points = np.array([[1, 0, -3], [5, 0, 0], [9, 0, 16]], dtype=np.float32)
    assert bev_counts(points, BevConfig(min_height=-2.0, max_height=15.0)).sum() == 1
    assert bev_counts(points, BevConfig()).sum() == 3


def test_single_points_are_dark_by_the_rule_of_the_node_only():
    counts = np.zeros((201, 201), dtype=np.int32)
    counts[3, 4], counts[5, 6], counts[7, 8] = 1, 2, 40
    assert shaded(counts, BevConfig())[3, 4] == 26
    assert shaded(counts, BevConfig(rule="bevlio"))[3, 4] == 0
    assert shaded(counts, BevConfig(rule="bevlio"))[7, 8] == 255
    assert not shaded(np.zeros_like(counts), BevConfig()).any()


def test_a_tilted_sensor_sees_the_same_image_once_it_is_levelled():
    rng = np.random.default_rng(3)
    level = cloud(rng, 4000, 12.0)
    R_odom_lidar = exp_so3(np.array([0.2, -0.15, 0.0]))
    seen = (level @ R_odom_lidar).astype(np.float32)
    config = BevConfig(rule="bevlio")
    want, have = bev_counts(level, config), bev_counts(seen, config, R_odom_lidar)
    assert np.mean(want != have) < 0.001
    assert np.mean(want != bev_counts(seen, config)) > 0.02


def test_bad_input_is_refused():
    with pytest.raises(InvalidInput, match="points"):
        bev_image(np.zeros((3, 4), dtype=np.float32), BevConfig())
    with pytest.raises(InvalidInput, match="R_level_lidar"):
        bev_image(np.zeros((3, 3), dtype=np.float32), BevConfig(), np.eye(4))
    with pytest.raises(ConfigError, match="max_height"):
        load_config(BevConfig, overrides=["min_height=5", "max_height=3"])
    with pytest.raises(ConfigError, match="px"):
        load_config(BevConfig, overrides=["extent=200", "resolution=0.05"])
