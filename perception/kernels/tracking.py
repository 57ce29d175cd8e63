"""Kalman filters of many boxes at once, and their overlaps with detected boxes.

A box is cx, cy, w, h. Each coordinate has a filter of its own with a position and a velocity: with noise that is
independent per coordinate the eight-dimensional filter falls apart into these four exactly. Velocities change by white
noise, so that one long step gives the same as many short ones. Each kernel stands beside its definition in NumPy.

States are (N, 4, 2) float64: position (px), velocity (px/s); covariances (N, 4, 3) float64: of the position, of both,
of the velocity.
"""

import numpy as np
from numba import njit

POSITION, BOTH, VELOCITY = 0, 1, 2  # entries of a covariance


def predict_reference(states: np.ndarray, covariances: np.ndarray, density: np.ndarray, seconds: float) -> None:
    """Move filters on by `seconds`, in place. `density` (N, 4), px^2/s^3, is that of the unknown acceleration."""
    position, both, velocity = (covariances[..., k] for k in (POSITION, BOTH, VELOCITY))
    states[..., 0] += states[..., 1] * seconds
    position += seconds * (2 * both + seconds * velocity) + density * (seconds**3 / 3)
    both += seconds * velocity + density * (seconds**2 / 2)
    velocity += density * seconds


def correct_reference(states: np.ndarray, covariances: np.ndarray, measured: np.ndarray, variances: np.ndarray) -> None:
    """Correct filters, in place, by boxes `measured` (N, 4) with `variances` (N, 4) > 0, px^2."""
    position, both, velocity = (covariances[..., k] for k in (POSITION, BOTH, VELOCITY))
    total = position + variances
    innovation = measured - states[..., 0]
    states[..., 0] += position / total * innovation
    states[..., 1] += both / total * innovation
    velocity -= both / total * both
    both *= variances / total
    position *= variances / total


def overlaps_reference(
    corners: np.ndarray, kinds: np.ndarray, others: np.ndarray, other_kinds: np.ndarray
) -> np.ndarray:
    """IoU (N, M) float64 of boxes (N, 4) and (M, 4) float64, corners; 0 where their kinds (int64) differ."""
    low = np.maximum(corners[:, None, :2], others[None, :, :2])
    high = np.minimum(corners[:, None, 2:], others[None, :, 2:])
    size = np.maximum(high - low, 0.0)
    shared = size[..., 0] * size[..., 1]
    area, other_area = ((c[:, 2] - c[:, 0]) * (c[:, 3] - c[:, 1]) for c in (corners, others))
    union = area[:, None] + other_area[None, :] - shared
    is_met = (shared > 0) & (kinds[:, None] == other_kinds[None, :])
    return np.divide(shared, union, out=np.zeros_like(shared), where=is_met)


@njit(nogil=True, cache=True)
def predict(states, covariances, density, seconds):  # type: ignore[no-untyped-def]
    """The same as `predict_reference`."""
    for n in range(states.shape[0]):
        for k in range(states.shape[1]):
            both, velocity, noise = covariances[n, k, BOTH], covariances[n, k, VELOCITY], density[n, k]
            states[n, k, 0] += states[n, k, 1] * seconds
            covariances[n, k, POSITION] += seconds * (2 * both + seconds * velocity) + noise * (seconds**3 / 3)
            covariances[n, k, BOTH] += seconds * velocity + noise * (seconds**2 / 2)
            covariances[n, k, VELOCITY] += noise * seconds


@njit(nogil=True, cache=True, error_model="numpy")
def correct(states, covariances, measured, variances):  # type: ignore[no-untyped-def]
    """The same as `correct_reference`."""
    for n in range(states.shape[0]):
        for k in range(states.shape[1]):
            position, both = covariances[n, k, POSITION], covariances[n, k, BOTH]
            total = position + variances[n, k]
            innovation = measured[n, k] - states[n, k, 0]
            states[n, k, 0] += position / total * innovation
            states[n, k, 1] += both / total * innovation
            covariances[n, k, VELOCITY] -= both / total * both
            covariances[n, k, BOTH] *= variances[n, k] / total
            covariances[n, k, POSITION] *= variances[n, k] / total


@njit(nogil=True, cache=True, error_model="numpy")
def overlaps(corners, kinds, others, other_kinds):  # type: ignore[no-untyped-def]
    """The same as `overlaps_reference`."""
    found = np.zeros((len(corners), len(others)), dtype=np.float64)
    for n in range(len(corners)):
        x1, y1, x2, y2 = corners[n, 0], corners[n, 1], corners[n, 2], corners[n, 3]
        area = (x2 - x1) * (y2 - y1)
        for m in range(len(others)):
            width = min(x2, others[m, 2]) - max(x1, others[m, 0])
            height = min(y2, others[m, 3]) - max(y1, others[m, 1])
            if kinds[n] != other_kinds[m] or not width > 0.0 or not height > 0.0:
                continue
            shared = width * height
            other_area = (others[m, 2] - others[m, 0]) * (others[m, 3] - others[m, 1])
            if shared > 0.0:
                found[n, m] = shared / (area + other_area - shared)
    return found


def warm_up() -> None:
    """Compile the kernels with the types of the tracker."""
    states, covariances, boxes = np.zeros((1, 4, 2)), np.ones((1, 4, 3)), np.ones((1, 4))
    kinds = np.zeros(1, dtype=np.int64)
    predict(states, covariances, boxes, 0.1)
    correct(states, covariances, boxes, boxes)
    overlaps(boxes, kinds, boxes, kinds)
