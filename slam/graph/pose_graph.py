"""The factor graph: poses of keyframes, incrementally optimised by GTSAM's iSAM2, with wrong factors taken back.

GTSAM holds Python's global lock while it works, so on a robot this class lives in a process of its own
(`process.py`). Source: Kaess et al., "iSAM2: Incremental smoothing and mapping using the Bayes tree", 2012. What is
undone and why: `judge.py`.
"""

import logging
from dataclasses import dataclass, field

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import inverse
from slam.graph.config import GraphConfig
from slam.graph.datum import DatumAligner
from slam.graph.edges import Edges
from slam.graph.factors import (
    MAX_ID,
    Attitude,
    Between,
    Factor,
    Position,
    Prior,
    between_residuals,
    chi2_of,
    information_of,
    is_guess,
    poses_of,
)
from slam.graph.gtsam_factors import datum_key, datum_prior, pose_key, translated
from slam.graph.judge import Cost, cost_of, reason_against
from slam.graph.solver import FIXED, Singular, Solver

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Undone:
    """A factor that was taken back."""

    factor_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Update:
    """What one step did."""

    num_factors: int
    num_poses: int
    undone: tuple[Undone, ...] = ()
    is_corrected: bool = False  # old poses may have moved


@dataclass(slots=True)
class _Pending:
    factors: dict[int, Factor] = field(default_factory=dict)
    initial: dict[int, np.ndarray] = field(default_factory=dict)


