"""People in a pose: standing, walking, sitting, with what they carry; and how they walk along a line and back."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from perception.core.classes import Class
from perception.core.stamps import NS_PER_S
from perception.world.geometry.mesh import Mesh, joined
from perception.world.layout import Terrain
from perception.world.materials import Material
from perception.world.objects.carried import carrying, with_hat
from perception.world.objects.colours import BLACK, BRIGHT, CHROME, STEEL, cloth, one_of
from perception.world.objects.figure import Figure, Limb, draw_build, draw_outfit, make_figure, seated, swung
from perception.world.objects.shapes import Parts, Stuff, beam, lathe, rod, rotated, rounded_box, vec
from perception.world.variety import TRAINING, Variety

HALF_WIDTH = 0.35  # m, between the line of a walk and its middle
CARRIED_SHARE = 0.55  # of the people carry something
SEAT_HEIGHT = 0.53  # m, of the hip joints of somebody on a chair
SEATED_LEGWEAR = ("trousers", "shorts", "trousers", "wide")


def make_person(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A person in a pose, 480 to 620 triangles, `Class.PEDESTRIAN`: x ahead, origin on the ground below the hips."""
    if variety.is_free(rng):
        return free_pose(rng, variety)
    return variety.choose(rng, POSES, (1.0, 0.6, 1.4, 0.5, 0.5, 0.8))(rng, variety)


