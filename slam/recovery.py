"""When a scan does not fit where it was predicted: other attitudes are tried, and the one that fits best is kept.

For scans that were predicted by a constant motion only; a gyro leaves no such doubt about the attitude.
"""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from perception.core.geometry import exp_so3
from slam.filter import Correction, Filter
from slam.measurement import ScanMeasurement
from slam.state import State

DROP = 0.8  # of the usual share of matched points; below it the scan is likely to lie in the wrong place
LOW_SHARE, ROUGH_FIT = 0.65, 0.1  # fewer matches than this with a larger rms residual (m) are doubtful anyway
FOLLOW, FOLLOW_SLOWLY = 0.2, 0.02  # weight of a scan in the usual share; that of a doubtful one
TRIAL_POINTS = 1000  # of the scan are enough to tell the attitudes apart; they bound the time
TURNS_DEG = (8.0, 16.0)  # about each axis, both ways: the registration converges from half the step
FURTHER_YAWS_DEG = (24.0, 32.0)
FIRST_ITERATIONS, FURTHER_ITERATIONS, LAST_ITERATIONS = 3, 7, 20
NUM_CANDIDATES = 5  # that are followed further
FIT_NOISE = 0.05  # m, residual at which a match counts half


class MatchShare:
    """Which share of the points usually finds its surface. It differs between sensors, places and rest and motion."""

    def __init__(self) -> None:
        self.usual = 0.0  # grows with the first scans, so that a young map raises no doubt

    def is_doubtful(self, measurement: ScanMeasurement) -> bool:
        """True when far fewer points than usual matched, or few and badly: the scan is likely to lie elsewhere."""
        equations = measurement.equations
        if equations is None:
            return False
        share = _share(measurement)
        is_rough = equations.sum_squared_residual > ROUGH_FIT**2 * equations.num_matches
        return share < DROP * self.usual or (is_rough and share < min(LOW_SHARE, 2.0 * self.usual))

    def learn(self, measurement: ScanMeasurement) -> None:
        """Take a registered scan into account."""
        if measurement.equations is not None:
            weight = FOLLOW_SLOWLY if self.is_doubtful(measurement) else FOLLOW
            self.usual += weight * (_share(measurement) - self.usual)


def _share(measurement: ScanMeasurement) -> float:
    num_matches = measurement.equations.num_matches if measurement.equations is not None else 0
    return num_matches / max(len(measurement.points), 1)


def trial_points(points: np.ndarray) -> np.ndarray:
    """About `TRIAL_POINTS` of the points (N, 3), evenly taken."""
    return np.ascontiguousarray(points[:: max(len(points) // TRIAL_POINTS, 1)])


def recover(filter_: Filter, last: State, measurement: ScanMeasurement, trial: ScanMeasurement) -> Correction:
    """Update `filter_`, which holds a prediction, from the start that leads to the best fit.

    `last` is the state before the prediction: the body may have stopped. `trial` measures some of the points without
    a robust kernel, which converges from farther away.
    """
    candidates = _best(filter_, trial, _starts(filter_.state, last), FIRST_ITERATIONS)[:NUM_CANDIDATES]
    best = _best(filter_, trial, candidates, FURTHER_ITERATIONS)
    return filter_.update(measurement, best[0] if best else filter_.state, LAST_ITERATIONS)


def fit(measurement: ScanMeasurement, state: State) -> float:
    """Number of matches at `state`, each less the larger the residuals are."""
    equations = measurement(state, True)
    if equations.num_matches == 0:
        return 0.0
    rms = np.sqrt(equations.sum_squared_residual / equations.num_matches)
    return float(equations.num_matches * FIT_NOISE / (FIT_NOISE + rms))


def _best(filter_: Filter, measurement: ScanMeasurement, starts: Iterable[State], iterations: int) -> list[State]:
    """The states that the starts lead to, best fit first."""
    found = []
    for start in starts:
        state, _, correction = filter_.iterate(measurement, start, iterations)
        if correction.is_accepted:
            found.append((fit(measurement, state), state))
    return [state for _, state in sorted(found, key=lambda pair: -pair[0])]


def _starts(prior: State, last: State) -> list[State]:
    turns = [np.zeros(3)]
    turns += [np.radians(sign * angle) * axis for angle in TURNS_DEG for axis in np.eye(3) for sign in (1.0, -1.0)]
    turns += [np.radians([0.0, 0.0, sign * angle]) for angle in FURTHER_YAWS_DEG for sign in (1.0, -1.0)]
    stopped = replace(prior, position=last.position, R=last.R)
    return [replace(state, R=state.R @ exp_so3(turn)) for turn in turns for state in (prior, stopped)]
