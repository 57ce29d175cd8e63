"""Line segments of generated images: what must be one, what must not, and where hidden parts end."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from perception.core.cameras import CameraModel
from perception.core.classes import Class
from perception.core.errors import InvalidInput
from perception.core.geometry import inverse, transform
from perception.world.config import CameraConfig, WorldConfig
from perception.world.geometry.mesh import Look, Mesh, box, joined, placed, post, quads, surface
from perception.world.geometry.raycast import NO_HIT, Accelerator, Rays, build_accelerator, cast
from perception.world.materials import Material, Texture
from perception.world.movers import Mover
from perception.world.recording import SyntheticRecording
from perception.world.render.visibility import rasterise
from perception.world.scene import Scene
from perception.world.sensors.cameras import OPTICAL, Camera, Exposure
from perception.world.truth.lines import MIN_LENGTH, LineTruth, joined_pieces
from tests.unit.world.truth.line_checks import share_on_discontinuities

SIZE = (320, 240)
CAMERA = CameraModel(*SIZE, np.array([[260.0, 0.0, 159.5], [0.0, 260.0, 119.5], [0.0, 0.0, 1.0]]))
GREY = (160, 160, 160)


def thing(triangles: np.ndarray, tint: tuple[int, int, int] = GREY, instance: int = 1, smooth: bool = False) -> Mesh:
    look = Look(Texture.PLAIN.layer(0), tint, None, smooth)
    return surface(triangles, Class.MANMADE, Material.PAINT, instance, look)


class View:
    """A camera at height `z` at the origin that looks along x, slightly down, on some meshes."""

    def __init__(
        self, meshes: Sequence[Mesh], movers: Sequence[tuple[Mesh, np.ndarray]] = (), tilt: float = 0.15
    ) -> None:
        self.world = build_accelerator(joined(meshes), [mesh for mesh, _ in movers])
        c, s = np.cos(tilt), np.sin(tilt)
        down = np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])
        T_world_camera = transform(down @ OPTICAL, np.array([0.0, 0.0, 1.5]))
        T_world_mover = np.array([T for _, T in movers]).reshape(-1, 4, 4)
        camera = Camera("camera", CAMERA, np.eye(4), 0)
        self.exposure = Exposure(camera, 0, 0, np.stack([T_world_camera] * 3), np.stack([T_world_mover] * 3), 0.0)
        moving = tuple(Mover(mesh, None) for mesh, _ in movers)
        self.truth = LineTruth(Scene(joined(meshes), moving, None), self.world)
        self.rows, self.depth = rendered(self.world, self.exposure)

    def segments(self) -> np.ndarray:
        return self.truth.segments(self.exposure, self.rows, self.depth).segments

    def pixels(self, points: Sequence[Sequence[float]]) -> np.ndarray:
        T = inverse(self.exposure.T_world_camera[1])
        return CAMERA.project(np.asarray(points, dtype=np.float64) @ T[:3, :3].T + T[:3, 3])


def rendered(world: Accelerator, exposure: Exposure) -> tuple[np.ndarray, np.ndarray]:
    """Triangles and depth in the middles of the pixels, by ray casting."""
    model, T = exposure.camera.model, exposure.T_world_camera[1]
    u, v = np.meshgrid(np.arange(model.width), np.arange(model.height))
    ways = model.rays(np.stack([u, v], axis=-1).reshape(-1, 2)) @ T[:3, :3].T
    lengths = np.linalg.norm(ways, axis=1)
    zeros = np.zeros(len(ways), dtype=np.int32)
    rays = Rays(T[None, :3, 3].astype(np.float32), (ways / lengths[:, None]).astype(np.float32), zeros, zeros[:1])
    T_mover_world = inverse(exposure.T_world_mover[1])[None, :, :3].astype(np.float32)
    hits = cast(world, rays, np.ascontiguousarray(T_mover_world), 200.0)
    depth = np.where(hits.rows == NO_HIT, np.float32(np.inf), hits.ranges / lengths.astype(np.float32))
    return hits.rows.reshape(v.shape), depth.astype(np.float32).reshape(v.shape)


def distance(segments: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Largest distance (px) between the ends of each segment (N, 4) and those of one, whichever way round."""
    a = np.abs(segments - wanted).max(axis=1)
    return np.minimum(a, np.abs(segments - np.roll(wanted, 2)).max(axis=1))


