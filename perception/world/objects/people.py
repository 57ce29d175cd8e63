"""People, and how they walk: up and down along a line, turning round at its ends."""

from dataclasses import dataclass

import numpy as np

from perception.core.classes import Class
from perception.core.stamps import NS_PER_S
from perception.world.geometry.mesh import Mesh, ellipsoid, surface, tube
from perception.world.layout import Terrain
from perception.world.materials import Material

HALF_WIDTH = 0.3  # m, of the ellipse


def make_person(rng: np.random.Generator) -> Mesh:
    """A walking person of 1.5 to 1.95 m, x ahead, origin between the feet."""
    height = rng.uniform(1.5, 1.95)
    stride, build = rng.uniform(0.12, 0.22), rng.uniform(0.9, 1.2)
    legs = [
        tube(np.array([[sx * stride, y, 0.0], [0.0, y, 0.47]]) * [1, 1, height], [0.05, 0.085 * build], 6)
        for sx, y in ((1.0, 0.09), (-1.0, -0.09))
    ]
    hand, shoulder = 0.27 * build, 0.22 * build
    arms = [
        tube(np.array([[-sx * stride, s * hand, 0.48], [0.0, s * shoulder, 0.8]]) * [1, 1, height], [0.035, 0.05], 5)
        for sx, s in ((1.0, 1.0), (-1.0, -1.0))
    ]
    torso = ellipsoid([0.0, 0.0, 0.65 * height], [0.13 * build, 0.21 * build, 0.2 * height], 9, 6)
    head = ellipsoid([0.02, 0.0, 0.93 * height], [0.1, 0.085, 0.075 * height], 8, 5)
    return surface(np.concatenate([*legs, *arms, torso, head]), Class.PEDESTRIAN, Material.CLOTH)


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """A person walking up and down between two points of the ground, on a long ellipse."""

    start: np.ndarray  # (2,) m
    stop: np.ndarray  # (2,) m
    speed: float  # m/s, half-way
    phase: float  # rad, at the time zero
    terrain: Terrain
    lift: float  # m above the road

    def poses(self, times_ns: np.ndarray) -> np.ndarray:
        """`T_world_mover` (N, 4, 4) at times (N,) int64, ns after the start."""
        half = 0.5 * (self.stop - self.start)
        across = np.array([-half[1], half[0]]) / np.linalg.norm(half) * HALF_WIDTH
        angle = self.phase + np.asarray(times_ns) / NS_PER_S * self.speed / float(np.linalg.norm(half))
        c, s = np.cos(angle)[:, None], np.sin(angle)[:, None]
        place = 0.5 * (self.start + self.stop) + c * half + s * across
        ahead = c * across - s * half
        ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
        T = np.zeros((len(angle), 4, 4))
        T[:, :2, 0], T[:, 0, 1], T[:, 1, 1] = ahead, -ahead[:, 1], ahead[:, 0]
        T[:, 2, 2] = T[:, 3, 3] = 1.0
        T[:, :2, 3] = place
        T[:, 2, 3] = self.terrain.height(place[:, 0], place[:, 1]) + self.lift
        return T
