"""One colour for each class and each instance, the same in every view."""

import numpy as np

from perception.core.classes import Class

CLASS_COLOURS = {
    Class.OTHERS: (150, 150, 150),
    Class.BARRIER: (255, 120, 50),
    Class.BICYCLE: (255, 158, 200),
    Class.BUS: (255, 220, 40),
    Class.CAR: (60, 140, 255),
    Class.CONSTRUCTION_VEHICLE: (0, 220, 220),
    Class.MOTORCYCLE: (200, 90, 255),
    Class.PEDESTRIAN: (255, 60, 60),
    Class.TRAFFIC_CONE: (255, 170, 0),
    Class.TRAILER: (160, 100, 40),
    Class.TRUCK: (140, 60, 240),
    Class.DRIVEABLE_SURFACE: (128, 64, 128),
    Class.OTHER_FLAT: (110, 90, 110),
    Class.SIDEWALK: (180, 130, 160),
    Class.TERRAIN: (150, 200, 110),
    Class.MANMADE: (200, 195, 185),
    Class.VEGETATION: (60, 150, 60),
    Class.FREE: (0, 0, 0),
    Class.TRAFFIC_SIGN: (240, 240, 60),
    Class.TRAFFIC_LIGHT: (60, 240, 120),
    Class.CHAIR: (230, 120, 120),
    Class.POTTED_PLANT: (120, 230, 90),
    Class.ANIMAL: (255, 110, 170),
}  # sRGB
UNKNOWN = (255, 255, 255)
_BY_LABEL = {kind.label: colour for kind, colour in CLASS_COLOURS.items()}


def colour_of(label: str) -> tuple[int, int, int]:
    """The sRGB colour of a class name; white for one that is not ours."""
    return _BY_LABEL.get(label, UNKNOWN)


def instance_colours(instance_map: np.ndarray) -> np.ndarray:
    """A picture (H, W, 4) uint8 RGBA of instances (H, W): a colour for each number, clear where it is 0."""
    ids = instance_map.astype(np.uint32)
    mixed = (ids * np.uint32(2654435761)) ^ (ids * np.uint32(40503))  # Knuth's multiplicative hash
    out = np.empty((*ids.shape, 4), dtype=np.uint8)
    for channel in range(3):
        out[..., channel] = 55 + ((mixed >> np.uint32(8 * channel)) & np.uint32(0xFF)) * 200 // 255
    out[..., 3] = np.where(ids > 0, 150, 0)
    return out
