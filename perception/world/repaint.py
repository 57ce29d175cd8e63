"""Colours from anywhere for a share of the objects, so that networks do not learn the palettes of our makers."""

from dataclasses import replace

import numpy as np

from perception.core.classes import DETECTED
from perception.world.geometry.mesh import Mesh
from perception.world.materials import Material
from perception.world.objects.colours import any_tint
from perception.world.variety import Variety

SHARE = 0.4  # of the free objects
PAINTED = (Material.PAINT, Material.PLASTIC, Material.CLOTH, Material.METAL, Material.WOOD)


class Painter:
    """Repaints objects by their number; the limbs of one who walks get the same colours."""

    def __init__(self, rng: np.random.Generator, variety: Variety) -> None:
        self._rng, self._share = rng, SHARE * variety.freedom
        self._tints: dict[tuple[int, ...], np.ndarray] = {}  # by instance, material and old tint
        self._chosen: dict[int, bool] = {}  # by instance

    def painted(self, mesh: Mesh) -> Mesh:
        """The mesh with new colours for some of its countable objects; parts of one colour keep one in common."""
        if self._share == 0.0:
            return mesh
        rows = np.flatnonzero(np.isin(mesh.class_ids, DETECTED) & np.isin(mesh.material_ids, PAINTED))
        keys = np.column_stack([mesh.instance_ids[rows], mesh.material_ids[rows], mesh.tints[rows].astype(np.int64)])
        unique, inverse = np.unique(keys.astype(np.int64), axis=0, return_inverse=True)
        tints = mesh.tints.copy()
        new = np.array([self._tint(tuple(key)) for key in unique.tolist()], dtype=tints.dtype).reshape(-1, 3)
        tints[rows] = new[inverse.reshape(-1)]
        return replace(mesh, tints=tints)

    def _tint(self, key: tuple[int, ...]) -> np.ndarray:
        if self._chosen.setdefault(key[0], bool(self._rng.random() < self._share)) and key not in self._tints:
            self._tints[key] = np.array(any_tint(self._rng))
        return self._tints.get(key, np.array(key[2:]))
