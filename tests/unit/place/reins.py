"""Small place networks for tests."""

import torch

from perception.inference.export import Description
from perception.inference.model_card import Model
from perception.inference.rein_export import write_rein
from perception.networks.rein import Rein
from perception.networks.rein_graph import ReinConfig

SMALL = ReinConfig(width=8, blocks=(1, 1), num_clusters=4)


def small_network(seed=0):
    """A network whose running statistics are not those of the start."""
    torch.manual_seed(seed)
    network = Rein(SMALL).train()
    with torch.no_grad():
        for _ in range(3):
            network((torch.rand(4, 1, 49, 49) * (torch.rand(4, 1, 49, 49) < 0.2)), (0.0,))
    return network.eval()


def written(folder, network=None, name="places") -> Model:
    words = Description(name=name, classes=(), licence="none", training_data="none")
    return write_rein(network or small_network(), words, folder)
