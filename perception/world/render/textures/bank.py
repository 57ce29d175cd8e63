"""The textures that a world needs, in one array: all looks, all mip levels. `bake` makes it, `sample` defines reading.

Texel (row 0, column 0) of a level is at u = v = 0; v points upwards. Level 0 is the sharpest.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from perception.core.errors import InvalidInput
from perception.core.types import check
from perception.world.materials import UNIT_TEXTURES, VARIANTS, Texture

NUM_LAYERS = len(Texture) * VARIANTS
NUM_LEVELS = 10  # of the largest size, 512; layers of smaller ones repeat their last
NO_LAYER = -1

_REPEAT = {
    Texture.PLAIN: 2.0,
    Texture.ASPHALT: 6.0,
    Texture.CONCRETE: 3.0,
    Texture.PLASTER: 4.0,
    Texture.BRICK: 2.0,
    Texture.STONE: 3.0,
    Texture.PAVING: 2.4,
    Texture.ROOF: 2.4,
    Texture.GRASS: 4.0,
    Texture.SOIL: 4.0,
    Texture.GRAVEL: 2.0,
    Texture.BARK: 1.5,
    Texture.LEAF: 0.5,
    Texture.WOOD: 1.5,
    Texture.PLANKS: 2.0,
    Texture.METAL: 1.5,
    Texture.CORRUGATED: 1.5,
    Texture.CLOTH: 0.4,
    Texture.PATTERN: 0.6,
    Texture.SKIN: 0.5,
    Texture.FUR: 0.5,
    Texture.RUBBER: 0.5,
    Texture.ROAD_PAINT: 3.0,
    Texture.CARPET: 2.0,
    Texture.LINOLEUM: 2.0,
    Texture.WALLPAPER: 1.5,
    Texture.TILE: 1.2,
    Texture.GLASS: 4.0,
    Texture.CURTAIN: 1.2,
}
REPEAT = np.array([_REPEAT.get(texture, 1.0) for texture in Texture], dtype=np.float32)
"""Metres after which a family repeats, by `Texture`; 1 for unit textures, whose uvs run from 0 to 1."""


@dataclass(frozen=True, slots=True, eq=False)
class TextureBank:
    """Looks with their mip chains. Layer l, level k begins at texel `levels[l, k]` and is `sizes[l] >> k` wide."""

    texels: np.ndarray  # (T, 4) uint8: sRGB colour, then gloss: 0 matte, 255 mirror
    layers: np.ndarray  # (NUM_LAYERS,) int32: layer by texture id; NO_LAYER: not in this bank
    texture_ids: np.ndarray  # (L,) uint16, ascending
    sizes: np.ndarray  # (L,) int32, px, a power of two
    levels: np.ndarray  # (L, NUM_LEVELS) int32: first texel; beyond the last level (1 px) it is repeated
    num_levels: np.ndarray  # (L,) int32
    repeats: np.ndarray  # (L,) float32, m; 1: unit texture
    is_unit: np.ndarray  # (L,) bool, clamped at its border instead of repeated
    mean_colors: np.ndarray  # (L, 3) float32, linear light, 0 to 1

    def __post_init__(self) -> None:
        n = len(self.texture_ids)
        check("texels", self.texels, (None, 4), np.uint8)
        check("layers", self.layers, (NUM_LAYERS,), np.int32)
        check("texture_ids", self.texture_ids, (n,), np.uint16)
        check("sizes", self.sizes, (n,), np.int32)
        check("levels", self.levels, (n, NUM_LEVELS), np.int32)
        check("num_levels", self.num_levels, (n,), np.int32)
        check("repeats", self.repeats, (n,), np.float32)
        check("is_unit", self.is_unit, (n,), np.bool_)
        check("mean_colors", self.mean_colors, (n, 3), np.float32)

    def layer(self, texture_id: int) -> int:
        """Layer of a texture id. Raises `InvalidInput` where the bank has none."""
        layer = int(self.layers[texture_id]) if 0 <= texture_id < NUM_LAYERS else NO_LAYER
        if layer == NO_LAYER:
            raise InvalidInput(f"texture_id: {texture_id} is not in this bank; bake it with the others of the world")
        return layer

    def image(self, texture_id: int, level: int = 0) -> np.ndarray:
        """Texels (S, S, 4) uint8 of one level, row 0 at v = 0."""
        layer = self.layer(texture_id)
        if not 0 <= level < self.num_levels[layer]:
            raise InvalidInput(f"level: {level} of texture {texture_id}; it has 0 to {self.num_levels[layer] - 1}")
        side, first = int(self.sizes[layer]) >> level, int(self.levels[layer, level])
        return self.texels[first : first + side * side].reshape(side, side, 4)


def bake(texture_ids: np.ndarray | Iterable[int]) -> TextureBank:
    """The looks named by `texture_ids` (any order, repeated or not), each from its family and variant alone.

    Raises `InvalidInput` for a number that names no look.
    """
    wanted = np.unique(np.asarray(texture_ids, dtype=np.int64).reshape(-1))
    if len(wanted) and (wanted[0] < 0 or wanted[-1] >= NUM_LAYERS):
        bad = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise InvalidInput(f"texture_ids: {bad} names no look; use Texture.layer, 0 to {NUM_LAYERS - 1}")
    return _baked(tuple(wanted.tolist()))


def sample(bank: TextureBank, texture_id: int, u: np.ndarray, v: np.ndarray, level: int) -> np.ndarray:
    """Texels (N, 4) float64, bilinear between the four nearest, at `u`, `v` (N,) in m (unit textures: 0 to 1).

    The definition that the renderer's kernel is held to: texel (i, j) of S lies at ((j + 0.5) / S, (i + 0.5) / S).
    """
    image = bank.image(texture_id, level).astype(np.float64)
    layer, side = bank.layer(texture_id), image.shape[0]
    x = np.asarray(u, dtype=np.float64) / bank.repeats[layer] * side - 0.5
    y = np.asarray(v, dtype=np.float64) / bank.repeats[layer] * side - 0.5
    j, i = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    fx, fy = (x - j)[:, None], (y - i)[:, None]
    place = (lambda k: np.clip(k, 0, side - 1)) if bank.is_unit[layer] else (lambda k: k % side)
    low = image[place(i), place(j)] * (1.0 - fx) + image[place(i), place(j + 1)] * fx
    high = image[place(i + 1), place(j)] * (1.0 - fx) + image[place(i + 1), place(j + 1)] * fx
    return low * (1.0 - fy) + high * fy


@lru_cache(maxsize=1)
def _baked(wanted: tuple[int, ...]) -> TextureBank:
    """The last bank is kept: the renderer and the truth about lines of one world share it."""
    from perception.world.render.textures.looks import paint, swatch_of
    from perception.world.render.textures.mipmaps import mip_chain

    chains, means = [], np.zeros((len(wanted), 3), dtype=np.float32)
    for row, texture_id in enumerate(wanted):
        chain, means[row] = mip_chain(paint(swatch_of(texture_id)))
        chains.append(chain)
    return _packed(np.array(wanted, dtype=np.int64), chains, means)


def _packed(wanted: np.ndarray, chains: list[list[np.ndarray]], means: np.ndarray) -> TextureBank:
    layers = np.full(NUM_LAYERS, NO_LAYER, dtype=np.int32)
    layers[wanted] = np.arange(len(wanted), dtype=np.int32)
    levels = np.zeros((len(wanted), NUM_LEVELS), dtype=np.int32)
    flat, first = [np.zeros((0, 4), dtype=np.uint8)], 0
    for row, chain in enumerate(chains):
        for k, image in enumerate(chain):
            levels[row, k:] = first
            flat.append(image.reshape(-1, 4))
            first += len(flat[-1])
    families = wanted // VARIANTS
    return TextureBank(
        np.concatenate(flat),
        layers,
        wanted.astype(np.uint16),
        np.array([chain[0].shape[0] for chain in chains], dtype=np.int32),
        levels,
        np.array([len(chain) for chain in chains], dtype=np.int32),
        REPEAT[families],
        np.isin(families, [int(texture) for texture in UNIT_TEXTURES]),
        means,
    )
