"""Which function paints which family, and how a look becomes an image: from family and variant alone."""

from collections.abc import Callable

import numpy as np

from perception.world.materials import VARIANTS, Texture
from perception.world.render.textures import ground, matter, pictures, shops, signs, soft, walls
from perception.world.render.textures.swatch import Swatch

LOOK_STREAM = 11  # of the random numbers of looks; they belong to no seed of a world

_PAINTERS: dict[Texture, Callable[[np.random.Generator, int], Swatch]] = {
    Texture.ASPHALT: ground.asphalt,
    Texture.CONCRETE: ground.concrete,
    Texture.PAVING: ground.paving,
    Texture.GRASS: ground.grass,
    Texture.SOIL: ground.soil,
    Texture.GRAVEL: ground.gravel,
    Texture.ROAD_PAINT: ground.road_paint,
    Texture.PLASTER: walls.plaster,
    Texture.BRICK: walls.brick,
    Texture.STONE: walls.stone,
    Texture.ROOF: walls.roof,
    Texture.CORRUGATED: walls.corrugated,
    Texture.GLASS: walls.glass,
    Texture.CURTAIN: walls.curtain,
    Texture.PLAIN: matter.plain,
    Texture.WOOD: matter.wood,
    Texture.PLANKS: matter.planks,
    Texture.METAL: matter.metal,
    Texture.RUBBER: matter.rubber,
    Texture.BARK: matter.bark,
    Texture.LEAF: matter.leaf,
    Texture.LINOLEUM: matter.linoleum,
    Texture.TILE: matter.tile,
    Texture.CLOTH: soft.cloth,
    Texture.PATTERN: soft.pattern,
    Texture.CARPET: soft.carpet,
    Texture.WALLPAPER: soft.wallpaper,
    Texture.SKIN: soft.skin,
    Texture.FUR: soft.fur,
    Texture.SIGN: signs.sign,
    Texture.PLATE: signs.plate,
    Texture.SCREEN: signs.screen,
    Texture.POSTER: pictures.poster,
    Texture.DOOR: pictures.door,
    Texture.FACE: pictures.face,
    Texture.SHOP: shops.shop,
}


def swatch_of(texture_id: int) -> Swatch:
    """The look with this number, before it is baked."""
    family, variant = divmod(texture_id, VARIANTS)
    return _PAINTERS[Texture(family)](np.random.default_rng([LOOK_STREAM, family, variant]), variant)


def paint(swatch: Swatch) -> np.ndarray:
    """The image of a look: (S, S, 4) uint8, sRGB colour and gloss, row 0 at v = 0."""
    image = np.empty((*swatch.color.shape[:2], 4), dtype=np.uint8)
    image[..., :3] = np.clip(swatch.color[::-1] + 0.5, 0.0, 255.0)
    image[..., 3] = np.clip(swatch.gloss[::-1] + 0.5 if isinstance(swatch.gloss, np.ndarray) else swatch.gloss, 0, 255)
    return image