def has(view: View, start: Sequence[float], stop: Sequence[float], tolerance: float = 1.6) -> bool:
    """Whether exactly one segment is the image of an edge."""
    wanted = view.pixels([start, stop]).reshape(4)
    return int((distance(view.segments(), wanted) < tolerance).sum()) == 1


GROUND = thing(quads([[[-5, -30, 0], [60, -30, 0], [60, 30, 0], [-5, 30, 0]]]), (90, 90, 90), 0)
CRATE = thing(box((5.0, -0.5, 0.0), (6.0, 0.5, 1.0)))


def test_a_box_shows_the_nine_edges_of_its_three_visible_faces() -> None:
    view = View([placed(thing(box((-0.7, -0.5, 0.2), (0.7, 0.5, 1.2))), 0.5, (5.0, 0.0, 0.0))])
    segments = view.segments()
    assert len(segments) == 9
    R = np.array([[np.cos(0.5), -np.sin(0.5), 0], [np.sin(0.5), np.cos(0.5), 0], [0, 0, 1.0]])
    corners = np.array([[x, y, z] for x in (-0.7, 0.7) for y in (-0.5, 0.5) for z in (0.2, 1.2)]) @ R.T + [5.0, 0, 0]
    ends = segments.reshape(-1, 1, 2) - view.pixels(corners)
    assert np.linalg.norm(ends, axis=2).min(axis=1).max() < 1.6


def test_edges_end_where_a_nearer_box_hides_them() -> None:
    behind = thing(box((9.0, -2.0, 0.0), (10.0, 2.0, 2.2)), (200, 200, 200), 2)
    view = View([GROUND, CRATE, behind])
    assert has(view, (9.0, 2.0, 2.2), (9.0, -2.0, 2.2))  # nothing hides its upper edge
    (left, foot), (right, _) = view.pixels([(9.0, 2.0, 0.0), (9.0, -2.0, 0.0)])
    lower = [np.sort(s[[0, 2]]) for s in view.segments() if abs(s[1] - foot) < 1.0 and abs(s[3] - foot) < 1.0]
    crate = np.sort(view.pixels([(5.0, -0.5, 0.0), (5.0, 0.5, 0.0)])[:, 0])
    lower.sort(key=lambda ends: ends[0])
    np.testing.assert_allclose(lower, [[left, crate[0]], [crate[1], right]], atol=1.6)


def test_what_stands_behind_a_wall_has_no_segments() -> None:
    wall = thing(quads([[[4, -20, -5], [4, 20, -5], [4, 20, 20], [4, -20, 20]]]))
    assert len(View([wall, CRATE]).segments()) == 0


def test_a_curved_body_has_no_outlines() -> None:
    assert len(View([thing(post(5.0, 0.0, 0.0, 2.0, 0.4, 24), smooth=True)]).segments()) == 0


def test_a_flat_polygon_that_stands_for_a_disc_has_no_sides_but_an_octagon_has() -> None:
    def plate(sides: int, radius: float) -> Mesh:
        angle = 2 * np.pi * np.arange(sides + 1) / sides
        rim = np.stack([np.full(sides + 1, 4.0), radius * np.cos(angle), 1.2 + radius * np.sin(angle)], axis=1)
        return thing(np.array([[[4.0, 0.0, 1.2], a, b] for a, b in pairwise(rim)]))

    assert len(View([plate(24, 1.0)]).segments()) == 0
    assert len(View([plate(8, 0.7)]).segments()) == 8


def test_a_marking_on_the_road_has_its_sides_as_long_as_it_differs_in_grey() -> None:
    corners = [[4.0, -0.5, 0.01], [7.0, -0.5, 0.01], [7.0, 0.5, 0.01], [4.0, 0.5, 0.01]]
    view = View([GROUND, thing(quads([corners]), (230, 230, 230), 0)])
    for start, stop in zip(corners, corners[1:] + corners[:1]):
        assert has(view, start, stop)
    assert len(View([GROUND, thing(quads([corners]), (92, 92, 92), 0)]).segments()) == len(View([GROUND]).segments())


def test_neighbours_in_one_plane_part_where_their_colours_do() -> None:
    left = thing(quads([[[6, 0, 0], [6, 0, 2], [6, 2, 2], [6, 2, 0]]]), (200, 200, 200))
    right = quads([[[6, -2, 0], [6, -2, 2], [6, 0, 2], [6, 0, 0]]])
    assert has(View([left, thing(right, (120, 120, 120))]), (6, 0, 0), (6, 0, 2))
    assert not has(View([left, thing(right, (203, 203, 203))]), (6, 0, 0), (6, 0, 2))


