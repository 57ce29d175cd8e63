import tracemalloc

import numpy as np
import pytest

pytest.importorskip("faiss")

from perception.core.errors import InvalidInput
from perception.place.config import IndexConfig
from perception.place.index import DescriptorIndex, PlaceIndex, Reduction, fit_reduction, unit

S = 1_000_000_000


def places(count, dimensions=32, per_place=8, seed=0, noise=0.35):
    """Descriptors as revisits have them: clusters around places."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(0, 1, (max(1, count // per_place), dimensions))
    return unit(centres[rng.integers(0, len(centres), count)] + noise * rng.normal(0, 1, (count, dimensions)))


def exact(vectors, query, count, limit=None):
    products = vectors[:limit] @ query
    return np.argsort(-products, kind="stable")[:count]


def test_few_places_are_found_exactly():
    vectors = places(300)
    index = DescriptorIndex(32, IndexConfig())
    for part in np.array_split(vectors, 7):
        index.add(part)
    assert index.is_exact
    assert len(index) == 300
    for query in places(20, seed=1):
        rows, products = index.search(query, 5)
        np.testing.assert_array_equal(rows, exact(vectors, query, 5))
        np.testing.assert_allclose(products, vectors[rows] @ query, atol=1e-6)


@pytest.mark.parametrize("limit", [0, 1, 100, 299, 5000])
def test_only_the_first_places_are_looked_at_where_that_is_asked(limit):
    vectors, query = places(300), places(1, seed=2)[0]
    index = DescriptorIndex(32, IndexConfig())
    index.add(vectors)
    np.testing.assert_array_equal(index.search(query, 5, limit)[0], exact(vectors, query, 5, limit))


@pytest.mark.parametrize("kind", [{"kind": "ivf"}, {"kind": "hnsw"}])
def test_many_places_are_found_nearly_as_well_as_by_exact_search(kind):
    vectors, queries = places(4000), places(100, seed=0, noise=0.3)
    index = DescriptorIndex(32, IndexConfig(exact_below=500, **kind))
    for part in np.array_split(vectors, 40):
        index.add(part)
        if len(index) == 2000:
            assert index.is_exact  # nothing is made anew while places are added
            index.reorganise()
    assert not index.is_exact
    assert len(index) == 4000
    hits = [index.search(query, 1)[0][0] == exact(vectors, query, 1)[0] for query in queries]
    assert np.mean(hits) >= 0.99
    limited = [index.search(query, 1, 700)[0] for query in queries]
    assert max(int(rows[0]) for rows in limited if len(rows)) < 700
    assert set(index.search(queries[0], 50, 7)[0]) <= set(range(7))  # fewer than it compares exactly


def test_codes_of_bytes_find_the_right_place():
    vectors = places(3000, noise=0.2)
    index = DescriptorIndex(32, IndexConfig(exact_below=1000, is_compressed=True, code_bytes=16))
    for part in np.array_split(vectors, 10):
        index.add(part)
    index.reorganise()
    found = [index.search(query, 1)[0][0] for query in vectors[:200]]
    assert np.mean([vectors[row] @ vectors[k] > 0.8 for k, row in enumerate(found)]) >= 0.99
    with pytest.raises(InvalidInput, match="code_bytes"):
        DescriptorIndex(32, IndexConfig(is_compressed=True, code_bytes=7))


@pytest.mark.parametrize("kind", [{}, {"kind": "ivf"}, {"kind": "hnsw"}])
def test_vectors_are_kept_once(kind):
    vectors = places(3000)
    index = DescriptorIndex(32, IndexConfig(exact_below=500 if kind else 20_000, **kind))
    tracemalloc.start()  # sees NumPy, but not what FAISS holds
    for part in np.array_split(vectors, 10):
        index.add(part)
    index.reorganise()
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 0.1 * vectors.nbytes


@pytest.mark.parametrize("kind", ["ivf", "hnsw"])
def test_the_same_descriptors_give_the_same_answers_again(kind):
    vectors, queries = places(2500), places(30, seed=3)
    answers = []
    for _ in range(2):
        index = DescriptorIndex(32, IndexConfig(exact_below=800, kind=kind))
        for part in np.array_split(vectors, 5):
            index.add(part)
        index.reorganise()
        answers.append(np.stack([index.search(query, 3)[0] for query in queries]))
    np.testing.assert_array_equal(*answers)


def test_what_is_no_descriptor_is_refused():
    index = DescriptorIndex(4, IndexConfig())
    with pytest.raises(InvalidInput, match="vectors"):
        index.add(np.zeros((1, 5), dtype=np.float32))
    with pytest.raises(InvalidInput, match="finite"):
        index.add(np.full((1, 4), np.nan, dtype=np.float32))
    assert len(index.search(np.zeros(4, dtype=np.float32), 3)[0]) == 0


def drive(config=None, count=100):
    """A keyframe each second and two metres."""
    index = PlaceIndex(DescriptorIndex(16, config or IndexConfig(max_distance=2.0)))
    vectors = places(count, 16, per_place=1)
    for k, vector in enumerate(vectors):
        assert index.add(vector, k * S, 2.0 * k) == k
    return index, vectors


def test_recent_places_are_no_candidates():
    index, vectors = drive()
    for candidate in index.candidates(vectors[99], 99 * S, 198.0):
        assert candidate.row <= 69
    slow = index.candidates(vectors[99], 99 * S, 100.0)
    assert max(candidate.row for candidate in slow) <= 25
    early = index.candidates(vectors[20], 20 * S, 40.0)
    assert not early


def test_places_of_another_session_are_never_too_recent():
    index, vectors = drive()
    index.begin_session()
    assert index.add(vectors[0], 5, 0.0) == 100
    best = index.candidates(vectors[99], 6, 0.1)[0]
    assert (best.row, best.distance) == (99, pytest.approx(0.0, abs=1e-3))


def test_places_that_look_different_are_no_candidates():
    index, vectors = drive(IndexConfig(max_distance=0.3))
    found = index.candidates(vectors[10], 99 * S, 198.0)
    assert [candidate.row for candidate in found] == [10]


def test_time_that_runs_back_is_refused():
    index, vectors = drive(count=3)
    with pytest.raises(InvalidInput, match="session"):
        index.add(vectors[0], S, 100.0)


@pytest.mark.parametrize("is_white", [False, True])
def test_shortened_descriptors_keep_their_neighbours(is_white):
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(0, 1, (200, 24)))[0]
    vectors = unit(rng.normal(0, 1, (500, 24)) @ basis.T + 0.01 * rng.normal(0, 1, (500, 200)))
    reduction = fit_reduction(vectors, 24, is_white)
    again = Reduction(**{name: getattr(reduction, name) for name in ("mean", "projection")})
    short = again.apply(vectors)
    assert short.shape == (500, 24)
    np.testing.assert_allclose(np.linalg.norm(short, axis=1), 1.0, atol=1e-5)
    queries = unit(vectors[:50] + 0.02 * rng.normal(0, 1, (50, 200)))
    np.testing.assert_array_equal((again.apply(queries) @ short.T).argmax(axis=1), np.arange(50))


def test_fewer_descriptors_than_directions_leave_zeros():
    vectors = places(5, 32)
    reduction = fit_reduction(vectors, 16)
    assert not reduction.projection[:, 5:].any()
    with pytest.raises(InvalidInput, match="directions"):
        fit_reduction(vectors[:1], 4)


def test_an_index_may_hold_shortened_descriptors():
    vectors = places(60, 32, per_place=1)
    index = PlaceIndex(DescriptorIndex(8, IndexConfig(max_distance=2.0)), fit_reduction(vectors, 8))
    for k, vector in enumerate(vectors):
        index.add(vector, k * S, 2.0 * k)
    assert index.candidates(vectors[3], 59 * S, 118.0)[0].row == 3
