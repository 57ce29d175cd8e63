"""Ground truth of line detection: the straight segments of the world's wire frame that an image shows.

A segment is a straight edge of a body, or a straight line in a picture on it, where both sides differ visibly: the
surfaces meet at 20 degrees or more, one ends before another, or their mean greys are 12 levels apart. Outlines of
curved bodies and foliage are none. Thresholds in pixels are the same for every image, whatever its focal length: they
say what a detector can resolve.
"""

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.geometry import inverse
from perception.core.labels import LineLabels
from perception.core.types import check
from perception.world.geometry.mesh import Mesh
from perception.world.geometry.raycast import Accelerator
from perception.world.materials import Material
from perception.world.scene import Scene
from perception.world.sensors.cameras import Exposure
from perception.world.truth import kernels_creases, kernels_edges, kernels_lines
from perception.world.truth.edges import edges_of, greys
from perception.world.truth.kernels_creases import NO_PLANE, creases
from perception.world.truth.kernels_lines import Screen, merged, seen_parts

MIN_LENGTH = 10.0  # px
MAX_PIECES = 65536  # of an image, before they are joined
PLANE_STEPS = (500.0, 50.0)  # per unit of normal and per m of offset: planes that differ by less are one
MIDDLE = 1  # pose of an exposure that ground truth refers to


class LineTruth:
    """Finds the edges of a world once, then the line segments of any of its images, from any thread."""

    def __init__(self, scene: Scene, world: Accelerator) -> None:
        if len(scene.movers) != len(world.first_rows) - 2:
            raise InvalidInput(
                f"world: it holds {len(world.first_rows) - 2} movers, the scene {len(scene.movers)}; "
                f"build the accelerator from the scene"
            )
        self._greys = greys(world.mesh)
        self._planes = _planes(world.mesh)
        self._bodies = np.repeat(np.arange(len(world.first_rows) - 1, dtype=np.int32), np.diff(world.first_rows))
        self._plane_numbers = _plane_numbers(world.mesh, self._planes, self._bodies)
        self._instances = world.mesh.instance_ids
        self.edges = edges_of(world, self._greys)

    def segments(self, exposure: Exposure, rows: np.ndarray, depth: np.ndarray) -> LineLabels:
        """Segments of at least `MIN_LENGTH` px, longest first, at the middle of an exposure.

        `rows` (H, W) int32 and `depth` (H, W) float32: what the middles of the pixels see. Raises `InvalidInput` for
        distorted cameras: straight edges are bent in their images.
        """
        camera = exposure.camera.model
        if camera.distortion != "none":
            raise InvalidInput(
                f"camera: {exposure.camera.name} has the lens {camera.distortion}, in whose images straight edges are "
                f"bent; set cameras.distortion to none"
            )
        check("rows", rows, (camera.height, camera.width), np.int32)
        check("depth", depth, (camera.height, camera.width), np.float32)
        T_camera_world = inverse(exposure.T_world_camera[MIDDLE])
        T_camera_body = np.concatenate([T_camera_world[None], T_camera_world @ exposure.T_world_mover[MIDDLE]])[:, :3]
        lens = np.array([camera.K[0, 0], camera.K[1, 1], camera.K[0, 2], camera.K[1, 2]])
        screen = Screen(rows, depth, self._planes, self._bodies, self._greys, np.ascontiguousarray(T_camera_body), lens)
        pieces = np.empty((MAX_PIECES, 4))
        count = seen_parts(self.edges, screen, pieces)
        pieces = np.concatenate([pieces[:count], creases(screen, self._plane_numbers, self._instances)])
        last = [camera.width - 1, camera.height - 1]
        return LineLabels(np.clip(joined_pieces(pieces), 0.0, last * 2).astype(np.float32))


def warm_up() -> None:
    """Compile all kernels that `LineTruth` needs."""
    for kernels in (kernels_edges, kernels_lines, kernels_creases):
        kernels.warm_up()


def joined_pieces(pieces: np.ndarray) -> np.ndarray:
    """Segments (N, 4) of at least `MIN_LENGTH`, longest first, from pieces (M, 4) of lines, px."""
    pieces = pieces.copy()
    merged(pieces, np.argsort(-_lengths(pieces), kind="stable"))
    lengths = _lengths(pieces)
    kept = np.flatnonzero(lengths >= MIN_LENGTH)  # NaN, what went into another, is not
    return pieces[kept[np.argsort(-lengths[kept], kind="stable")]]


def _lengths(segments: np.ndarray) -> np.ndarray:
    return np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])


def _planes(mesh: Mesh) -> np.ndarray:
    """Unit normal and offset (N, 4) float64 of each triangle, in the frame of its body."""
    corners = mesh.triangles.astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-20)
    return np.column_stack([normals, np.einsum("ni,ni->n", normals, corners[:, 0])])


def _plane_numbers(mesh: Mesh, planes: np.ndarray, bodies: np.ndarray) -> np.ndarray:
    """Number (N,) int32 that the triangles of one plane of one body share; `NO_PLANE` for curved ones and leaves."""
    keys = np.rint(planes * [*[PLANE_STEPS[0]] * 3, PLANE_STEPS[1]]).astype(np.int64)
    keys[:, 3] = (keys[:, 3] << np.int64(16)) + bodies
    is_flat = ~mesh.is_smooth & (mesh.material_ids != Material.LEAF)
    mixed = (keys * np.array([1_000_003, 998_244_353, 1_000_000_007, 1])).sum(axis=1)
    numbers = np.unique(mixed, return_inverse=True)[1].reshape(-1).astype(np.int32)
    return np.where(is_flat, numbers, np.int32(NO_PLANE))
