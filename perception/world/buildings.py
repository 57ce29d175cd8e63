"""Buildings along the streets."""

import numpy as np

from perception.world.classes import Class, Material
from perception.world.config import SceneConfig
from perception.world.layout import PAVEMENT, Layout, Rectangle
from perception.world.mesh import Mesh, box, surface


def make_buildings(layout: Layout, config: SceneConfig, rng: np.random.Generator) -> list[Mesh]:
    """Boxes on both sides of every street."""
    taken: list[Rectangle] = [street.area(PAVEMENT) for street in layout.streets]
    out = []
    for street in layout.streets:
        length = abs(street.stop[0] - street.start[0]) + abs(street.stop[1] - street.start[1])
        axis = 0 if street.is_along_x else 1
        for side in (-1.0, 1.0):
            at = -10.0
            while at < length + 10.0:
                width, depth, height = rng.uniform(8, 16), rng.uniform(8, 13), rng.uniform(5, 15)
                near = street.half_width + PAVEMENT + rng.choice([0.0, 0.0, 1.5])
                low = np.zeros(2)
                low[axis], low[1 - axis] = at, near if side > 0 else -near - depth
                low += np.minimum(street.start, street.stop)
                size = np.array([width, depth]) if axis == 0 else np.array([depth, width])
                plot = Rectangle(*low, *(low + size))
                at += width + (rng.uniform(3, 10) if rng.random() < config.building_gap else 0.0)
                if any(plot.overlaps(other) for other in taken):
                    continue
                taken.append(plot)
                z = layout.terrain.height(np.array([low[0]]), np.array([low[1]]))[0]
                out.append(
                    surface(
                        box([*low, z - 2], [*(low + size), z + height]),
                        Class.MANMADE,
                        Material(rng.choice([Material.PLASTER, Material.BRICK])),
                    )
                )
    return out