def test_an_edge_of_many_triangles_is_one_segment_and_seams_in_a_plane_are_none() -> None:
    y, z = np.linspace(-2.0, 2.0, 9), np.linspace(0.0, 2.0, 5)
    cells = [[[6, a, c], [6, b, c], [6, b, d], [6, a, d]] for a, b in pairwise(y) for c, d in pairwise(z)]
    coarse = [[[6, -2, 2], [6, 2, 2], [6, 2, 2.5], [6, -2, 2.5]]]  # its lower edge has no vertex where the cells meet
    view = View([thing(quads(np.array(cells))), thing(quads(np.array(coarse)))])
    assert len(view.segments()) == 4
    assert has(view, (6, -2, 0), (6, -2, 2.5))
    assert has(view, (6, -2, 2.5), (6, 2, 2.5))


def test_a_blunt_fold_is_no_line_and_a_sharp_one_is() -> None:
    def folded(degrees: float) -> Mesh:
        x = 6.0 + 2.0 * np.tan(np.radians(degrees))
        return thing(
            quads([[[6, 0, 0], [6, 0, 2], [6, 2, 2], [6, 2, 0]], [[x, -2, 0], [x, -2, 2], [6, 0, 2], [6, 0, 0]]])
        )

    assert not has(View([folded(15.0)]), (6, 0, 0), (6, 0, 2))
    assert has(View([folded(30.0)]), (6, 0, 0), (6, 0, 2))


def test_a_body_that_stands_in_another_has_a_line_where_they_meet() -> None:
    sunk = thing(box((5.0, -0.7, -0.6), (6.0, 0.7, 0.8)))
    view = View([GROUND, sunk])
    assert has(view, (5.0, -0.7, 0.0), (5.0, 0.7, 0.0), 2.5)
    assert not has(view, (5.0, -0.7, -0.6), (5.0, 0.7, -0.6))


def test_lines_of_a_picture_are_there_when_it_is_near_and_gone_when_it_is_far() -> None:
    def door(x: float) -> View:
        corners = [[x, 0.5, 0.5], [x, -0.5, 0.5], [x, -0.5, 2.5], [x, 0.5, 2.5]]
        uvs = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)[[[0, 1, 2], [0, 2, 3]]]
        look = Look(Texture.DOOR.layer(1), (255, 255, 255), uvs)
        return View([surface(quads([corners]), Class.MANMADE, Material.WOOD, 1, look)], tilt=0.0)

    near = door(2.5)
    assert len(near.segments()) > 12
    assert share_on_discontinuities(near.segments(), near.world, near.exposure, near.rows, near.depth) >= 0.98
    pane = near.pixels([(2.5, 0.5 - 0.18, 2.5 - 2.0 * 0.5), (2.5, 0.5 - 0.82, 2.5 - 2.0 * 0.5)]).reshape(4)
    assert distance(near.segments(), pane).min() < 3.0
    assert len(door(25.0).segments()) <= 6


def test_chequers_of_a_floor_are_lines_near_the_camera_and_joints_of_bricks_are_not() -> None:
    corners = [[[2, -1, 0], [30, -1, 0], [30, 1, 0], [2, 1, 0]]]
    chequers = Look(Texture.LINOLEUM.layer(2), (255, 255, 255), quads(corners)[..., :2])
    view = View([surface(quads(corners), Class.OTHER_FLAT, Material.CONCRETE, 0, chequers)], tilt=0.3)
    assert has(view, (4.5, -1.0, 0.0), (4.5, 1.0, 0.0), 2.5)
    far = view.pixels([(20.0, 0.0, 0.0)])[0, 1]
    level = np.abs(view.segments()[:, 1] - view.segments()[:, 3]) < 1.0
    assert 5 < level.sum() < 20
    assert (view.segments()[level][:, 1] > far).sum() >= level.sum() - 1  # but for the border of the floor
    bricks = Look(Texture.BRICK.layer(0), (255, 255, 255), quads(corners)[..., :2])
    view = View([surface(quads(corners), Class.OTHER_FLAT, Material.CONCRETE, 0, bricks)], tilt=0.3)
    assert len(view.segments()) == 4  # the border of the floor


def test_a_moving_body_takes_its_edges_along() -> None:
    mesh = thing(box((-0.5, -0.5, 0.0), (0.5, 0.5, 1.0)))
    for y in (-1.0, 1.5):
        view = View([GROUND], [(mesh, transform(np.eye(3), np.array([6.0, y, 0.3])))])
        assert has(view, (5.5, y - 0.5, 1.3), (5.5, y + 0.5, 1.3))


