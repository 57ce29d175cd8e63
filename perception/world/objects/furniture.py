"""What stands on pavements: lamps, signs, lights, bins, benches, fences. Origin on the ground, x along the street."""

from collections.abc import Callable

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, box, disc, joined, post, surface, tube
from perception.world.materials import Material
from perception.world.objects.vehicles import make_bicycle


def make_lamp(rng: np.random.Generator) -> Mesh:
    """A street lamp whose arm reaches over the road (towards -y)."""
    height, reach = rng.uniform(5.5, 8.0), rng.uniform(1.0, 2.2)
    path = np.array([[0, 0, -0.2], [0, 0, 0.8], [0, 0, 0.85], [0, 0, height], [0, -0.4 * reach, height + 0.5]])
    path = np.vstack([path, [0, -reach, height + 0.6]])
    mast = tube(path, [0.11, 0.11, 0.07, 0.05, 0.045, 0.04], 8)
    head = box([-0.12, -reach - 0.5, height + 0.5], [0.12, -reach + 0.1, height + 0.65])
    return surface(np.concatenate([mast, head]), Class.MANMADE, Material.METAL)


def make_sign(rng: np.random.Generator) -> Mesh:
    """A traffic sign, round or square, that faces along the street."""
    height, size = rng.uniform(2.1, 2.6), rng.uniform(0.28, 0.4)
    plate = disc([0.05, 0.0, height], 0, size)
    if rng.random() < 0.4:
        plate = box([0.04, -size, height - size], [0.06, size, height + size])
    mast = post(0.0, 0.0, -0.1, height + size, 0.03, 6)
    return joined([surface(plate, Class.OTHERS, Material.SIGN), surface(mast, Class.MANMADE, Material.METAL)])


def make_traffic_light(rng: np.random.Generator) -> Mesh:
    """A traffic light."""
    height = rng.uniform(3.0, 3.4)
    mast = post(0.0, 0.0, -0.1, height, 0.06, 8)
    head = box([0.06, -0.15, height - 0.95], [0.32, 0.15, height])
    return surface(np.concatenate([mast, head]), Class.OTHERS, Material.METAL)


def make_bollard(rng: np.random.Generator) -> Mesh:
    """A bollard."""
    return surface(post(0.0, 0.0, -0.1, rng.uniform(0.8, 1.1), 0.06, 8), Class.BARRIER, Material.METAL)


def make_bin(rng: np.random.Generator) -> Mesh:
    """A litter bin or a wheeled refuse bin."""
    if rng.random() < 0.5:
        return surface(post(0.0, 0.0, 0.0, 0.95, 0.25, 10), Class.OTHERS, Material.METAL)
    body = np.concatenate([box([-0.3, -0.35, 0.08], [0.3, 0.35, 0.98]), box([-0.33, -0.38, 0.98], [0.33, 0.4, 1.05])])
    return surface(body, Class.OTHERS, Material.PAINT)


def make_bench(rng: np.random.Generator) -> Mesh:
    """A bench, its back to the houses."""
    length = rng.uniform(1.4, 2.0)
    slats = [box([-length / 2, -0.25 + 0.17 * k, 0.43], [length / 2, -0.11 + 0.17 * k, 0.47]) for k in range(3)]
    slats += [box([-length / 2, 0.26, 0.55 + 0.18 * k], [length / 2, 0.3, 0.68 + 0.18 * k]) for k in range(2)]
    legs = [box([x - 0.04, -0.24, 0.0], [x + 0.04, 0.3, 0.44]) for x in (-0.4 * length, 0.4 * length)]
    return joined(
        [
            surface(np.concatenate(slats), Class.OTHERS, Material.WOOD),
            surface(np.concatenate(legs), Class.OTHERS, Material.METAL),
        ]
    )


def make_cabinet(rng: np.random.Generator) -> Mesh:
    """A distribution cabinet."""
    size = rng.uniform([0.6, 0.25, 0.9], [1.3, 0.45, 1.5])
    return surface(box([-size[0] / 2, 0.0, 0.0], [size[0] / 2, size[1], size[2]]), Class.MANMADE, Material.PAINT)


def make_cone(rng: np.random.Generator) -> Mesh:
    """A traffic cone."""
    body = tube(np.array([[0, 0, 0.04], [0, 0, rng.uniform(0.5, 0.75)]]), [0.16, 0.03], 10)
    foot = box([-0.2, -0.2, 0.0], [0.2, 0.2, 0.04])
    return surface(np.concatenate([body, foot]), Class.TRAFFIC_CONE, Material.PAINT)


def make_bicycle_stand(rng: np.random.Generator) -> Mesh:
    """A bicycle that leans on a hoop."""
    hoop = np.array([[-0.4, 0.25, 0.0], [-0.4, 0.25, 0.7], [0.0, 0.25, 0.82], [0.4, 0.25, 0.7], [0.4, 0.25, 0.0]])
    return joined([surface(tube(hoop, np.full(5, 0.03), 6), Class.MANMADE, Material.METAL), make_bicycle()])


def make_fence(rng: np.random.Generator, length: float) -> Mesh:
    """A fence along x from the origin: pickets, or rails on posts."""
    height = rng.uniform(0.9, 1.5)
    parts = [box([x - 0.04, -0.04, -0.2], [x + 0.04, 0.04, height]) for x in np.arange(0.0, length + 0.01, 2.0)]
    parts += [box([0.0, -0.02, z - 0.04], [length, 0.02, z + 0.04]) for z in (0.3 * height, 0.85 * height)]
    if rng.random() < 0.6:
        parts += [box([x - 0.04, -0.03, 0.08], [x + 0.04, -0.01, height]) for x in np.arange(0.15, length, 0.16)]
    return surface(np.concatenate(parts), Class.MANMADE, Material.WOOD)


def make_shelter(rng: np.random.Generator) -> Mesh:
    """A bus shelter, open towards the road (-y)."""
    length = rng.uniform(3.0, 4.5)
    roof = box([-length / 2, -0.7, 2.35], [length / 2, 0.7, 2.45])
    posts = [post(x, 0.6, 0.0, 2.35, 0.05, 6) for x in (-length / 2 + 0.1, 0.0, length / 2 - 0.1)]
    panes = box([-length / 2 + 0.1, 0.58, 0.25], [length / 2 - 0.1, 0.6, 2.2])
    return joined(
        [
            surface(np.concatenate([roof, *posts]), Class.MANMADE, Material.METAL),
            surface(panes, Class.MANMADE, Material.GLASS),
            surface(box([-1.0, 0.2, 0.42], [1.0, 0.5, 0.48]), Class.MANMADE, Material.WOOD),
        ]
    )


# Small pieces and how often each is met, for the strip between pavement and road.
PIECES: tuple[tuple[Callable[[np.random.Generator], Mesh], float], ...] = (
    (make_sign, 0.26),
    (make_bollard, 0.2),
    (make_bin, 0.14),
    (make_bench, 0.1),
    (make_cabinet, 0.08),
    (make_bicycle_stand, 0.12),
    (make_traffic_light, 0.05),
    (make_cone, 0.03),
    (make_shelter, 0.02),
)
