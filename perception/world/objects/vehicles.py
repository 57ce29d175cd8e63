"""Everything that drives: the makers of all vehicles."""

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, box, disc, joined, prism, surface, tube
from perception.world.materials import Material
from perception.world.objects.bicycles import make_bicycle, make_motorcycle
from perception.world.objects.cars import make_car
from perception.world.variety import TRAINING, Variety

__all__ = ["make_bicycle", "make_car", "make_motorcycle", "make_truck"]


def make_truck(rng: np.random.Generator, variety: Variety = TRAINING) -> Mesh:
    """A delivery lorry: cab and box, `Class.TRUCK`."""
    length, width, height = rng.uniform(6.5, 9.0), 2.3, rng.uniform(2.9, 3.4)
    cab = prism(
        np.array([[0.28, 0.15], [0.5, 0.15], [0.5, 0.45], [0.46, 0.8], [0.28, 0.82]]) * [length, height],
        -0.47 * width,
        0.47 * width,
    )
    load = box([-0.5 * length, -0.5 * width, 0.28 * height], [0.26 * length, 0.5 * width, height])
    frame = box([-0.48 * length, -0.35 * width, 0.17 * height], [0.28 * length, 0.35 * width, 0.27 * height])
    return joined(
        [
            surface(np.concatenate([cab, load, frame]), Class.TRUCK, Material.PAINT),
            surface(_wheels(length, width, 0.45, (-0.32, 0.37)), Class.TRUCK, Material.RUBBER),
        ]
    )


def _wheels(length: float, width: float, radius: float, axles: tuple[float, ...]) -> np.ndarray:
    parts = []
    for axle in axles:
        for side in (-1.0, 1.0):
            outer, inner = side * (0.5 * width + 0.01), side * (0.5 * width - 0.2)
            x = axle * length
            parts.append(tube(np.array([[x, inner, radius], [x, outer, radius]]), [radius, radius], 12))
            parts.append(disc([x, outer, radius], 1, radius))
    return np.concatenate(parts)
