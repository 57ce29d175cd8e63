"""Class and material numbers of the generated world, each table in one place.

Class numbers are those of Occ3D (`alocc.md` section 2), so that labels need no translation.
"""

from enum import IntEnum

import numpy as np


class Class(IntEnum):
    """Semantic class of a surface, by its Occ3D number."""

    OTHERS = 0
    BARRIER = 1
    BICYCLE = 2
    BUS = 3
    CAR = 4
    CONSTRUCTION_VEHICLE = 5
    MOTORCYCLE = 6
    PEDESTRIAN = 7
    TRAFFIC_CONE = 8
    TRAILER = 9
    TRUCK = 10
    DRIVEABLE_SURFACE = 11
    OTHER_FLAT = 12
    SIDEWALK = 13
    TERRAIN = 14
    MANMADE = 15
    VEGETATION = 16


class Material(IntEnum):
    """What a surface is made of: decides how much of a beam it sends back."""

    ASPHALT = 0
    CONCRETE = 1
    PLASTER = 2
    BRICK = 3
    GLASS = 4
    METAL = 5
    WOOD = 6
    LEAF = 7
    BARK = 8
    GRASS = 9
    PAINT = 10
    RUBBER = 11
    CLOTH = 12
    SIGN = 13


REFLECTIVITY = np.zeros(len(Material), dtype=np.float32)  # at 905 nm, of a diffuse target
REFLECTIVITY[Material.ASPHALT] = 0.17
REFLECTIVITY[Material.CONCRETE] = 0.35
REFLECTIVITY[Material.PLASTER] = 0.55
REFLECTIVITY[Material.BRICK] = 0.35
REFLECTIVITY[Material.GLASS] = 0.04
REFLECTIVITY[Material.METAL] = 0.40
REFLECTIVITY[Material.WOOD] = 0.40
REFLECTIVITY[Material.LEAF] = 0.50
REFLECTIVITY[Material.BARK] = 0.30
REFLECTIVITY[Material.GRASS] = 0.40
REFLECTIVITY[Material.PAINT] = 0.45
REFLECTIVITY[Material.RUBBER] = 0.06
REFLECTIVITY[Material.CLOTH] = 0.30
REFLECTIVITY[Material.SIGN] = 0.95
