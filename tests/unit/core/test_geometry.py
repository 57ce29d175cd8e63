import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.core import geometry as g

VECTOR = st.tuples(*[st.floats(-10, 10, allow_nan=False)] * 3).map(np.array)
SMALL = st.tuples(*[st.floats(-1, 1, allow_nan=False)] * 3).map(np.array)


def test_left_jacobian_has_the_numbers_of_the_specification():
    want = [
        [0.978484495, -0.151568224, -0.093873648],
        [0.144948069, 0.983449612, -0.059349615],
        [0.103803881, 0.039489149, 0.991724806],
    ]
    assert np.allclose(g.left_jacobian_so3(np.array([0.1, -0.2, 0.3])), want, atol=1e-9)


@given(SMALL)
def test_log_undoes_exp(v):
    assert np.allclose(g.log_so3(g.exp_so3(v)), v, atol=1e-9)


@pytest.mark.parametrize("angle", [0.0, 1e-12, 1e-8, 1e-4, 3.0, np.pi - 1e-9, np.pi])
def test_log_is_exact_near_zero_and_near_half_a_turn(angle):
    axis = np.array([0.6, -0.48, 0.64])
    assert np.allclose(g.exp_so3(g.log_so3(g.exp_so3(angle * axis))), g.exp_so3(angle * axis), atol=1e-9)
    assert np.linalg.norm(g.log_so3(g.exp_so3(angle * axis))) == pytest.approx(angle, abs=1e-9)


@given(VECTOR, SMALL)
def test_left_jacobian_is_the_derivative_of_exp(v, d):
    step = 1e-6
    numeric = g.log_so3(g.exp_so3(v + step * d) @ g.exp_so3(v).T) / step
    assert np.allclose(g.left_jacobian_so3(v) @ d, numeric, atol=1e-4)


@given(VECTOR)
def test_quaternions_and_matrices_agree(v):
    R = g.exp_so3(v)
    q = g.quaternion_from_matrix(R)
    assert q[3] >= 0
    assert np.allclose(g.matrix_from_quaternion(q), R, atol=1e-12)
    assert np.allclose(g.quaternion_from_matrix(np.stack([R, R.T]))[0], q)


@given(VECTOR, VECTOR)
def test_rotation_between_turns_one_direction_into_the_other(a, b):
    if min(np.linalg.norm(a), np.linalg.norm(b)) < 1e-3:
        return
    R = g.rotation_between(a, b)
    assert np.allclose(R @ a / np.linalg.norm(a), b / np.linalg.norm(b), atol=1e-6)
    assert np.allclose(R @ R.T, np.eye(3), atol=1e-6)


def test_rotation_between_opposite_directions_is_half_a_turn():
    for a in np.eye(3):
        assert np.allclose(g.rotation_between(a, -a) @ a, -a)


def test_interpolation_goes_through_both_ends_and_beyond():
    T_a = g.transform(g.exp_so3(np.array([0.1, 0.2, 0.3])), np.array([1.0, 2.0, 3.0]))
    T_b = g.transform(g.exp_so3(np.array([0.4, -0.2, 0.3])), np.array([2.0, 2.0, 5.0]))
    assert np.allclose(g.interpolate(T_a, T_b, 0.0), T_a)
    assert np.allclose(g.interpolate(T_a, T_b, 1.0), T_b)
    assert np.allclose(g.interpolate(T_a, T_b, 2.0)[:3, 3], [3.0, 2.0, 7.0])


def test_inverse_and_apply_agree_on_stacks():
    T = g.transform(g.exp_so3(np.array([0.1, 0.2, 0.3])), np.array([1.0, 2.0, 3.0]))
    assert np.allclose(g.inverse(np.stack([T, T]))[1] @ T, np.eye(4))
    points = np.array([[1, 2, 3]], dtype=np.float32)
    assert g.apply(T, points).dtype == np.float32
    assert np.allclose(g.apply(g.inverse(T), g.apply(T, points)), points, atol=1e-6)