def test_segments_are_long_enough_and_inside_the_image() -> None:
    rng = np.random.default_rng(4)
    view = View([GROUND, *random_boxes(rng, 30)])
    segments = view.segments()
    assert (np.hypot(*(segments[:, 2:] - segments[:, :2]).T) >= MIN_LENGTH).all()
    assert segments.min() >= 0.0
    assert (segments[:, [0, 2]] <= SIZE[0] - 1).all()
    assert (segments[:, [1, 3]] <= SIZE[1] - 1).all()


def random_boxes(rng: np.random.Generator, count: int) -> list[Mesh]:
    out = []
    for k in range(count):
        half = rng.uniform(0.2, 0.9, size=3)
        shade = int(rng.integers(60, 240))
        place = (rng.uniform(3.0, 16.0), rng.uniform(-5.0, 5.0), rng.uniform(0.0, 1.0))
        out.append(placed(thing(box(-half, half), (shade, shade, shade)), rng.uniform(0, np.pi), place, k + 1))
    return out


@pytest.mark.parametrize("seed", range(4))
def test_segments_lie_where_depth_direction_or_colour_change(seed: int) -> None:
    rng = np.random.default_rng(seed)
    view = View([GROUND, *random_boxes(rng, 25)])
    segments = view.segments()
    assert len(segments) > 40
    assert share_on_discontinuities(segments, view.world, view.exposure, view.rows, view.depth) >= 0.98


def test_an_empty_world_and_an_image_of_the_sky_have_no_segments() -> None:
    assert View([GROUND], tilt=-1.2).segments().shape == (0, 4)


def test_a_bent_lens_is_refused_with_its_name() -> None:
    view = View([CRATE])
    bent = CameraModel(*SIZE, CAMERA.K, "plumb_bob", np.zeros(5))
    exposure = replace(view.exposure, camera=Camera("camera", bent, np.eye(4), 0))
    with pytest.raises(InvalidInput, match="camera has the lens plumb_bob"):
        view.truth.segments(exposure, view.rows, view.depth)


def test_an_image_of_the_wrong_size_and_a_world_of_another_scene_are_refused() -> None:
    view = View([CRATE])
    with pytest.raises(InvalidInput, match="rows"):
        view.truth.segments(view.exposure, view.rows[:-1], view.depth)
    with pytest.raises(InvalidInput, match="movers"):
        LineTruth(Scene(CRATE, (Mover(CRATE, None),), None), view.world)


def test_pieces_of_one_line_are_joined_and_parallel_lines_are_not() -> None:
    pieces = np.array([[0.0, 0.0, 8.0, 0.0], [10.0, 0.3, 30.0, 0.0], [20.0, 2.0, 50.0, 2.0], [60.0, 0.0, 66.0, 0.0]])
    got = joined_pieces(pieces)
    assert len(got) == 2
    assert distance(got, np.array([0.0, 0.0, 30.0, 0.0])).min() < 0.6
    assert distance(got, np.array([20.0, 2.0, 50.0, 2.0])).min() < 1e-9


@pytest.mark.long
@pytest.mark.parametrize(("route", "seed"), [("district", 3), ("office", 5), ("district", 1_000_002)])
def test_segments_of_whole_worlds_lie_where_their_images_change(route: str, seed: int) -> None:
    cameras = CameraConfig(num_surround=6, has_front=True)
    recording = SyntheticRecording(WorldConfig(seed=seed, route=route, duration=12.0, cameras=cameras))
    truth = LineTruth(recording.scene, recording.world)
    shares, lengths = [], []
    for camera, number in zip(recording.cameras, (10, 30, 50, 70, 90, 110, 60), strict=True):
        exposure = recording.exposure(camera, number)
        seen = rasterise(recording.world, camera.model, exposure.T_world_camera[1], exposure.T_world_mover[1])
        rows, depth = (np.ascontiguousarray(a[..., 0]) for a in (seen.rows, seen.depth))
        segments = truth.segments(exposure, rows, depth).segments
        if len(segments):
            shares.append(share_on_discontinuities(segments, recording.world, exposure, rows, depth))
            lengths.append(float(np.hypot(*(segments[:, 2:] - segments[:, :2]).T).sum()))
    assert sum(lengths) > 5000.0
    assert np.average(shares, weights=lengths) >= 0.98
