import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from perception.kernels import tracking as kernels

unhurried = settings(deadline=None, max_examples=40)  # the first call of a kernel compiles it
EXACT = {"rtol": 1e-12, "atol": 1e-12}


def filters(rng, count):
    states = rng.normal(0, 100, (count, 4, 2))
    covariances = rng.uniform(0.1, 50, (count, 4, 3))
    limit = np.sqrt(covariances[..., 0] * covariances[..., 2])
    covariances[..., 1] = rng.uniform(-0.9, 0.9, (count, 4)) * limit
    return states, covariances


def copies(*arrays):
    return [array.copy() for array in arrays]


def dense(covariance):
    position, both, velocity = covariance
    return np.array([[position, both], [both, velocity]])


@pytest.mark.parametrize("count", [0, 1, 50])
@pytest.mark.parametrize("seconds", [0.0, 1e-3, 0.1, 60.0])
def test_prediction_is_that_of_the_definition(count, seconds):
    rng = np.random.default_rng(count)
    states, covariances = filters(rng, count)
    density = rng.uniform(0, 100, (count, 4))
    want_states, want_covariances = copies(states, covariances)
    kernels.predict(states, covariances, density, seconds)
    kernels.predict_reference(want_states, want_covariances, density, seconds)
    np.testing.assert_allclose(states, want_states, **EXACT)
    np.testing.assert_allclose(covariances, want_covariances, **EXACT)


@pytest.mark.parametrize("count", [0, 1, 50])
@pytest.mark.parametrize("variance", [1e-12, 1.0, 1e12])
def test_correction_is_that_of_the_definition(count, variance):
    rng = np.random.default_rng(count)
    states, covariances = filters(rng, count)
    measured, variances = rng.normal(0, 100, (count, 4)), np.full((count, 4), variance)
    want_states, want_covariances = copies(states, covariances)
    kernels.correct(states, covariances, measured, variances)
    kernels.correct_reference(want_states, want_covariances, measured, variances)
    np.testing.assert_allclose(states, want_states, **EXACT)
    np.testing.assert_allclose(covariances, want_covariances, **EXACT)


def test_both_steps_are_those_of_a_kalman_filter_with_matrices():
    rng = np.random.default_rng(4)
    states, covariances = filters(rng, 1)
    seconds, density, variance, measured = 0.3, 7.0, 2.0, 11.0
    F = np.array([[1, seconds], [0, 1]])
    Q = density * np.array([[seconds**3 / 3, seconds**2 / 2], [seconds**2 / 2, seconds]])
    x, P = F @ states[0, 2], F @ dense(covariances[0, 2]) @ F.T + Q
    K = P[:, 0] / (P[0, 0] + variance)
    x, P = x + K * (measured - x[0]), P - np.outer(K, P[0])
    kernels.predict_reference(states, covariances, np.full((1, 4), density), seconds)
    kernels.correct_reference(states, covariances, np.full((1, 4), measured), np.full((1, 4), variance))
    np.testing.assert_allclose(states[0, 2], x)
    np.testing.assert_allclose(dense(covariances[0, 2]), P, atol=1e-12)


@unhurried
@given(st.floats(0, 10), st.floats(0, 10), st.integers(0, 2**32 - 1))
def test_two_steps_predict_the_same_as_one(first, second, seed):
    rng = np.random.default_rng(seed)
    states, covariances = filters(rng, 3)
    density = rng.uniform(0, 100, (3, 4))
    once_states, once_covariances = copies(states, covariances)
    for seconds in (first, second):
        kernels.predict(states, covariances, density, seconds)
    kernels.predict(once_states, once_covariances, density, first + second)
    np.testing.assert_allclose(states, once_states, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(covariances, once_covariances, rtol=1e-9, atol=1e-9)


@unhurried
@given(st.integers(0, 2**32 - 1), st.floats(1e-6, 1e6))
def test_covariances_stay_valid_over_many_steps(seed, variance):
    rng = np.random.default_rng(seed)
    states, covariances = filters(rng, 4)
    for _ in range(50):
        kernels.predict(states, covariances, np.ones((4, 4)), rng.uniform(0, 1))
        kernels.correct(states, covariances, rng.normal(0, 10, (4, 4)), np.full((4, 4), variance))
    assert (covariances[..., [0, 2]] > 0).all()
    assert (covariances[..., 1] ** 2 <= covariances[..., 0] * covariances[..., 2] * (1 + 1e-9)).all()


CORNERS = hnp.arrays(np.float64, st.tuples(st.integers(0, 8), st.just(4)), elements=st.floats(-1e6, 1e6))


@unhurried
@given(CORNERS, CORNERS, st.integers(0, 2**32 - 1))
def test_overlaps_are_those_of_the_definition_for_any_boxes(first, second, seed):
    rng = np.random.default_rng(seed)
    kinds, other_kinds = rng.integers(0, 2, len(first)), rng.integers(0, 2, len(second))
    arguments = first, kinds, second, other_kinds
    np.testing.assert_allclose(kernels.overlaps(*arguments), kernels.overlaps_reference(*arguments), **EXACT)


def test_overlaps_of_crowds_are_those_of_the_definition():
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 60, (200, 2))
    boxes, kinds = np.hstack([low, low + rng.uniform(5, 40, (200, 2))]), rng.integers(0, 3, 200)
    found = kernels.overlaps(boxes, kinds, boxes[:90], kinds[:90])
    np.testing.assert_allclose(found, kernels.overlaps_reference(boxes, kinds, boxes[:90], kinds[:90]), **EXACT)
    assert (found > 0).sum() > 1000
    np.testing.assert_allclose(np.diag(found), 1.0)


def test_warming_up_compiles_each_kernel_once_for_the_types_of_the_tracker():
    kernels.warm_up()
    assert [len(k.signatures) for k in (kernels.predict, kernels.correct, kernels.overlaps)] == [1, 1, 1]
