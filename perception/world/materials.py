"""What surfaces of the generated world are made of: their echo to a beam, their gloss, their texture."""

from enum import IntEnum

import numpy as np

VARIANTS = 8  # looks of one texture, see `variety.py` for those that are held out for evaluation


class Material(IntEnum):
    """What a surface is made of: decides how much of a beam it sends back, and how it shines."""

    ASPHALT = 0
    CONCRETE = 1
    PLASTER = 2
    BRICK = 3
    GLASS = 4
    METAL = 5
    WOOD = 6
    LEAF = 7  # triangles of foliage: only the part inside the leaf mask is there, for beams and cameras alike
    BARK = 8
    GRASS = 9
    PAINT = 10
    RUBBER = 11
    CLOTH = 12
    SIGN = 13
    LAMP = 14  # gives light of the colour of its tint while it is on
    STONE = 15
    PLASTIC = 16
    SKIN = 17
    FUR = 18
    SOIL = 19
    CARPET = 20


class Texture(IntEnum):
    """Families of textures. Each has `VARIANTS` looks; a triangle names one by `layer`."""

    PLAIN = 0  # hardly any structure: paint, plastic
    ASPHALT = 1
    CONCRETE = 2
    PLASTER = 3
    BRICK = 4
    STONE = 5  # masonry of hewn blocks
    PAVING = 6  # slabs and cobbles of pavements
    ROOF = 7  # tiles, slates
    GRASS = 8
    SOIL = 9
    GRAVEL = 10
    BARK = 11
    LEAF = 12
    WOOD = 13  # grain
    PLANKS = 14
    METAL = 15  # brushed, stained
    CORRUGATED = 16
    CLOTH = 17  # weave, knit
    PATTERN = 18  # printed cloth: stripes, checks, dots
    SKIN = 19
    FUR = 20
    RUBBER = 21
    ROAD_PAINT = 22  # worn marking paint
    CARPET = 23
    LINOLEUM = 24
    WALLPAPER = 25
    TILE = 26  # glazed, indoors
    GLASS = 27  # what is seen in and behind a pane
    CURTAIN = 28
    # The following fill the unit square once: their uvs run from 0 to 1 instead of over metres.
    SIGN = 29
    POSTER = 30
    SHOP = 31  # a shop window with what is on display
    PLATE = 32  # licence plate
    DOOR = 33
    FACE = 34
    SCREEN = 35  # a computer's face, a board

    def layer(self, variant: int) -> int:
        """The number by which a triangle names one look of this family."""
        return int(self) * VARIANTS + variant


UNIT_TEXTURES = frozenset(texture for texture in Texture if texture >= Texture.SIGN)

DEFAULT_TEXTURE = {
    Material.ASPHALT: Texture.ASPHALT,
    Material.CONCRETE: Texture.CONCRETE,
    Material.PLASTER: Texture.PLASTER,
    Material.BRICK: Texture.BRICK,
    Material.GLASS: Texture.GLASS,
    Material.METAL: Texture.METAL,
    Material.WOOD: Texture.WOOD,
    Material.LEAF: Texture.LEAF,
    Material.BARK: Texture.BARK,
    Material.GRASS: Texture.GRASS,
    Material.PAINT: Texture.PLAIN,
    Material.RUBBER: Texture.RUBBER,
    Material.CLOTH: Texture.CLOTH,
    Material.SIGN: Texture.PLAIN,
    Material.LAMP: Texture.PLAIN,
    Material.STONE: Texture.STONE,
    Material.PLASTIC: Texture.PLAIN,
    Material.SKIN: Texture.SKIN,
    Material.FUR: Texture.FUR,
    Material.SOIL: Texture.SOIL,
    Material.CARPET: Texture.CARPET,
}

_REFLECTIVITY = {
    Material.ASPHALT: 0.17,
    Material.CONCRETE: 0.35,
    Material.PLASTER: 0.55,
    Material.BRICK: 0.35,
    Material.GLASS: 0.04,
    Material.METAL: 0.40,
    Material.WOOD: 0.40,
    Material.LEAF: 0.50,
    Material.BARK: 0.30,
    Material.GRASS: 0.40,
    Material.PAINT: 0.45,
    Material.RUBBER: 0.06,
    Material.CLOTH: 0.30,
    Material.SIGN: 0.95,
    Material.LAMP: 0.30,
    Material.STONE: 0.35,
    Material.PLASTIC: 0.40,
    Material.SKIN: 0.50,
    Material.FUR: 0.35,
    Material.SOIL: 0.20,
    Material.CARPET: 0.25,
}
REFLECTIVITY = np.array([_REFLECTIVITY[material] for material in Material], dtype=np.float32)
"""At 905 nm, of a diffuse target, by `Material`."""
