"""The one list of classes: what generated worlds are labelled with, networks learn, and messages name.

Numbers 0 to 17 are those of Occ3D-nuScenes (`alocc.md` section 2); what that set does not tell apart follows.
"""

from enum import IntEnum

import numpy as np


class Class(IntEnum):
    """Semantic class of a surface or of an object."""

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
    FREE = 17
    TRAFFIC_SIGN = 18
    TRAFFIC_LIGHT = 19
    CHAIR = 20
    POTTED_PLANT = 21
    ANIMAL = 22

    @property
    def label(self) -> str:
        """The name as files and messages spell it, e.g. `traffic_cone`."""
        return self.name.lower()


DETECTED = (
    Class.BARRIER,
    Class.BICYCLE,
    Class.BUS,
    Class.CAR,
    Class.CONSTRUCTION_VEHICLE,
    Class.MOTORCYCLE,
    Class.PEDESTRIAN,
    Class.TRAFFIC_CONE,
    Class.TRAILER,
    Class.TRUCK,
    Class.TRAFFIC_SIGN,
    Class.TRAFFIC_LIGHT,
    Class.CHAIR,
    Class.POTTED_PLANT,
)  # the classes of boxes and masks, in the order of a network's outputs

VOID = 255  # in label arrays: not labelled


def _table(default: int, changes: dict[Class, int]) -> np.ndarray:
    table = np.full(len(Class), default, dtype=np.uint8)
    for kind, number in changes.items():
        table[kind] = number
    return table


TO_OCC3D = _table(0, {kind: int(kind) for kind in Class if kind <= Class.FREE})
"""Occ3D number (18 classes) by `Class`. Signs and lights are manmade and potted plants vegetation, as in lidarseg."""
TO_OCC3D[[Class.TRAFFIC_SIGN, Class.TRAFFIC_LIGHT]] = Class.MANMADE
TO_OCC3D[Class.POTTED_PLANT] = Class.VEGETATION

_OPENOCC_BY_OCC3D = np.array([14, 9, 5, 3, 0, 4, 6, 7, 8, 2, 1, 10, 11, 12, 13, 14, 15, 16], dtype=np.uint8)
TO_OPENOCC = _OPENOCC_BY_OCC3D[TO_OCC3D]
"""OpenOcc number (17 classes) by `Class`. It has no class for others; they are manmade there."""

NUM_OPENOCC_MOVABLE = 8  # OpenOcc numbers 0 to 7 have a flow
TO_DETECTED = _table(VOID, {kind: number for number, kind in enumerate(DETECTED)})
"""Number in `DETECTED` by `Class`; VOID for what is not detected."""
