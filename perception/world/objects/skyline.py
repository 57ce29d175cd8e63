"""Houses behind the houses: simple blocks and towers around the streets, so that no street ends in nothing."""

import numpy as np

from perception.core.classes import Class
from perception.world.geometry.mesh import Look, Mesh, box, joined, placed, quads, surface
from perception.world.layout import Layout, Rectangle
from perception.world.layouts.plan import FloorPlan
from perception.world.materials import Material, Texture
from perception.world.objects.colours import one_of
from perception.world.objects.facades import BRICKS, GRAYS, PLASTERS
from perception.world.objects.plants import make_bush, make_tree
from perception.world.objects.roofs import ROOFS, draw_roof_stuff, make_roof
from perception.world.objects.shapes import Parts, Stuff, lathe
from perception.world.objects.stage import Stage
from perception.world.variety import Variety

LAWN, LAWN_DROP = 45.0, 0.12  # m around a building that stands alone, and below its floors
PITCH = 27.0  # m, between the blocks
NEAR, FAR = 24.0, 95.0  # m from the streets
RIBBONS = 0.45  # share of the blocks with windows from end to end
SHARE = 0.62  # of the places that hold a block
FACES = ((Texture.PLASTER, Material.PLASTER, PLASTERS), (Texture.CONCRETE, Material.CONCRETE, GRAYS),
         (Texture.BRICK, Material.BRICK, BRICKS))  # fmt: skip


def make_skyline(
    layout: Layout, taken: list[Rectangle], rng: np.random.Generator, variety: Variety, first_instance: int
) -> list[Mesh]:
    """Blocks on a loose grid around the streets where nothing else stands, with instances from `first_instance` on."""
    boxes = [street.area() for street in layout.furnished]
    x_low, x_high = min(b.x_low for b in boxes) - FAR, max(b.x_high for b in boxes) + FAR
    if layout.period > 0.0:
        x_low, x_high = 0.0, layout.period
    y_low, y_high = min(b.y_low for b in boxes) - FAR, max(b.y_high for b in boxes) + FAR
    out: list[Mesh] = []
    for x in np.arange(x_low + 0.5 * PITCH, x_high - 0.4 * PITCH, PITCH):
        for y in np.arange(y_low, y_high, PITCH):
            at = np.array([x, y]) + rng.uniform(-5.0, 5.0, size=2)
            half = rng.uniform(5.0, 9.5, size=2)
            here = Rectangle(at[0] - half[0], at[1] - half[1], at[0] + half[0], at[1] + half[1])
            is_clear = not any(here.overlaps(street.area(NEAR - 8.0)) for street in layout.streets)
            is_clear = is_clear and not any(here.overlaps(area) for area in taken)
            if is_clear and rng.random() < SHARE:
                ground = float(layout.terrain.height(at[:1], at[1:])[0])
                out.append(_block(here, ground, rng, variety, first_instance + len(out)))
    return out


def make_surroundings(
    stage: Stage, plan: FloorPlan, num_leaves: int, rng: np.random.Generator, variety: Variety
) -> None:
    """What one sees from the windows of a building that stands alone: lawn, trees, hedges, houses across."""
    a = _hull(plan)
    level = Stuff(Material.GRASS, (255, 255, 255), variety.layer(rng, Texture.GRASS))
    out = a.grown(LAWN)
    for part in (
        Rectangle(out.x_low, out.y_low, out.x_high, a.y_low), Rectangle(out.x_low, a.y_high, out.x_high, out.y_high),
        Rectangle(out.x_low, a.y_low, a.x_low, a.y_high), Rectangle(a.x_high, a.y_low, out.x_high, a.y_high), a,
    ):  # fmt: skip
        stage.add(_lawn(part, level))
    trees = [make_tree(rng, num_leaves, variety) for _ in range(5)]
    inner, outer = a.grown(5.0), a.grown(LAWN - 2.0)
    for _ in range(36):
        x, y = rng.uniform(outer.x_low, outer.x_high), rng.uniform(outer.y_low, outer.y_high)
        if not inner.contains(x, y):
            mesh = trees[int(rng.integers(5))] if rng.random() < 0.5 else make_bush(rng, variety)
            stage.put(mesh, x, y, rng.uniform(0.0, 2.0 * np.pi), -LAWN_DROP)
    ring = a.grown(LAWN + 4.0)
    for x in np.arange(ring.x_low, ring.x_high, 24.0):
        for y in (ring.y_low - 8.0, ring.y_high + 8.0):
            stage.add(_block(Rectangle(x, y, x + rng.uniform(10.0, 18.0), y + 9.0), -LAWN_DROP, rng, variety, 0))
    for y in np.arange(ring.y_low, ring.y_high, 24.0):
        for x in (ring.x_low - 10.0, ring.x_high + 10.0):
            stage.add(_block(Rectangle(x, y, x + 9.0, y + rng.uniform(10.0, 18.0)), -LAWN_DROP, rng, variety, 0))


