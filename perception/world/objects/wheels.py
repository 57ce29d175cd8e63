"""Wheels of everything that rolls: a round tyre and a rim with spokes."""

from collections.abc import Sequence

import numpy as np

from perception.world.geometry.mesh import quads
from perception.world.objects.shapes import Parts, Stuff, shade

SIDES = 10  # of a tyre; spokes are sectors of it
RIM_SHARE = 0.66  # of the radius
DISH = 0.03  # m that the middle of a rim lies inside of its edge


def wheel(radius: float, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Tyre and rim, triangles about the y axis; the outside looks to +y, and lies at y = 0."""
    inner, edge = _ring(0.94 * radius, -width), _ring(radius, -0.06 * width - 0.01)
    bead, hub = _ring(RIM_SHARE * radius, 0.0), np.array([0.0, -DISH, 0.0])
    tyre = np.concatenate([_belt(inner, edge), _belt(edge, bead)])
    rim = np.stack([np.broadcast_to(hub, bead.shape), np.roll(bead, -1, axis=0), bead], axis=1)
    return tyre, rim


def inside(radius: float, width: float) -> np.ndarray:
    """What closes a wheel towards the vehicle."""
    ring = _ring(0.94 * radius, -width)
    middle = np.broadcast_to(np.array([0.0, -width, 0.0]), ring.shape)
    return np.stack([middle, ring, np.roll(ring, -1, axis=0)], axis=1)


def add_wheel(parts: Parts, at: Sequence[float], width: float, tyre: Stuff, rim: Stuff, is_open: bool = False) -> None:
    """Add a wheel whose outer face has its middle `at` (x, y, z); z is the radius, the sign of y the side.

    `is_open`: its inside can be seen.
    """
    rubber, face = wheel(at[2], width)
    rubber = np.concatenate([rubber, inside(at[2], width)]) if is_open else rubber
    if at[1] < 0.0:
        rubber, face = (body * [1.0, -1.0, 1.0] for body in (rubber, face))
        rubber, face = rubber[:, ::-1], face[:, ::-1]
    parts.add(rubber + np.asarray(at), tyre, smooth=True)
    is_spoke = np.arange(len(face)) % 2 == 0
    parts.add(face[is_spoke] + np.asarray(at), rim)
    parts.add(face[~is_spoke] + np.asarray(at), Stuff(rim.material, shade(rim.tint, 0.35)))


def _ring(radius: float, y: float) -> np.ndarray:
    angle = 2.0 * np.pi * (np.arange(SIDES) + 0.5) / SIDES  # a corner is at the ground
    return np.column_stack([radius * np.cos(angle), np.full(SIDES, y), radius * np.sin(angle)])


def _belt(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Faces between two rings about y, outwards where b lies further to +y or, at equal y, further in."""
    return quads(np.stack([np.roll(a, -1, axis=0), a, b, np.roll(b, -1, axis=0)], axis=1))
