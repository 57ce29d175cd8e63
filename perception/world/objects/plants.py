"""Trees, hedges and bushes: stems, and crowns of many small leaves that beams may pass between."""

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, joined, leaves, surface, tube
from perception.world.materials import Material

LEAF = 0.34  # m, of a street tree; larger than life, one stands for a twig
CLEARANCE = 2.3  # m below a street tree, kept free for traffic
HEDGE_LEAF = 0.22  # m
HEDGE_DENSITY = 90  # leaves per square metre of side view


def make_tree(rng: np.random.Generator, num_leaves: int) -> Mesh:
    """A broad-leaved tree of 5 to 10 m on the origin; smaller trees have fewer leaves than `num_leaves`."""
    height = rng.uniform(5.0, 10.0)
    crown = rng.uniform(0.22, 0.32) * height
    bole = rng.uniform(0.28, 0.4) * height
    lean = rng.normal(0.0, 0.02, size=2) * height
    top = np.array([*lean, 0.85 * height])
    stem = np.array([[0.0, 0.0, -0.3], [0.0, 0.0, 0.3], 0.5 * top, top])
    radius = 0.022 * height
    wood = [tube(stem, [1.3 * radius, radius, 0.7 * radius, 0.2 * radius], 7)]
    for _ in range(int(rng.integers(4, 8))):
        angle, rise = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(0.0, 0.5)
        foot = np.array([*(lean * 0.5), bole + rise * (height - bole)])
        reach = 0.8 * crown
        tip = foot + np.array([reach * np.cos(angle), reach * np.sin(angle), 0.22 * height])
        bow = 0.5 * (foot + tip) + np.array([0.0, 0.0, 0.1])
        wood.append(tube(np.array([foot, bow, tip]), [0.4 * radius, 0.25 * radius, 0.02], 5))
    count = int(num_leaves * (height / 10.0) ** 2)
    centres = _crown(rng, count, crown, height - bole)
    centres = centres + np.array([*lean, bole + 0.5 * (height - bole)])
    centres[:, 2] = CLEARANCE + np.abs(centres[:, 2] - CLEARANCE)
    foliage = leaves(rng, centres, LEAF)
    return joined(
        [
            surface(np.concatenate(wood), Class.VEGETATION, Material.BARK),
            surface(foliage, Class.VEGETATION, Material.LEAF),
        ]
    )


def make_hedge(rng: np.random.Generator, length: float, height: float = 1.3, width: float = 0.8) -> Mesh:
    """A hedge along x from the origin: leaves that fill a box, denser at its sides."""
    count = int(HEDGE_DENSITY * length * height)
    unit = rng.random((count, 3))
    unit[:, 1] = 0.5 + 0.5 * np.sign(unit[:, 1] - 0.5) * np.abs(2.0 * unit[:, 1] - 1.0) ** 0.4
    centres = unit * [length, width, height] + np.array([0.0, -0.5 * width, -0.1])
    return surface(leaves(rng, centres, HEDGE_LEAF), Class.VEGETATION, Material.LEAF)


def make_bush(rng: np.random.Generator) -> Mesh:
    """A round bush on the origin."""
    radius = rng.uniform(0.5, 1.1)
    centres = _crown(rng, int(160 * radius**2), radius, 1.8 * radius) + np.array([0.0, 0.0, 0.8 * radius])
    return surface(leaves(rng, centres, HEDGE_LEAF), Class.VEGETATION, Material.LEAF)


def _crown(rng: np.random.Generator, count: int, radius: float, height: float) -> np.ndarray:
    """Points (count, 3) in clumps around the surface of an ellipsoid: a crown is hollow and uneven."""
    clumps = rng.normal(size=(14, 3))
    clumps /= np.linalg.norm(clumps, axis=1, keepdims=True)
    spread = rng.normal(0.0, 0.33, size=(count, 3))
    points = 0.72 * clumps[rng.integers(0, len(clumps), size=count)] + spread
    return points * [radius, radius, 0.5 * height]
