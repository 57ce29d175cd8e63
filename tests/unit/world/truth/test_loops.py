import numpy as np

from perception.core.geometry import transform
from perception.core.stamps import NS_PER_S
from perception.world.truth.loops import loop_pairs


def _drive(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One key frame a second."""
    T = np.array([transform(np.eye(3), place) for place in places]).reshape(-1, 4, 4)
    return np.arange(len(places), dtype=np.int64) * NS_PER_S, T


def _round_trip(offset: float) -> np.ndarray:
    """40 m out along x at 1 m/s and back beside it."""
    x = np.concatenate([np.arange(41.0), np.arange(39.0, -1.0, -1.0)])
    y = np.where(np.arange(81) > 40, offset, 0.0)
    return np.column_stack([x, y, np.zeros(81)])


def test_every_pair_is_near_in_space_and_far_in_time_and_travel():
    stamps, T = _drive(_round_trip(2.0))
    pairs = loop_pairs(stamps, T)
    first, second = T[pairs[:, 0], :3, 3], T[pairs[:, 1], :3, 3]
    distance = np.linalg.norm(first - second, axis=1)
    assert len(pairs) > 100
    assert pairs.dtype == np.int64
    assert (distance <= 5.0).all()
    assert (np.diff(distance) >= 0.0).all()
    assert (stamps[pairs[:, 1]] - stamps[pairs[:, 0]] >= 30 * NS_PER_S).all()
    assert (pairs[:, 1] - pairs[:, 0] >= 49).all()  # 50 m at 1 m/s; the step aside is longer than 1 m


def test_pairs_are_those_of_a_search_by_hand():
    stamps, T = _drive(_round_trip(1.0))
    found = set(map(tuple, loop_pairs(stamps, T, max_distance=1.5, min_gap_ns=10 * NS_PER_S, min_travel=20.0).tolist()))
    travel = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(T[:, :3, 3], axis=0), axis=1)))
    wanted = {
        (i, j)
        for i in range(81)
        for j in range(i + 10, 81)
        if np.linalg.norm(T[i, :3, 3] - T[j, :3, 3]) <= 1.5 and travel[j] - travel[i] >= 20.0
    }
    assert found == wanted


def test_waiting_closes_no_loop():
    stamps, T = _drive(np.zeros((100, 3)))
    assert loop_pairs(stamps, T).shape == (0, 2)


def test_floors_above_each_other_are_different_places():
    places = _round_trip(1.0)
    places[41:, 2] = 6.0
    assert len(loop_pairs(*_drive(places))) == 0


def test_no_or_one_key_frame_has_no_pairs():
    for count in (0, 1):
        pairs = loop_pairs(*_drive(np.zeros((count, 3))))
        assert pairs.shape == (0, 2)
        assert pairs.dtype == np.int64
