"""Tunnels along x: a smooth one without end, and one with niches and pillars that stand by lot."""

from itertools import pairwise

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, box, joined, quads, surface
from perception.world.materials import Material, Texture
from perception.world.objects.walls import Opening, Wall, make_wall

SMOOTH_WIDTH, SMOOTH_HEIGHT = 3.0, 2.9  # m
WIDTH, HEIGHT = 5.0, 3.5  # m, of a tunnel with one lane
STEP = 5.0  # m, length of a piece of a wall
GAP = (4.0, 14.0)  # m, of plain wall between what interrupts it
NICHE_WIDTH, NICHE_DEPTH, NICHE_HEIGHT = (1.0, 2.4), (0.4, 1.2), (2.1, 3.0)  # m
PILLAR = (0.3, 0.6)  # m, along the wall and out of it
PILLAR_SHARE = 0.5  # of what interrupts a wall; the rest are niches


def make_smooth_tunnel(x_low: float, x_high: float) -> Mesh:
    """Smooth walls, floor and ceiling."""
    return joined(_sides(x_low, x_high, SMOOTH_WIDTH, SMOOTH_HEIGHT, range(4)))


def make_tunnel(x_low: float, x_high: float, period: float, rng: np.random.Generator) -> Mesh:
    """Floor and ceiling, and walls with niches and pillars; what the walls show repeats after `period` metres."""
    parts = _sides(x_low, x_high, WIDTH, HEIGHT, (0, 2))
    plaster = Look(Texture.PLASTER.layer(0))
    for y, start, stop in ((-WIDTH / 2, x_high, x_low), (WIDTH / 2, x_low, x_high)):
        wall = Wall((start, y), (stop, y), 0.0, HEIGHT, Material.PLASTER, plaster)
        niches, pillars = _features(wall, period, rng)
        parts.append(make_wall(wall, niches))
        if pillars:
            stuff = wall.lifted(np.concatenate(pillars))
            parts.append(surface(stuff, Class.MANMADE, Material.CONCRETE, 0, Look(Texture.CONCRETE.layer(0))))
    return joined(parts)


def _features(wall: Wall, period: float, rng: np.random.Generator) -> tuple[list[Opening], list[np.ndarray]]:
    """Niches from the start of the wall to its end, and triangles of pillars (along it, into it, up)."""
    niches, pillars = [], []
    first, at = GAP[0], rng.uniform(*GAP)
    laps = np.arange(0.0, wall.length, period)
    while at < period - first:
        if rng.random() < PILLAR_SHARE:
            width, depth = rng.uniform(*PILLAR, 2)
            pillars += [
                box([at + lap, -depth, 0.0], [at + lap + width, 0.05, HEIGHT])
                for lap in laps
                if at + lap + width < wall.length
            ]
        else:
            width, depth, top = (rng.uniform(*limits) for limits in (NICHE_WIDTH, NICHE_DEPTH, NICHE_HEIGHT))
            look = Look(Texture.CONCRETE.layer(0))
            niches += [
                Opening(at + lap, at + lap + width, 0.0, top, depth, Material.CONCRETE, look)
                for lap in laps
                if at + lap + width < wall.length
            ]
        at += width + rng.uniform(*GAP)
    return sorted(niches, key=lambda niche: niche.start), pillars


def _sides(x_low: float, x_high: float, width: float, height: float, which: range | tuple[int, ...]) -> list[Mesh]:
    """Of floor (0), left wall, ceiling and right wall those that are asked for, in short pieces."""
    x = np.arange(x_low, x_high, STEP)
    rim = np.array([[-width / 2, 0.0], [width / 2, 0.0], [width / 2, height], [-width / 2, height], [-width / 2, 0.0]])
    meshes = []
    for k in which:
        a, b = rim[k], rim[k + 1]
        faces = quads(np.array([[[p, *a], [q, *a], [q, *b], [p, *b]] for p, q in pairwise(x)]))
        is_floor = k == 0
        kind, material = (Class.OTHER_FLAT, Material.CONCRETE) if is_floor else (Class.MANMADE, Material.PLASTER)
        texture = Texture.LINOLEUM if is_floor else Texture.PLASTER
        meshes.append(surface(faces, kind, material, 0, Look(texture.layer(0))))
    return meshes