def make_standing_person(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A person who stands."""
    if variety.is_free(rng):
        return free_pose(rng, variety)
    return variety.choose(rng, (standing, standing, waiting, pointing))(rng, variety)


def make_sitting_person(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A person who sits on a seat of 0.45 m, the hips on the origin."""
    return sitting(rng, variety)


def draw_figure(rng: np.random.Generator, variety: Variety, legs: str | None = None) -> Figure:
    """A person upright, with what it carries; with `legs` given: what one without a load wears there."""
    outfit = draw_outfit(rng, variety)
    outfit = outfit if legs is None else replace(outfit, legs=legs)
    figure = make_figure(draw_build(rng), outfit)
    if variety.is_free(rng):
        figure = with_hat(figure, rng, variety)
    if legs is not None or rng.random() > CARRIED_SHARE:
        return figure
    if variety.is_free(rng):
        return carrying(figure, rng, variety)
    return variety.choose(rng, CARRIED)(figure, rng, variety)


def standing(rng: np.random.Generator, variety: Variety) -> Mesh:
    """Upright, the arms down."""
    a, b = rng.normal(0.0, 0.08, size=2)
    return posed(draw_figure(rng, variety), (0.03, -0.03), (a, b))


def waiting(rng: np.random.Generator, variety: Variety) -> Mesh:
    """With a bent arm, as one who looks at a telephone."""
    figure = draw_figure(rng, variety)
    return posed(figure, (0.06, -0.05), (-0.75 if rng.random() < 0.5 else 0.0, -0.95))


def walking(rng: np.random.Generator, variety: Variety) -> Mesh:
    """In the middle of a step."""
    swing = rng.uniform(0.2, 0.45) * rng.choice([-1.0, 1.0])
    return posed(draw_figure(rng, variety), (swing, -swing), (-0.8 * swing, 0.8 * swing))


def leaning(rng: np.random.Generator, variety: Variety) -> Mesh:
    """Bent over, as one who looks at something low."""
    figure = draw_figure(rng, variety)
    hinge = np.array([0.0, 0.0, figure.build.hip])
    upper = joined([figure.trunk, *(swung(arm, -0.5) for arm in figure.arms)])
    bent = replace(upper, triangles=rotated(upper.triangles, 1, rng.uniform(0.3, 0.6), hinge).astype(np.float32))
    return joined([bent, *(swung(leg, a) for leg, a in zip(figure.legs, (0.05, -0.05), strict=True))])


def sitting(rng: np.random.Generator, variety: Variety) -> Mesh:
    """On a seat of 0.45 m: thighs ahead, shins down."""
    figure = draw_figure(rng, variety, variety.choose(rng, SEATED_LEGWEAR))
    a, b = rng.normal(0.0, 0.08, size=2)
    legs = ((-0.5 * np.pi, 0.5 * np.pi + a), (-0.5 * np.pi, 0.5 * np.pi + b))
    return _grounded(seated(figure, SEAT_HEIGHT, float(rng.normal(-0.05, 0.08)), legs, (-0.45, -0.5)))


def pointing(rng: np.random.Generator, variety: Variety) -> Mesh:
    """An arm stretched out ahead or up."""
    return posed(draw_figure(rng, variety), (0.08, -0.08), (0.1, -rng.uniform(1.3, 2.6)))


def free_pose(rng: np.random.Generator, variety: Variety) -> Mesh:
    """On the feet, with arms, knees and back bent in any way."""
    figure = draw_figure(rng, variety)
    hinge = np.array([0.0, 0.0, figure.build.hip])
    arms = [
        swung(arm, rng.uniform(-2.9, 0.7) * rng.random(), -rng.uniform(0.0, 1.8) * rng.random()) for arm in figure.arms
    ]
    upper = joined([figure.trunk, *arms])
    lean = float(np.clip(rng.normal(0.05, 0.15), -0.2, 0.7))
    bent = replace(upper, triangles=rotated(upper.triangles, 1, lean, hinge).astype(np.float32))
    stride, crouch = rng.normal(0.0, 0.25), max(0.0, rng.normal(-0.2, 0.35))
    legs = [swung(leg, a - crouch, 2.0 * crouch) for leg, a in zip(figure.legs, (stride, -stride), strict=True)]
    return _grounded(joined([bent, *legs]))


POSES: tuple[Callable[[np.random.Generator, Variety], Mesh], ...] = (
    standing,
    waiting,
    walking,
    sitting,
    leaning,
    pointing,
)


def posed(figure: Figure, legs: tuple[float, float], arms: tuple[float, float]) -> Mesh:
    """The figure with its legs and arms (left, right) swung by angles (rad, positive: backwards), on the ground."""
    limbs = [*zip(figure.legs, legs, strict=True), *zip(figure.arms, arms, strict=True)]
    mesh = joined([figure.trunk, *(swung(limb, angle) for limb, angle in limbs)])
    return _grounded(mesh)


def _grounded(mesh: Mesh) -> Mesh:
    """Moved up or down so that the lowest point is on the ground."""
    lowest = float(mesh.triangles[..., 2].min())
    return replace(mesh, triangles=(mesh.triangles - np.array([0.0, 0.0, lowest])).astype(np.float32))


def _backpack(figure: Figure, rng: np.random.Generator, variety: Variety) -> Figure:
    """On the back."""
    s = figure.build.stature
    pack = rounded_box((-0.34, -0.15, 0.56 * s), (-0.1, 0.15, 0.56 * s + 0.42), 0.06)
    return _with(figure, pack, cloth(rng, variety, BRIGHT, 0.1))


def _handbag(figure: Figure, rng: np.random.Generator, variety: Variety) -> Figure:
    """At a shoulder, with its strap."""
    s, y = figure.build.stature, 0.25 * figure.build.breadth
    bag = np.concatenate(
        [
            rounded_box((-0.16, y - 0.02, 0.46 * s), (0.16, y + 0.1, 0.46 * s + 0.24), 0.04),
            beam((0.0, y + 0.03, 0.46 * s + 0.22), (0.0, 0.13, 0.825 * s), 0.03, 0.015),
        ]
    )
    return _with(figure, bag, Stuff(Material.CLOTH, one_of(rng, BRIGHT)))


def _shopping(figure: Figure, rng: np.random.Generator, variety: Variety) -> Figure:
    """A bag in the right hand."""
    arm = figure.arms[1]
    low = arm.mesh.triangles.reshape(-1, 3)[arm.mesh.triangles.reshape(-1, 3)[:, 2].argmin()]
    bag = rounded_box(low + vec(-0.16, -0.08, -0.34), low + vec(0.16, 0.06, 0.02), 0.03)
    mesh = Parts(Class.PEDESTRIAN).join(arm.mesh).add(bag, cloth(rng, variety, BRIGHT, 0.5)).mesh()
    return replace(figure, arms=(figure.arms[0], Limb(mesh, arm.hinge)))


def _umbrella(figure: Figure, rng: np.random.Generator, variety: Variety) -> Figure:
    """Open above the head."""
    s = figure.build.stature
    top, y = s + 0.28, -0.16
    roof = lathe([(0.56, top - 0.2), (0.4, top - 0.08), (0.2, top - 0.01), (0.01, top + 0.03)], 8, caps=False)
    mesh = (
        Parts(Class.PEDESTRIAN)
        .join(figure.trunk)
        .add(roof + vec(0.1, y, 0.0), cloth(rng, variety, BRIGHT, 0.4), smooth=False)
        .add(rod((0.16, y, 0.6 * s), (0.1, y, top), 0.012, 5), STEEL)
        .mesh()
    )
    return replace(figure, trunk=mesh)


def _suitcase(figure: Figure, rng: np.random.Generator, variety: Variety) -> Figure:
    """On wheels behind."""
    parts = Parts(Class.PEDESTRIAN).join(figure.trunk)
    parts.add(
        rounded_box((-0.62, -0.48, 0.05), (-0.38, -0.1, 0.62), 0.05), Stuff(Material.PLASTIC, one_of(rng, BRIGHT))
    )
    parts.add(rod((-0.42, -0.29, 0.6), (-0.16, -0.29, 0.86), 0.015, 5), CHROME)
    parts.add(
        np.concatenate([beam((-0.5, y - 0.02, 0.03), (-0.5, y + 0.02, 0.03), 0.06, 0.06) for y in (-0.42, -0.16)]),
        BLACK,
    )
    return replace(figure, trunk=parts.mesh())


CARRIED: tuple[Callable[[Figure, np.random.Generator, Variety], Figure], ...] = (
    _backpack,
    _handbag,
    _shopping,
    _suitcase,
    _umbrella,
)


def _with(figure: Figure, triangles: np.ndarray, stuff: Stuff) -> Figure:
    """The figure with something more on its trunk."""
    mesh = Parts(Class.PEDESTRIAN).join(figure.trunk).add(triangles, stuff).mesh()
    return replace(figure, trunk=mesh)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """Somebody walking up and down between two points of the ground: two parallel lines and a bend at each end."""

    start: np.ndarray  # (2,) m
    stop: np.ndarray  # (2,) m
    speed: float  # m/s
    phase: float  # rad of the round, at the time zero
    terrain: Terrain
    lift: float  # m above the road

    @property
    def lap(self) -> float:
        """Length of one round (m)."""
        return 2.0 * self._reach + 2.0 * np.pi * HALF_WIDTH

    @property
    def _reach(self) -> float:
        return max(float(np.linalg.norm(self.stop - self.start)) - 2.0 * HALF_WIDTH, 0.0)

    def distance(self, times_ns: np.ndarray) -> np.ndarray:
        """Way walked (N,) in m at times (N,) int64."""
        return self.phase / (2.0 * np.pi) * self.lap + np.asarray(times_ns) / NS_PER_S * self.speed

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4) at times (N,) int64, ns after the start."""
        ahead, offset = self._round(np.mod(self.distance(times_ns), self.lap))
        along = (self.stop - self.start) / max(float(np.linalg.norm(self.stop - self.start)), 1e-9)
        axes = np.array([along, [-along[1], along[0]]])
        place, ahead = 0.5 * (self.start + self.stop) + offset @ axes, ahead @ axes
        T = np.zeros((len(place), 4, 4))
        T[:, :2, 0], T[:, 0, 1], T[:, 1, 1] = ahead, -ahead[:, 1], ahead[:, 0]
        T[:, 2, 2] = T[:, 3, 3] = 1.0
        T[:, :2, 3] = place
        T[:, 2, 3] = self.terrain.height(place[:, 0], place[:, 1]) + self.lift
        return T

    def _round(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Direction (N, 2) and place (N, 2) on the round, along and left of the line, `at` (N,) m from its start."""
        half, bend = 0.5 * self._reach, np.pi * HALF_WIDTH
        back = at >= self._reach + bend
        at = np.where(back, at - self._reach - bend, at)
        turn = np.clip((at - self._reach) / HALF_WIDTH, 0.0, np.pi)
        x = np.minimum(at, self._reach) - half + HALF_WIDTH * np.sin(turn)
        place = np.column_stack([x, -HALF_WIDTH * np.cos(turn)])
        ahead = np.column_stack([np.cos(turn), np.sin(turn)])
        sign = np.where(back, -1.0, 1.0)[:, None]
        return sign * ahead, sign * place
