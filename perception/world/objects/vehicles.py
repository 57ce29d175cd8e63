"""Cars, vans, lorries and bicycles: x ahead, origin on the ground below the middle."""

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Mesh, box, disc, joined, prism, surface, tube
from perception.world.materials import Material

# Side views as (x, z) in fractions of length and height, counter-clockwise seen from the right.
_SEDAN = ((-0.5, 0.2), (0.5, 0.2), (0.5, 0.5), (0.3, 0.6), (-0.36, 0.65), (-0.5, 0.6))
_SEDAN_CABIN = ((-0.36, 0.64), (0.27, 0.6), (0.08, 0.98), (-0.2, 1.0))
_HATCH = ((-0.5, 0.2), (0.5, 0.2), (0.5, 0.5), (0.32, 0.6), (-0.47, 0.62), (-0.5, 0.5))
_HATCH_CABIN = ((-0.47, 0.61), (0.3, 0.59), (0.1, 0.97), (-0.35, 1.0))
_VAN = ((-0.5, 0.12), (0.5, 0.12), (0.5, 0.4), (0.4, 0.55), (0.28, 0.99), (-0.49, 1.0))
_SHAPES = {  # outline, cabin, length, width, height
    "sedan": (_SEDAN, _SEDAN_CABIN, 4.5, 1.8, 1.45),
    "hatch": (_HATCH, _HATCH_CABIN, 4.0, 1.75, 1.5),
    "suv": (_HATCH, _HATCH_CABIN, 4.6, 1.88, 1.72),
    "van": (_VAN, None, 5.2, 1.95, 2.1),
}
_SHARES = (0.35, 0.35, 0.2, 0.1)


def make_car(rng: np.random.Generator) -> Mesh:
    """A car of random shape and size, about 150 triangles, `Class.CAR`."""
    outline, cabin, *size = _SHAPES[str(rng.choice(list(_SHAPES), p=_SHARES))]
    length, width, height = np.array(size) * rng.uniform(0.94, 1.06, size=3)
    scale = np.array([length, height])
    body = [prism(np.array(outline) * scale, -0.5 * width, 0.5 * width)]
    glass = []
    if cabin is not None:
        inset = 0.08 * width
        glass.append(prism(np.array(cabin) * scale, -0.5 * width + inset, 0.5 * width - inset))
        roof = np.array(cabin)[2:, 0] * length
        body.append(box([roof[1], -0.5 * width + inset, 0.97 * height], [roof[0], 0.5 * width - inset, 1.01 * height]))
    mirror = 0.2 * length
    for side in (-1.0, 1.0):
        y = side * (0.5 * width + 0.08)
        body.append(box([mirror - 0.06, y - 0.08, 0.62 * height], [mirror + 0.06, y + 0.08, 0.7 * height]))
    return joined(
        [
            surface(np.concatenate(body), Class.CAR, Material.PAINT),
            surface(np.concatenate(glass), Class.CAR, Material.GLASS)
            if glass
            else surface(np.zeros((0, 3, 3)), Class.CAR, Material.GLASS),
            surface(_wheels(length, width, 0.31, (-0.3, 0.31)), Class.CAR, Material.RUBBER),
        ]
    )


def make_truck(rng: np.random.Generator) -> Mesh:
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


def make_bicycle() -> Mesh:
    """A bicycle on its stand, `Class.BICYCLE`."""
    rear, front, crank = np.array([-0.5, 0, 0.34]), np.array([0.52, 0, 0.34]), np.array([-0.05, 0, 0.3])
    seat, head = np.array([-0.2, 0, 0.9]), np.array([0.38, 0, 0.95])
    pairs = [(crank, seat), (crank, head), (seat, head), (seat, rear), (crank, rear), (head, front)]
    bars = [tube(np.array([a, b]), [0.02, 0.02], 5) for a, b in pairs]
    bars.append(tube(np.array([[0.4, -0.28, 1.02], [0.4, 0.28, 1.02]]), [0.016, 0.016], 5))
    bars.append(box([-0.33, -0.07, 0.9], [-0.08, 0.07, 0.95]))
    angle = np.linspace(0.0, 2.0 * np.pi, 13)
    rim = np.column_stack([0.33 * np.cos(angle), np.zeros(13), 0.33 * np.sin(angle)])
    tyres = [tube(rim + hub, np.full(13, 0.025), 4) for hub in (rear, front)]
    return joined(
        [
            surface(np.concatenate(bars), Class.BICYCLE, Material.METAL),
            surface(np.concatenate(tyres), Class.BICYCLE, Material.RUBBER),
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
