"""iSAM2 with factors by our numbers: add, remove, roll back what it cannot solve, settle at the optimum."""

from typing import Any

import numpy as np

from perception.core.geometry import inverse
from slam.graph.config import GraphConfig
from slam.graph.factors import between_residuals
from slam.graph.gtsam_factors import DATUM, POSE, ROTATION_FIRST, load, pose3, pose_key

SETTLE_ITERATIONS = 100
SETTLE_TOLERANCE = 1e-10  # relative and absolute change of the cost
ID_MASK = (1 << 56) - 1  # a symbol is a letter in the highest byte, and a number
FIXED = -1  # number of the prior of the datum; factors of the graph count from 0


class Singular(Exception):
    """The solver cannot take these factors; it was put back to where it was before them."""


class Solver:
    """GTSAM's incremental solver. Poses are keyed by symbols `x`, the datum by `d`."""

    def __init__(self, config: GraphConfig) -> None:
        self.config = config
        self._factors: dict[int, Any] = {}  # GTSAM's factors by our numbers
        self._slots: dict[int, int] = {}  # their places in the tree
        self._isam = self._new()
        self._values: Any = None  # the estimate, where it is up to date

    def __contains__(self, key: int) -> bool:
        return bool(self._isam.valueExists(key))

    def feed(self, factors: dict[int, Any], initial: dict[int, np.ndarray]) -> None:
        """Add factors by number, and new variables (4, 4) by key. Raises `Singular`, and then nothing has changed."""
        gtsam = load()
        graph, values = gtsam.NonlinearFactorGraph(), gtsam.Values()
        for key, T in initial.items():
            values.insert(key, pose3(T))
        for factor in factors.values():
            graph.add(factor)
        known = self._isam.getLinearizationPoint() if self._factors else gtsam.Values()
        self._values = None
        try:
            slots = self._isam.update(graph, values).getNewFactorsIndices()
        except (RuntimeError, ValueError, IndexError) as error:
            self._plant(known)
            raise Singular(str(error).strip().partition("\n")[0] or type(error).__name__) from None
        self._factors.update(factors)
        self._slots.update(zip(factors, slots, strict=True))

    def distance(self, from_id: int, to_id: int, T_from_to: np.ndarray, information: np.ndarray) -> float | None:
        """Squared Mahalanobis distance of a relative pose from the estimate: about how much it would cost to add it.

        None where this version of GTSAM does not give joint covariances.
        """
        if not hasattr(self._isam, "jointMarginalCovariance"):
            return None
        ends = pose_key(from_id), pose_key(to_id)
        try:
            joint = self._isam.jointMarginalCovariance(list(ends))
        except (RuntimeError, ValueError, IndexError):
            return None
        T_from, T_to = self.pose(ends[0]), self.pose(ends[1])
        adjoint = np.asarray(pose3(inverse(T_to) @ T_from).AdjointMap())
        cross = adjoint @ joint.at(*ends)
        covariance = joint.at(ends[1], ends[1]) + adjoint @ joint.at(ends[0], ends[0]) @ adjoint.T - cross - cross.T
        covariance = covariance[np.ix_(ROTATION_FIRST, ROTATION_FIRST)] + np.linalg.inv(information)
        (residual,) = between_residuals(T_from[None], T_to[None], T_from_to[None])
        return float(residual @ np.linalg.solve(covariance, residual))

    def put_back(self, values: Any, number: int) -> None:
        """Take a factor out and return to the values from before it."""
        del self._factors[number]
        self._plant(values)

    def remove(self, number: int) -> None:
        """Take a factor out and optimise without it."""
        gtsam = load()
        self._factors.pop(number)
        self._values = None
        self._isam.update(gtsam.NonlinearFactorGraph(), gtsam.Values(), [self._slots.pop(number)])
        self._isam.update()

    def replace(self, number: int, factor: Any) -> None:
        """Put another factor in the place of one, e.g. the same with a kernel."""
        graph = load().NonlinearFactorGraph()
        graph.add(factor)
        self._values = None
        slots = self._isam.update(graph, load().Values(), [self._slots[number]]).getNewFactorsIndices()
        self._factors[number], self._slots[number] = factor, slots[0]

    def exchange(self, factors: dict[int, Any]) -> None:
        """Put other factors in the places of many at once; takes as long as a batch optimisation."""
        values = self.values()
        self._factors.update(factors)
        self._plant(values)

    def iterate(self) -> None:
        """One more step without news."""
        self._isam.update()
        self._values = None

    def settle(self) -> None:
        """Go to the optimum itself, whatever the thresholds left, and plant a new tree there."""
        if not self._factors:
            return
        gtsam = load()
        params = gtsam.LevenbergMarquardtParams()
        params.setMaxIterations(SETTLE_ITERATIONS)
        params.setRelativeErrorTol(SETTLE_TOLERANCE)
        params.setAbsoluteErrorTol(SETTLE_TOLERANCE)
        optimiser = gtsam.LevenbergMarquardtOptimizer(self._graph(), self.values(), params)
        self._plant(optimiser.optimize())

    def values(self) -> Any:
        """GTSAM's estimate of all variables."""
        if self._values is None:
            self._values = self._isam.calculateEstimate()
        return self._values

    def pose(self, key: int) -> np.ndarray:
        """One variable (4, 4)."""
        if self._values is not None:
            return np.asarray(self._values.atPose3(key).matrix())
        return np.asarray(self._isam.calculateEstimatePose3(key).matrix())

    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (N,) int64, ascending, and values (N, 4, 4) of the variables `x`."""
        gtsam = load()
        values = self.values()
        keys = np.array(values.keys(), dtype=np.uint64)
        rows = gtsam.utilities.extractPose3(values).reshape(-1, 12)  # rotation row by row, then translation
        is_pose = (keys >> np.uint64(56)) == ord(POSE)
        rows = rows[is_pose]
        T = np.zeros((len(rows), 4, 4))
        T[:, :3, :3], T[:, :3, 3], T[:, 3, 3] = rows[:, :9].reshape(-1, 3, 3), rows[:, 9:], 1.0
        return (keys[is_pose] & np.uint64(ID_MASK)).astype(np.int64), T

    def chi2(self) -> float:
        """Twice the error of the graph at the estimate, robust kernels and priors included."""
        return 2.0 * float(self._graph().error(self.values()))

    def _new(self) -> Any:
        gtsam = load()
        limits = [self.config.relinearize_rotation] * 3 + [self.config.relinearize_translation] * 3
        thresholds = gtsam.ISAM2ThresholdMap()
        for letter in (POSE, DATUM):
            thresholds.insert((letter, np.array(limits)))
        params = gtsam.ISAM2Params()
        params.setRelinearizeThreshold(thresholds)
        params.relinearizeSkip = 1
        return gtsam.ISAM2(params)

    def _graph(self) -> Any:
        graph = load().NonlinearFactorGraph()
        for factor in self._factors.values():
            graph.add(factor)
        return graph

    def _plant(self, values: Any) -> None:
        """A new tree of the factors that count, linearised at `values`."""
        self._isam, self._values = self._new(), None
        if self._factors:
            slots = self._isam.update(self._graph(), values).getNewFactorsIndices()
            self._slots = dict(zip(self._factors, slots, strict=True))
