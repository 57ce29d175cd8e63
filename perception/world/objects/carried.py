"""Hats and loads of any shape, for training."""

from dataclasses import replace

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material
from perception.world.objects.colours import any_tint, cloth
from perception.world.objects.figure import CHIN, Figure, Limb, head_size
from perception.world.objects.shapes import Parts, Stuff, lathe, rod, rounded_box, vec
from perception.world.variety import Variety

BARE_SHARE = 0.6  # of the people wear no such hat


def with_hat(figure: Figure, rng: np.random.Generator, variety: Variety) -> Figure:
    """The figure, at times with a hat of any height and width."""
    if rng.random() < BARE_SHARE:
        return figure
    size, low = head_size(figure.build), CHIN * figure.build.stature - 0.01
    edge, top, tip = rng.uniform(0.5, 0.75), rng.uniform(1.06, 1.45), rng.uniform(0.05, 0.5)
    rows = [(0.51, edge), (rng.uniform(0.42, 0.52), 0.5 * (edge + 1.05)), (tip, top)]
    if rng.random() < 0.2:
        rows = [(rng.uniform(0.55, 0.75), edge), *rows]
    hat = lathe([(r * size, low + z * size) for r, z in rows], 8)
    return replace(figure, trunk=_joined(figure.trunk, hat, _stuff(rng, variety)))


def carrying(figure: Figure, rng: np.random.Generator, variety: Variety) -> Figure:
    """The figure with a box, a barrel or a stick: in a hand, on the back, before the belly or beside the feet."""
    size, where = rng.uniform([0.1, 0.1, 0.15], [0.4, 0.45, 0.6]), int(rng.integers(4))
    load = _load(rng, size)
    if where == 0:
        k = int(rng.integers(2))
        corners = figure.arms[k].mesh.triangles.reshape(-1, 3)
        hand = corners[corners[:, 2].argmin()]
        mesh = _joined(figure.arms[k].mesh, load + hand - [0.0, 0.0, 0.5 * size[2]], _stuff(rng, variety))
        arms = list(figure.arms)
        arms[k] = Limb(mesh, figure.arms[k].hinge)
        return replace(figure, arms=(arms[0], arms[1]))
    s = figure.build.stature
    reach = 0.12 + 0.5 * size[0]
    middle = {
        1: vec(-reach, 0.0, rng.uniform(0.58, 0.75) * s),
        2: vec(reach, 0.0, rng.uniform(0.5, 0.72) * s),
        3: vec(rng.uniform(-0.4, 0.3), float(rng.choice([-1.0, 1.0])) * (0.25 + 0.5 * size[1]), 0.5 * size[2] + 0.02),
    }[where]
    return replace(figure, trunk=_joined(figure.trunk, load + middle, _stuff(rng, variety)))


def _load(rng: np.random.Generator, size: np.ndarray) -> np.ndarray:
    """A body of about `size` (m) around the origin."""
    kind = rng.integers(4)
    if kind == 0:
        return rod((-0.3 * size[0], 0.0, -0.5 * size[2]), (0.3 * size[0], 0.0, 0.5 * size[2]), rng.uniform(0.015, 0.06))
    if kind == 1:
        r, h = 0.5 * min(size[0], size[1]), 0.5 * size[2]
        return lathe([(rng.uniform(0.3, 1.0) * r, -h), (r, 0.0), (rng.uniform(0.3, 1.0) * r, h)], 8)
    return rounded_box(-0.5 * size, 0.5 * size, rng.uniform(0.01, 0.12))


def _stuff(rng: np.random.Generator, variety: Variety) -> Stuff:
    return Stuff(Material.PLASTIC, any_tint(rng)) if rng.random() < 0.5 else cloth(rng, variety)


def _joined(mesh: Mesh, triangles: np.ndarray, stuff: Stuff) -> Mesh:
    return Parts(Class.PEDESTRIAN).join(mesh).add(triangles, stuff).mesh()
