"""What furnishes streets and rooms: the makers of all small things, and how often a street has each."""

from collections.abc import Callable

from perception.world.geometry.mesh import Mesh
from perception.world.objects.barriers import make_barrier, make_bollard, make_cone, make_fence, make_roadworks
from perception.world.objects.pots import make_potted_plant
from perception.world.objects.seats import make_bench, make_chair, make_sofa
from perception.world.objects.signs import make_gantry_sign, make_sign, make_traffic_light
from perception.world.objects.street_pieces import (
    make_bicycle_stand,
    make_bin,
    make_bus_stop,
    make_cabinet,
    make_hydrant,
    make_lamp,
    make_mailbox,
    make_parasol,
    make_shelter,
)
from perception.world.objects.tables import make_desk, make_lectern, make_shelf, make_table

__all__ = [
    "PIECES",
    "make_barrier",
    "make_bench",
    "make_bicycle_stand",
    "make_bin",
    "make_bollard",
    "make_bus_stop",
    "make_cabinet",
    "make_chair",
    "make_cone",
    "make_desk",
    "make_fence",
    "make_gantry_sign",
    "make_hydrant",
    "make_lamp",
    "make_lectern",
    "make_mailbox",
    "make_parasol",
    "make_potted_plant",
    "make_roadworks",
    "make_shelf",
    "make_shelter",
    "make_sign",
    "make_sofa",
    "make_table",
    "make_traffic_light",
]

# Small pieces `(rng, variety) -> Mesh` and how often each is met in the strip between pavement and road.
PIECES: tuple[tuple[Callable[..., Mesh], float], ...] = (
    (make_sign, 0.22),
    (make_bollard, 0.15),
    (make_bin, 0.13),
    (make_bench, 0.08),
    (make_cabinet, 0.07),
    (make_bicycle_stand, 0.1),
    (make_traffic_light, 0.05),
    (make_cone, 0.04),
    (make_hydrant, 0.03),
    (make_mailbox, 0.02),
    (make_potted_plant, 0.05),
    (make_lectern, 0.03),
    (make_bus_stop, 0.03),
)