class PoseGraph:
    """Add factors with `add`, let `update` optimise them, read `poses`.

    The first pose comes with a `Prior`; every later one with a `Between` it and a pose that is there. Factors have
    numbers, given by the caller or counted up, by which they are reported when they are undone.
    """

    def __init__(self, config: GraphConfig | None = None) -> None:
        """Raises `MissingDependency` without GTSAM."""
        self.config = config or GraphConfig()
        self.factors: dict[int, Factor] = {}  # those that count, by number
        self.undone: dict[int, str] = {}  # reasons by number
        self._solver = Solver(self.config)
        self._pending = _Pending()
        self._ids: set[int] = set()
        self._edges = Edges()
        self._aligner = DatumAligner(self.config.gnss)
        self._has_datum = False
        self._next_id = 0
        self._trusted: set[int] = set()  # of those that wait

    def __contains__(self, pose_id: int) -> bool:
        return pose_id in self._ids or pose_id in self._pending.initial

    def __len__(self) -> int:
        return len(self._ids) + len(self._pending.initial)

    def add_first(self, pose_id: int, T_map_base: np.ndarray) -> int:
        """The first pose, held by the prior of the configuration; returns the number of its factor."""
        deviations = (self.config.prior_position, self.config.prior_rotation)
        return self.add(Prior(pose_id, T_map_base, information_of(*deviations)))

    def add(
        self,
        factor: Factor,
        factor_id: int | None = None,
        initial: np.ndarray | None = None,
        is_trusted: bool = False,
    ) -> int:
        """Take in one factor; returns its number. `initial` (4, 4): where its new pose is, else as the factor says.

        `is_trusted`: it was judged before, as those of a saved map were, and is not judged again; nor is what brings
        a new pose, which hangs on it.
        Satellite fixes wait until their frame can be aligned. Raises `InvalidInput` for a number that was used
        before and for a factor whose poses are not there.
        """
        number = self._next_id if factor_id is None else factor_id
        if not 0 <= number <= MAX_ID:
            raise InvalidInput(f"factor {number}: expected a number from 0 to {MAX_ID}")
        if any(number in known for known in (self.factors, self._pending.factors, self.undone, self._aligner.waiting)):
            raise InvalidInput(f"factor {number}: this number was used before; count up")
        is_needed = self._introduce(factor, initial)
        self._next_id = max(self._next_id, number + 1)
        if is_trusted or is_needed:
            self._trusted.add(number)
        if isinstance(factor, Position) and not self._has_datum:
            self._aligner.wait(number, factor)
        else:
            self._pending.factors[number] = factor
        return number

    def update(self) -> Update:
        """Optimise with what was added. What the solver cannot take, and guesses that contradict, are undone."""
        datum = self._align_datum()
        dropped = self._drop_fixes()
        pending, self._pending = self._pending, _Pending()
        if not pending.factors:
            return Update(0, 0, tuple(dropped))
        before = len(self._ids)
        loops = {n: f for n, f in pending.factors.items() if self._is_on_trial(n, f)}
        for number in loops:
            del pending.factors[number]
        known = {n: f for n, f in pending.factors.items() if n in self._trusted and is_guess(f)}
        undone = dropped + (self._insert(pending, datum, is_plain=bool(known)) if pending.factors else [])
        if known:
            self._put_on_kernels(known)
        undone += self._judge([n for n, f in pending.factors.items() if is_guess(f) and n in self.factors])
        for number, loop in loops.items():
            undone += self._try(number, loop)
        self._trusted -= pending.factors.keys()
        for item in undone:
            log.info("factor %d is undone: %s", item.factor_id, item.reason)
        is_corrected = bool(loops) or any(is_guess(factor) for factor in pending.factors.values())
        return Update(len(pending.factors) + len(loops), len(self._ids) - before, tuple(undone), is_corrected)

    def settle(self) -> None:
        """Go to the optimum itself, whatever iSAM2's thresholds left; takes as long as a batch optimisation."""
        self.update()
        self._solver.settle()

    def undo(self, factor_id: int, reason: str) -> bool:
        """Take a factor back; False where none of this number counts."""
        if factor_id not in self.factors:
            return False
        self._solver.remove(factor_id)
        self._forget(factor_id, reason)
        return True

    def pose(self, pose_id: int) -> np.ndarray:
        """`T_map_base` (4, 4) of a keyframe, optimised or just added. Raises `InvalidInput` where it is unknown."""
        if pose_id in self._pending.initial:
            return self._pending.initial[pose_id]
        if pose_id not in self._ids:
            raise InvalidInput(f"pose {pose_id}: is not in the graph")
        return self._solver.pose(pose_key(pose_id))

    def poses(self) -> tuple[np.ndarray, np.ndarray]:
        """Numbers (N,) int64, ascending, and `T_map_base` (N, 4, 4) of all poses that were optimised."""
        return self._solver.poses()

    @property
    def T_map_enu(self) -> np.ndarray | None:
        """Where the level frame of the satellite fixes lies in the map (4, 4); None before it is aligned."""
        return self._solver.pose(datum_key()) if self._has_datum else None

    def chi2(self) -> float:
        """Twice the error of the graph, robust kernels and priors included."""
        return self._solver.chi2()

    def _introduce(self, factor: Factor, initial: np.ndarray | None) -> bool:
        """Give the new pose of a factor, where there is one, its first value; False where there is none."""
        new = [i for i in poses_of(factor) if i not in self]
        if not new:
            return False
        if isinstance(factor, Attitude | Position) or len(new) > 1:
            raise InvalidInput(f"pose {new[0]}: is not in the graph; add its odometry first")
        if initial is None and isinstance(factor, Prior):
            initial = factor.T_map_base
        elif initial is None and new[0] == factor.to_id:  # type: ignore[union-attr]  # only a Between is left
            initial = self.pose(factor.from_id) @ factor.T_from_to  # type: ignore[union-attr]
        elif initial is None:
            initial = self.pose(factor.to_id) @ inverse(factor.T_from_to)  # type: ignore[union-attr]
        self._pending.initial[new[0]] = initial
        return True

    def _align_datum(self) -> np.ndarray | None:
        """`T_map_enu` at the moment when it becomes known; the fixes that waited for it are pending then."""
        if self._has_datum or not self._aligner.waiting:
            return None
        T_map_enu = self._aligner.align(self.pose)
        if T_map_enu is not None:
            self._pending.factors.update(self._aligner.take())
        return T_map_enu

    def _drop_fixes(self) -> list[Undone]:
        """Fixes that still wait after an alignment was tried, the oldest where there are too many."""
        reason = f"more than {self.config.gnss.max_waiting} fixes wait for their frame; it was the oldest"
        dropped = [Undone(number, reason) for number in self._aligner.drop()]
        self.undone.update((item.factor_id, item.reason) for item in dropped)
        return dropped

    def _insert(self, pending: _Pending, datum: np.ndarray | None, is_plain: bool = False) -> list[Undone]:
        """Give the solver what is pending: together, or piece by piece where it cannot take all."""
        try:
            self._feed(pending, datum, is_plain)
            return []
        except Singular as error:
            if len(pending.factors) == 1:
                (number,) = pending.factors
                self.undone[number] = f"the solver cannot take it: {error}"
                return [Undone(number, self.undone[number])]
        undone: list[Undone] = []
        for number, factor in pending.factors.items():
            new = {i: pending.initial[i] for i in poses_of(factor) if i not in self._ids}
            piece = _Pending({number: factor}, new)
            is_datum_new = isinstance(factor, Position) and not self._has_datum
            undone += self._insert(piece, datum if is_datum_new else None)
        return undone

    def _feed(self, pending: _Pending, datum: np.ndarray | None, is_plain: bool) -> None:
        T_map_enu = datum if datum is not None else self.T_map_enu
        made = {}
        for number, factor in pending.factors.items():
            R_enu_base = None
            if isinstance(factor, Position) and T_map_enu is not None:
                T = pending.initial.get(factor.pose_id)
                T = self.pose(factor.pose_id) if T is None else T
                R_enu_base = T_map_enu[:3, :3].T @ T[:3, :3]
            made[number] = translated(factor, self.config, R_enu_base, is_plain)
        variables = {pose_key(i): T for i, T in pending.initial.items()}
        if datum is not None:
            variables[datum_key()], made[FIXED] = datum, datum_prior(datum, self.config)
        self._solver.feed(made, variables)
        self._has_datum |= datum is not None
        self._ids.update(pending.initial)
        self.factors.update(pending.factors)
        for number, factor in pending.factors.items():
            if isinstance(factor, Between):
                self._edges.add(number, factor)

    def _forget(self, number: int, reason: str) -> None:
        self._edges.remove(number)
        del self.factors[number]
        self.undone[number] = reason

    def _is_on_trial(self, number: int, factor: Factor) -> bool:
        is_loop = isinstance(factor, Between) and factor.kind == "loop"
        return is_loop and self.config.is_undoing and number not in self._trusted

    def _try(self, number: int, loop: Factor) -> list[Undone]:
        """Add a loop without its kernel, so that it pulls with all its weight; keep it, with the kernel, if it fits."""
        assert isinstance(loop, Between)
        distance = self._solver.distance(loop.from_id, loop.to_id, loop.T_from_to, loop.information)
        if distance is not None and distance > self.config.max_rise:
            self.undone[number] = f"its chi2 against the graph is {distance:.4g}, more than {self.config.max_rise:.4g}"
            return [Undone(number, self.undone[number])]
        values, before = self._solver.values(), self._cost()
        undone = self._insert(_Pending({number: loop}), None, is_plain=True)
        if undone:
            return undone
        for _ in range(self.config.max_iterations):
            self._solver.iterate()
            reason = self._reason([number]) or self._contradiction(number, before)
            if reason is None:
                self._solver.replace(number, translated(loop, self.config))
                return []
        assert reason is not None
        self._solver.put_back(values, number)
        self._forget(number, reason.reason)
        return [reason]

    def _cost(self) -> Cost:
        return cost_of(self._edges, *self.poses())

    def _contradiction(self, number: int, before: Cost) -> Undone | None:
        """Why a loop goes because of what it has done to the rest, which cost `before`."""
        reason = reason_against(before, self._cost(), self.config)
        return None if reason is None else Undone(number, reason)

    def _put_on_kernels(self, factors: dict[int, Factor]) -> None:
        """Guesses that were judged before came without a kernel, which would hold them off while the poses are away."""
        self._solver.iterate()
        between = {n: f for n, f in factors.items() if isinstance(f, Between) and n in self.factors}
        self._solver.exchange({number: translated(factor, self.config) for number, factor in between.items()})

    def _judge(self, guesses: list[int]) -> list[Undone]:
        """Undo new fixes and wheel factors, the worst first, until those that are left are believable."""
        undone: list[Undone] = []
        if not guesses:
            return undone
        self._solver.iterate()
        guesses = [number for number in guesses if number not in self._trusted]
        while guesses and self.config.is_undoing:
            reason = self._reason(guesses)
            if reason is None:
                break
            undone.append(reason)
            guesses.remove(reason.factor_id)
            self.undo(reason.factor_id, reason.reason)
        return undone

    def _reason(self, guesses: list[int]) -> Undone | None:
        """The guess to undo next, because of its own chi2."""
        limits = [self._limit(number) for number in guesses]
        chi2 = [self._own_chi2(number) for number in guesses]
        worst = int(np.argmax(np.array(chi2) / np.array(limits)))
        if chi2[worst] <= limits[worst]:
            return None
        return Undone(guesses[worst], f"its own chi2 after optimisation is {chi2[worst]:.4g} > {limits[worst]:.4g}")

    def _limit(self, number: int) -> float:
        is_position = isinstance(self.factors[number], Position)
        return self.config.max_chi2_position if is_position else self.config.max_chi2

    def _own_chi2(self, number: int) -> float:
        """Chi2 of a guess at the estimate, without its kernel."""
        factor = self.factors[number]
        if isinstance(factor, Position):
            T_map_enu = self.T_map_enu
            assert T_map_enu is not None
            T_enu_base = inverse(T_map_enu) @ self.pose(factor.pose_id)
            residual = T_enu_base[:3, :3] @ factor.p_base_antenna + T_enu_base[:3, 3] - factor.p_enu
            return float(residual @ factor.information @ residual)
        assert isinstance(factor, Between)
        ends = self.pose(factor.from_id)[None], self.pose(factor.to_id)[None]
        residuals = between_residuals(*ends, factor.T_from_to[None])
        return float(chi2_of(residuals, factor.information[None])[0])
