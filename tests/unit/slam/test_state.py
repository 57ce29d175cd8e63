"""The manifold of the filter state: numbers of the specification, derivatives, and the compiled twins."""

import numpy as np
import pytest

from perception.core.geometry import exp_so3, left_jacobian_so3
from slam import kernels_inertial as kernels
from slam import state as s
from slam.state import GRAVITY, State, boxminus, boxplus, error_jacobian, s2_basis, s2_boxminus, unpacked

SPEC_GRAVITY = np.array([0.300072489, -0.200048326, -9.802367988])


def random_state(seed: int) -> State:
    random = np.random.default_rng(seed)
    direction = random.standard_normal(3)
    return State(
        random.uniform(-1e3, 1e3, 3),
        exp_so3(random.uniform(-2.0, 2.0, 3)),
        exp_so3(random.uniform(-2.0, 2.0, 3)),
        random.standard_normal(3),
        random.uniform(-30.0, 30.0, 3),
        0.1 * random.standard_normal(3),
        random.standard_normal(3),
        GRAVITY * direction / np.linalg.norm(direction),
    )


def random_error(seed: int, scale: float) -> np.ndarray:
    return scale * np.random.default_rng(seed).uniform(-1.0, 1.0, 23)


def test_left_jacobian_has_the_numbers_of_the_specification():
    expected = [
        [0.978484495, -0.151568224, -0.093873648],
        [0.144948069, 0.983449612, -0.059349615],
        [0.103803881, 0.039489149, 0.991724806],
    ]
    np.testing.assert_allclose(left_jacobian_so3(np.array([0.1, -0.2, 0.3])), expected, atol=1e-9)


def test_basis_across_gravity_has_the_numbers_of_the_specification():
    expected = [[0.020394365, 0.999323885], [0.999596416, -0.019775610], [-0.019775610, 0.030995131]]
    np.testing.assert_allclose(s2_basis(SPEC_GRAVITY), expected, atol=1e-9)


@pytest.mark.parametrize("g", [[9.8, 0, 0], [-9.8, 0, 0], [-9.8, 1e-3, 0], [0, 0, -9.8], [0, 9.8, 0], [1, 2, 3]])
def test_basis_is_orthonormal_and_across_gravity_everywhere(g):
    basis = s2_basis(np.array(g, dtype=float))
    np.testing.assert_allclose(basis.T @ basis, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(basis.T @ g, 0.0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.0, 1e-9, 1e-3, 0.5])
def test_boxminus_undoes_boxplus(scale):
    for seed in range(50):
        x, delta = random_state(seed), random_error(seed + 1000, scale)
        np.testing.assert_allclose(boxminus(boxplus(x, delta), x), delta, atol=1e-7 * max(scale, 1e-2))


def test_gravity_keeps_its_length_when_moved():
    moved = boxplus(random_state(3), random_error(4, 0.7)).gravity
    assert np.linalg.norm(moved) == pytest.approx(GRAVITY, abs=1e-12)


def test_equal_gravities_have_no_difference():
    np.testing.assert_array_equal(s2_boxminus(SPEC_GRAVITY, SPEC_GRAVITY), [0.0, 0.0])


def test_error_jacobian_is_the_derivative_of_moving_the_origin_of_the_error():
    step = 1e-6
    for seed in range(10):
        origin, delta = random_state(seed), random_error(seed + 50, 0.4)
        x = boxplus(origin, delta)
        columns = []
        for k in range(23):
            e = np.zeros(23)
            e[k] = step
            columns.append(
                (boxminus(boxplus(origin, delta + e), x) - boxminus(boxplus(origin, delta - e), x)) / (2 * step)
            )
        np.testing.assert_allclose(error_jacobian(origin, delta), np.array(columns).T, atol=1e-6)


def test_packed_state_is_read_back_unchanged():
    x = random_state(1)
    for name in State.__slots__:
        np.testing.assert_array_equal(getattr(unpacked(x.packed()), name), getattr(x, name))


@pytest.mark.parametrize("scale", [0.0, 1e-12, 1e-6, 0.3, 2.5])
def test_compiled_boxplus_and_boxminus_equal_their_definitions(scale):
    for seed in range(50):
        x, delta = random_state(seed), random_error(seed + 100, scale)
        out, back = np.empty(36), np.empty(23)
        kernels.boxplus_into(x.packed(), delta, out)
        moved = boxplus(x, delta)
        np.testing.assert_allclose(out, moved.packed(), rtol=0, atol=1e-12)
        kernels.boxminus_into(out, x.packed(), back)
        np.testing.assert_allclose(back, boxminus(moved, x), rtol=0, atol=1e-9)


def test_compiled_boxminus_is_exact_for_half_turns():
    x = random_state(5)
    for axis in np.vstack((np.eye(3), -np.eye(3), [[0.6, 0.0, 0.8]])):
        delta = np.zeros(23)
        delta[s.ROTATION] = (np.pi - 1e-7) * axis
        back = np.empty(23)
        kernels.boxminus_into(boxplus(x, delta).packed(), x.packed(), back)
        np.testing.assert_allclose(back, delta, atol=1e-6)


def test_compiled_transport_equals_its_definition():
    for seed in range(20):
        x, delta = random_state(seed), random_error(seed + 200, 0.3)
        A = np.random.default_rng(seed).standard_normal((23, 23))
        P = A @ A.T
        J = error_jacobian(x, delta)
        out = P.copy()
        kernels.transport(x.packed(), delta, out)
        np.testing.assert_allclose(out, J @ P @ J.T, rtol=0, atol=1e-11 * np.abs(P).max())
