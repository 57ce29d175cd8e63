"""Everything that drives: the makers of all vehicles."""

from perception.world.objects.bicycles import make_bicycle, make_motorcycle
from perception.world.objects.buses import make_bus
from perception.world.objects.cars import make_car
from perception.world.objects.machines import make_construction_vehicle
from perception.world.objects.trucks import make_trailer, make_truck

__all__ = [
    "make_bicycle",
    "make_bus",
    "make_car",
    "make_construction_vehicle",
    "make_motorcycle",
    "make_trailer",
    "make_truck",
]