def _hull(plan: FloorPlan) -> Rectangle:
    areas = [space.area for space in plan.spaces]
    return Rectangle(
        min(a.x_low for a in areas),
        min(a.y_low for a in areas),
        max(a.x_high for a in areas),
        max(a.y_high for a in areas),
    )


def _lawn(area: Rectangle, stuff: Stuff) -> Mesh:
    """Level ground below the floors of a building."""
    x, y = (
        np.linspace(p, q, int((q - p) / 8.0) + 2) for p, q in ((area.x_low, area.x_high), (area.y_low, area.y_high))
    )
    grid = np.stack([*np.meshgrid(x, y, indexing="ij"), np.full((len(x), len(y)), -LAWN_DROP)], axis=-1)
    triangles = quads(np.stack([grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]], axis=2))
    look = Look(stuff.texture_id, stuff.tint, triangles[..., :2])
    return surface(triangles, Class.TERRAIN, stuff.material, 0, look)


def _block(area: Rectangle, ground: float, rng: np.random.Generator, variety: Variety, instance: int) -> Mesh:
    """A house, a tower block, or a church, seen from afar."""
    texture, material, tints = FACES[int(rng.integers(len(FACES)))]
    wall = Stuff(material, one_of(rng, tints, 0.05), variety.layer(rng, texture))
    draw = rng.random()
    kind = variety.choose(rng, ROOFS)
    height = rng.uniform(6.0, 14.0)
    if draw < 0.25:
        kind, height = "flat", rng.uniform(16.0, 38.0)
    parts = Parts(Class.MANMADE)
    low = [area.x_low, area.y_low, ground - 3.0]
    parts.add(box(low, [area.x_high, area.y_high, ground + height]), wall)
    parts.add(
        _windows(area, ground, height, rng), Stuff(Material.GLASS, (176, 186, 196), variety.layer(rng, Texture.GLASS))
    )
    roof = make_roof(area, ground + height, kind, draw_roof_stuff(rng, variety, wall, wall), rng, variety)
    if draw > 0.96:
        roof = joined([roof, _steeple(area, ground, wall, rng, variety)])
    mesh = joined([parts.mesh(), roof])
    return placed(mesh, 0.0, (0.0, 0.0, 0.0), instance)


def _windows(area: Rectangle, ground: float, height: float, rng: np.random.Generator) -> np.ndarray:
    """One pane for each window, a little before the wall."""
    width, tall, pitch = rng.uniform(1.1, 2.4), rng.uniform(1.2, 1.7), rng.uniform(2.8, 3.6)
    corners = np.array([[area.x_low, area.y_low], [area.x_high, area.y_low], [area.x_high, area.y_high],
                        [area.x_low, area.y_high]])  # fmt: skip
    faces: list[list[list[float]]] = []
    is_ribbon = rng.random() < RIBBONS
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        length = float(np.linalg.norm(b - a))
        along = (b - a) / length
        out = 0.03 * np.array([along[1], -along[0]])
        count = int((length - 1.0) / pitch)
        levels = np.arange(ground + 1.2, ground + height - tall - 0.3, 3.0)
        if is_ribbon:  # panes from end to end
            p, q = a + out + 0.8 * along, b + out - 0.8 * along
            faces += [[[*p, z], [*q, z], [*q, z + tall], [*p, z + tall]] for z in levels]
            continue
        for k in range(count):
            start = 0.5 * (length - count * pitch) + (k + 0.5) * pitch - 0.5 * width
            p, q = a + out + start * along, a + out + (start + width) * along
            faces += [[[*p, z], [*q, z], [*q, z + tall], [*p, z + tall]] for z in levels]
    return quads(np.array(faces).reshape(-1, 4, 3))


def _steeple(area: Rectangle, ground: float, wall: Stuff, rng: np.random.Generator, variety: Variety) -> Mesh:
    """A tower with a pointed roof at one corner."""
    half, height = rng.uniform(2.2, 3.2), rng.uniform(18.0, 28.0)
    x, y = area.x_low + half, area.y_low + half
    tower = box([x - half, y - half, ground - 2.0], [x + half, y + half, ground + height])
    cover = Look(variety.layer(rng, Texture.ROOF), (150, 176, 160))
    spire = lathe([(1.5 * half, ground + height), (0.05, ground + height + 4.0 * half)], 8) + np.array([x, y, 0.0])
    return joined(
        [
            surface(tower, Class.MANMADE, wall.material, 0, Look(wall.texture_id, wall.tint)),
            surface(spire, Class.MANMADE, Material.BRICK, 0, cover),
        ]
    )
