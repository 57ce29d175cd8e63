"""The public pose graphs, fed edge by edge through the back end, against their known optimum."""

import json

import numpy as np
import pytest

from slam.graph.config import IMPORTED
from slam.graph.g2o import read_g2o
from tests.shared import shared

pytest.importorskip("gtsam", reason="the pose graph needs gtsam")

TOLERANCE = 1e-3  # of the cost


def fed(name, every):
    """The graph of a file, edge by edge; optimised with every `every`-th new pose."""
    from slam.graph.pose_graph import PoseGraph

    graph = PoseGraph(IMPORTED)
    file = read_g2o(shared(f"data/pose_graphs/{name}.g2o"))
    graph.add_first(file.ids()[0], np.eye(4))
    for edge in file.in_order():
        newest = max(edge.from_id, edge.to_id)
        if newest not in graph and newest % every == 0:
            graph.update()
        graph.add(edge)
    graph.update()
    return graph


def optimum(name):
    costs = json.loads(shared("data/pose_graphs/reference_costs.json").read_text())
    return costs[name]["chi2_best"], costs[name]["vertices"]


@pytest.mark.parametrize("name", ["intel", "kitti_00", "parking-garage", "sphere2500"])
def test_files_are_read_whole(name):
    costs = json.loads(shared("data/pose_graphs/reference_costs.json").read_text())[name]
    file = read_g2o(shared(f"data/pose_graphs/{name}.g2o"))
    assert len(file.ids()) == costs["vertices"]
    assert len(file.edges) == costs["edges"]
    assert sum(edge.kind == "loop" for edge in file.edges) == costs["loop_edges"]
    assert file.is_planar == (costs["dim"] == 2)


def test_a_graph_fed_in_groups_settles_at_the_optimum():
    graph = fed("intel", every=100)
    graph.settle()
    best, vertices = optimum("intel")
    assert len(graph.poses()[0]) == vertices
    assert graph.chi2() == pytest.approx(best, rel=TOLERANCE)
    assert np.abs(graph.poses()[1][:, 2, 3]).max() < 1e-6  # it stays in the plane


@pytest.mark.long
@pytest.mark.parametrize("name", ["intel", "kitti_00", "parking-garage", "sphere2500"])
def test_graphs_fed_edge_by_edge_reach_the_stated_cost(name):
    graph = fed(name, every=1)
    best, vertices = optimum(name)
    assert len(graph.poses()[0]) == vertices
    assert graph.chi2() < 1.05 * best  # what iSAM2's thresholds leave
    graph.settle()
    assert graph.chi2() == pytest.approx(best, rel=TOLERANCE)
