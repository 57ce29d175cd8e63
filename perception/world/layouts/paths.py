"""Paths as rounded polygons, and the courses that follow them over the ground."""

import numpy as np

from perception.world.layouts.plan import Terrain
from perception.world.motion import Course

PATH_STEP = 0.1  # m, of the sampled path
STEPS_MULTIPLE = 10  # a path has so many steps or a multiple, so that knots fit whole laps


def wave(length: float, amplitude: float) -> np.ndarray:
    """A path along x that sways gently and repeats after `length`."""
    x = np.linspace(0.0, length, round(length / PATH_STEP) + 1)
    return np.column_stack([x, amplitude * (1.0 - np.cos(2.0 * np.pi * x / length))])


def rounded(corners: np.ndarray, radius: float, blur: float) -> np.ndarray:
    """A closed polygon (first point repeated) with round corners, as a dense path whose curvature changes gently."""
    pieces = []
    for i in range(1, len(corners) - 1):
        before, corner, after = corners[i - 1], corners[i], corners[i + 1]
        a, b = before - corner, after - corner
        a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
        half = 0.5 * np.arccos(np.clip(a @ b, -1.0, 1.0))
        if half > 0.5 * np.pi - 1e-6:
            continue
        centre = corner + (a + b) / np.linalg.norm(a + b) * radius / np.sin(half)
        start, stop = corner + a * radius / np.tan(half) - centre, corner + b * radius / np.tan(half) - centre
        turn = np.arctan2(start[0] * stop[1] - start[1] * stop[0], start @ stop)
        angle = np.linspace(0.0, turn, 40)[:, None]
        across = np.array([-start[1], start[0]])
        pieces.append(centre + np.cos(angle) * start + np.sin(angle) * across)
    path = np.vstack([corners[:1], *pieces, corners[-1:]])
    return _blurred(_resampled(path, PATH_STEP), blur)


def _resampled(path: np.ndarray, step: float) -> np.ndarray:
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    at = np.linspace(0.0, length[-1], STEPS_MULTIPLE * round(length[-1] / step / STEPS_MULTIPLE) + 1)
    return np.column_stack([np.interp(at, length, path[:, k]) for k in range(2)])


def _blurred(path: np.ndarray, width: float) -> np.ndarray:
    """A closed path averaged by two Hann windows of `width` metres: its curvature becomes smooth."""
    window = np.hanning(2 * round(width / PATH_STEP / 2) + 1)
    window /= window.sum()
    half = len(window) // 2
    ring = path[:-1]
    for _ in range(2):
        padded = np.vstack([ring[-half:], ring, ring[:half]])
        ring = np.column_stack([np.convolve(padded[:, k], window, mode="valid") for k in range(2)])
    return np.vstack([ring, ring[:1]])


def make_course(path: np.ndarray, terrain: Terrain, knot_step: float) -> Course:
    """The course of a base that follows a path (K, 2) and stands on the ground."""
    every = round(knot_step / PATH_STEP)
    lap = path[-1] - path[0]
    around = np.vstack([path[-2] - lap, path, path[1] + lap])
    ahead = around[2:] - around[:-2]
    yaw = np.unwrap(np.arctan2(ahead[:, 1], ahead[:, 0]))
    length = np.append(0.0, np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1)))
    slope_x, slope_y = terrain.slope(path[:, 0], path[:, 1])
    climb = slope_x * np.cos(yaw) + slope_y * np.sin(yaw)
    bank = slope_y * np.cos(yaw) - slope_x * np.sin(yaw)
    height = terrain.height(path[:, 0], path[:, 1])
    values = np.column_stack([path, height, yaw, -np.arctan(climb), np.arctan(bank)])
    return Course(length[::every], values[::every])
