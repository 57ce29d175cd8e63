"""The graph as plain data, without torch."""

import subprocess
import sys

import pytest

from perception.core.config import validated
from perception.core.errors import ConfigError
from perception.networks.leyolo_graph import STRIDES, LeYoloConfig, graph, scaled


@pytest.mark.parametrize(
    ("multiplier", "widths"), [(1.0, [16, 32, 64, 96, 128, 192, 576]), (1.33, [24, 48, 88, 128, 176, 256, 768])]
)
def test_widths_are_rounded_up_to_multiples_of_8(multiplier, widths):
    assert [scaled(width, multiplier) for width in (16, 32, 64, 96, 128, 192, 576)] == widths
    assert scaled(1024, multiplier) == widths[-1]


@pytest.mark.parametrize(
    ("size", "num_nodes", "widths", "num_dead"),
    [("nano", 35, (32, 64, 96), 0), ("small", 35, (48, 88, 128), 0), ("medium", 42, (48, 88, 256), 4)],
)
def test_graphs_have_the_nodes_and_taps_of_the_published_networks(size, num_nodes, widths, num_dead):
    plan = graph(LeYoloConfig(size=size))
    assert len(plan.nodes) == num_nodes
    assert plan.tap_widths == widths
    assert tuple(plan.strides[tap] for tap in plan.taps) == STRIDES
    assert len(plan.nodes) - len(plan.alive) == num_dead


def test_large_is_medium():
    assert graph(LeYoloConfig(size="large")) == graph(LeYoloConfig(size="medium"))


def test_bottlenecks_read_what_the_tables_of_the_network_say():
    small = graph(LeYoloConfig(size="small"))
    assert [small.width_into(index) for index in (0, 2, 17, 22, 27, 32)] == [3, 24, 216, 136, 176, 256]
    deep = graph(LeYoloConfig(size="medium"))
    assert [deep.width_into(index) for index in (20, 26, 29, 30, 32, 38, 41)] == [216, 136, 48, 88, 176, 256, 128]


@pytest.mark.parametrize("taps", [(27, 32, 99), (32, 27, 37), (-1, 32, 37)])
def test_taps_of_another_stride_are_refused(taps):
    with pytest.raises(ConfigError, match="taps"):
        validated(LeYoloConfig, {"size": "medium", "taps": taps})


def test_configurations_and_graphs_load_no_torch():
    modules = "perception.networks.leyolo_graph, perception.networks.config, perception.detection.nms"
    code = f"import sys, {modules}; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
