"""What moves in the generated world: traffic on the robot's own route, people and animals on foot."""

import numpy as np

from perception.world.config import SceneConfig, WorldConfig
from perception.world.layout import Layout, Rectangle
from perception.world.moving import Mover
from perception.world.things import Thing
from perception.world.traffic import make_traffic
from perception.world.variety import TRAINING, Variety
from perception.world.walkers import Crowd, IsFree, people_indoors, people_outdoors

__all__ = ["Mover", "make_people_indoors", "make_street_movers"]

INDOOR_SHARE = 0.5  # of the people of a street
NO_PLAN = (Rectangle(-6.0, -1.5, 30.0, 1.5), Rectangle(-6.0, 22.5, 30.0, 25.5))  # the long corridors of that route


def make_street_movers(
    layout: Layout,
    config: WorldConfig,
    rng: np.random.Generator,
    first_instance: int,
    variety: Variety = TRAINING,
    is_free: IsFree | None = None,
) -> tuple[list[Mover], list[Thing]]:
    """Traffic on the robot's route, people and animals on the pavements; with the things that they are.

    Each object has a number from `first_instance` on; one that walks has several movers. `is_free(x, y, radius)`:
    whether somebody may stand there.
    """
    movers, things = make_traffic(layout, config, rng, first_instance, variety)
    way = layout.pace.speed * config.duration
    crowd = Crowd(layout, rng, first_instance + len(things), variety, way)
    people_outdoors(crowd, config.scene.num_pedestrians, config.scene.num_animals, is_free)
    return [*movers, *crowd.movers], [*things, *crowd.things]


def make_people_indoors(
    layout: Layout,
    config: SceneConfig,
    rng: np.random.Generator,
    first_instance: int,
    variety: Variety = TRAINING,
    is_free: IsFree | None = None,
) -> tuple[list[Mover], list[Thing]]:
    """People who walk along corridors or stand in rooms beside the way of the robot; as `make_street_movers`."""
    crowd = Crowd(layout, rng, first_instance, variety)
    areas = list(NO_PLAN)
    if layout.floor_plan is not None:
        areas = [space.area for space in layout.floor_plan.spaces if space.use not in ("store", "court")]
    people_indoors(crowd, areas, round(INDOOR_SHARE * config.num_pedestrians), is_free)
    return crowd.movers, crowd.things
