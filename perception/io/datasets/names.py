"""Names of classes in the data sets of the field, and the `Class` that each of them is here."""

from perception.core.classes import Class

_ALIKE = {
    Class.BARRIER: ("barrier", "movable object.barrier"),
    Class.BICYCLE: ("bicycle", "cyclist", "vehicle.bicycle"),
    Class.BUS: ("bus", "vehicle.bus.bendy", "vehicle.bus.rigid"),
    Class.CAR: ("car", "van", "sedan", "vehicle.car"),
    Class.CONSTRUCTION_VEHICLE: ("construction vehicle", "vehicle.construction"),
    Class.MOTORCYCLE: ("motorcycle", "motorbike", "vehicle.motorcycle"),
    Class.PEDESTRIAN: (
        "pedestrian",
        "person",
        "person sitting",
        "human.pedestrian.adult",
        "human.pedestrian.child",
        "human.pedestrian.construction worker",
        "human.pedestrian.police officer",
    ),
    Class.TRAFFIC_CONE: ("traffic cone", "movable object.trafficcone"),
    Class.TRAILER: ("trailer", "vehicle.trailer"),
    Class.TRUCK: ("truck", "vehicle.truck"),
    Class.TRAFFIC_SIGN: ("traffic sign", "stop sign"),
    Class.TRAFFIC_LIGHT: ("traffic light",),
    Class.CHAIR: ("chair",),
    Class.POTTED_PLANT: ("potted plant",),
    Class.ANIMAL: (
        *("animal", "bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"),  # COCO
        *("poultry", "giant panda", "lizard", "parrot", "monkey", "rabbit", "tiger", "fish", "turtle"),  # OVIS
        *("ape", "snake", "duck", "deer", "owl", "leopard", "fox", "shark", "frog", "eagle"),  # YouTube-VIS
        *("earless seal", "squirrel", "whale"),
    ),
}
_CLASS_BY_NAME = {kind.label.replace("_", " "): kind for kind in Class}
_CLASS_BY_NAME |= {name: kind for kind, names in _ALIKE.items() for name in names}


def class_of(name: str) -> Class:
    """The class that a set calls `name`; OTHERS for what has no class here (e.g. COCO's pizza, OVIS's Vehicle).

    Mouse is OTHERS, too: an animal in one set and a device in another.
    nuScenes as `alocc.md` section 14 lists it. COCO's train and KITTI's Tram are OTHERS. A KITTI cyclist is a bicycle:
    nuScenes counts the rider to it as well.
    """
    return _CLASS_BY_NAME.get(name.strip().lower().replace("_", " "), Class.OTHERS)
