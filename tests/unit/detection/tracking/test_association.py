import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.detection.tracking.association import assigned

TABLES = hnp.arrays(np.float64, st.tuples(st.integers(0, 4), st.integers(0, 4)), elements=st.floats(0, 1))


@settings(deadline=None)
@given(TABLES, st.sampled_from([0.1, 0.5, 0.9]))
def test_the_pairs_have_the_largest_sum_and_the_rest_is_left(similarity, least):
    pairs = assigned(similarity, least)
    n, m = similarity.shape
    assert (similarity[pairs.rows, pairs.columns] >= least).all()
    assert sorted([*pairs.rows, *pairs.rows_left]) == list(range(n))
    assert sorted([*pairs.columns, *pairs.columns_left]) == list(range(m))
    gains = np.where(similarity >= least, similarity, 0)
    gains = gains if n <= m else gains.T
    best = max(
        sum(row[c] for row, c in zip(gains, columns)) for columns in itertools.permutations(range(max(n, m)), min(n, m))
    )
    assert similarity[pairs.rows, pairs.columns].sum() == pytest.approx(best)


def test_a_pair_that_is_not_allowed_takes_nothing_from_one_that_is():
    pairs = assigned(np.array([[0.30, 0.29], [0.29, 0.0]]), 0.295)
    assert (pairs.rows.tolist(), pairs.columns.tolist()) == ([0], [0])
