import numpy as np
import pytest

from perception.core.geometry import inverse
from perception.place.config import VerificationConfig
from perception.place.consistency import ConsistencyCheck, Revisit, agree, cycle_error
from tests.unit.place.scenes import pose

CONFIG = VerificationConfig()


def revisit(query, reference, error=None):
    """A loop of a drive around a square of 40 m, whose odometry drifts by 1 %."""

    def place(k):
        side, along = divmod(k % 160, 40)
        corners = [(0, 0), (40, 0), (40, 40), (0, 40)]
        yaw = side * np.pi / 2
        x, y = corners[side]
        return pose(x + along * np.cos(yaw), y + along * np.sin(yaw), 0.0, yaw)

    def odometry(k):
        return pose(0.01 * k, -0.004 * k, 0.001 * k) @ place(k)

    T = inverse(place(reference)) @ place(query) @ (np.eye(4) if error is None else error)
    return Revisit(query, reference, T, odometry(query), odometry(reference), float(query), float(reference))


def test_true_revisits_agree_whatever_the_drift_of_odometry():
    assert agree(revisit(165, 5), revisit(171, 11), CONFIG)
    assert agree(revisit(165, 5), revisit(200, 40), CONFIG)
    shift, turn = cycle_error(revisit(165, 5), revisit(165, 5))
    assert (shift, turn) == (pytest.approx(0, abs=1e-9), pytest.approx(0, abs=1e-5))


def test_a_false_revisit_agrees_with_no_true_one():
    assert not agree(revisit(165, 5), revisit(171, 11, pose(3.0, 0.0)), CONFIG)
    assert not agree(revisit(165, 5), revisit(171, 11, pose(yaw=0.1)), CONFIG)


def test_a_revisit_waits_for_another_that_agrees_and_both_pass():
    check = ConsistencyCheck(CONFIG)
    first, second, third = revisit(165, 5), revisit(170, 10), revisit(172, 12)
    assert check.offer(first) == []
    assert check.offer(second) == [first, second]
    assert check.offer(third) == [third]


def test_false_revisits_never_pass_by_one_another():
    check = ConsistencyCheck(CONFIG)
    rng = np.random.default_rng(0)
    for k in range(15):
        error = pose(*rng.uniform(-8, 8, 2), 0.0, rng.uniform(-np.pi, np.pi))
        assert check.offer(revisit(165 + k, 5 + 3 * k, error)) == []
    assert check.offer(revisit(190, 30)) == []
    assert len(check.offer(revisit(195, 35))) == 2


def test_what_is_remembered_is_bounded_and_can_be_forgotten():
    check = ConsistencyCheck(VerificationConfig(recent=3))
    check.offer(revisit(165, 5))
    for k in range(3):
        check.offer(revisit(170 + k, 10 + k, pose(4.0 * (k + 1))))
    assert check.offer(revisit(166, 6)) == []  # the first is forgotten
    check.clear()
    assert check.offer(revisit(165, 5)) == []


def test_without_the_check_each_passes_at_once():
    check = ConsistencyCheck(VerificationConfig(min_support=1))
    one = revisit(165, 5)
    assert check.offer(one) == [one]
