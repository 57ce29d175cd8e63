"""The matching is the largest, in one step or in many, and the graph of near pixels is that of its definition."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from perception.kernels.matching import (
    FREE,
    extend,
    extend_reference,
    near_offsets,
    near_pixels,
    near_pixels_reference,
)

Graph = list[list[int]]
MAX_RIGHT = 14


@st.composite
def graphs(draw: st.DrawFn) -> tuple[Graph, int]:
    num_right = draw(st.integers(0, MAX_RIGHT))
    right = st.lists(st.integers(0, num_right - 1), unique=True, max_size=6) if num_right else st.just([])
    return draw(st.lists(right, max_size=16)), num_right


def packed(graph: Graph) -> tuple[np.ndarray, np.ndarray]:
    starts = np.cumsum([0, *map(len, graph)], dtype=np.int64)
    return starts, np.array([v for near in graph for v in near], dtype=np.int32)


def matched(graph: Graph, num_right: int, bounds: list[int]) -> tuple[list[int], np.ndarray]:
    """Pairs after each step, and the partners of left vertices."""
    of_left, of_right = np.full(len(graph), FREE, dtype=np.int32), np.full(num_right, FREE, dtype=np.int32)
    gained = [extend(*packed(graph), of_left, of_right, a, b) for a, b in zip([0, *bounds[:-1]], bounds)]
    return np.cumsum(gained).tolist(), of_left


def scipy_size(graph: Graph, num_right: int) -> int:
    if not graph or not num_right:
        return 0
    starts, neighbours = packed(graph)
    shape = (len(graph), num_right)
    found = maximum_bipartite_matching(csr_array((np.ones(len(neighbours)), neighbours, starts), shape=shape))
    return int((found >= 0).sum())


@settings(max_examples=150, deadline=None)
@given(graphs())
def test_as_many_pairs_as_the_definition_and_scipy_find(given_graph: tuple[Graph, int]) -> None:
    graph, num_right = given_graph
    (size,), of_left = matched(graph, num_right, [len(graph)])
    assert size == extend_reference(graph, {}) == scipy_size(graph, num_right)
    taken = of_left[of_left >= 0].tolist()
    assert len(taken) == len(set(taken)) == size
    assert all(v in graph[u] for u, v in enumerate(of_left.tolist()) if v >= 0)


@settings(max_examples=100, deadline=None)
@given(graphs(), st.data())
def test_a_matching_that_grows_is_the_largest_after_every_step(given_graph: tuple[Graph, int], data) -> None:
    graph, num_right = given_graph
    bounds = sorted([*data.draw(st.lists(st.integers(0, len(graph)), max_size=4)), len(graph)])
    sizes, _ = matched(graph, num_right, bounds)
    assert sizes == [extend_reference(graph[:bound], {}) for bound in bounds]


@pytest.mark.parametrize("density", [0.001, 0.004, 0.03])
def test_large_random_graphs_are_matched_as_scipy_does(density: float) -> None:
    rng = np.random.default_rng(4)
    num_left, num_right = 700, 500
    graph = [np.flatnonzero(row).tolist() for row in rng.random((num_left, num_right)) < density]
    sizes, _ = matched(graph, num_right, [200, 200, num_left])
    assert sizes[-1] == scipy_size(graph, num_right)
    assert sizes[0] == scipy_size(graph[:200], num_right)


def test_a_long_chain_is_untangled_where_greed_fails_everywhere() -> None:
    n = 3000  # each left vertex prefers what the next one alone can have
    graph = [[u + 1, u] for u in range(n)] + [[n]]
    assert matched(graph, n + 1, [n + 1])[0] == [n + 1]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 4.5), st.integers(0, 2**32 - 1))
def test_near_pixels_are_those_of_the_definition(height: int, width: int, radius: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.full((height, width), FREE, dtype=np.int32)
    is_set = rng.random((height, width)) < 0.5
    labels[is_set] = np.arange(is_set.sum())
    pixels = np.argwhere(rng.random((height, width)) < 0.5)
    starts, neighbours = near_pixels(pixels, labels, near_offsets(radius))
    found = [neighbours[a:b].tolist() for a, b in pairwise(starts)]
    assert found == near_pixels_reference(pixels, labels, radius)


def test_the_graph_of_a_dense_drawing_outgrows_its_first_buffer() -> None:
    labels = np.arange(900, dtype=np.int32).reshape(30, 30)
    starts, neighbours = near_pixels(np.argwhere(labels >= 0), labels, near_offsets(6.25))
    assert len(neighbours) == starts[-1] > 16 * 900
    assert neighbours[starts[465] : starts[466]].tolist() == near_pixels_reference(
        np.array([[15, 15]]), labels, 6.25
    )[0]  # fmt: skip


def test_nearest_pixels_come_first_and_the_radius_counts() -> None:
    offsets = near_offsets(2.0)
    squares = (offsets**2).sum(axis=1)
    assert offsets[0].tolist() == [0, 0]
    assert (np.diff(squares) >= 0).all()
    assert squares.max() == 4
    assert len(offsets) == 13
    assert near_offsets(0.0).tolist() == [[0, 0]]
