"""The training of LeYOLO: `train_detection` says what a run needs, `DetectionTask` what is particular to it."""

from pathlib import Path

import torch
from torch import Tensor, nn

from perception.core.errors import ConfigError
from perception.networks.detection_losses import Targets, detection_loss
from perception.networks.leyolo import LeYolo
from perception.networks.weights import load_leyolo, save_leyolo
from perception.training.batches import Batch, Batches, Share
from perception.training.config import TrainingConfig
from perception.training.pictures import PictureList, read_pictures
from perception.training.trainer import Outcome, Progress, filled, images_of, trained


def train_detection(
    data: list[Path], out: Path, config: TrainingConfig, init: Path | None = None, progress: Progress | None = None
) -> Outcome:
    """Train on COCO data sets and write checkpoint, curves and weights to the folder `out`.

    A folder with a checkpoint is gone on with, also with other data, more steps or another rate: only what describes
    the network, and the kind of optimiser, must stay. SIGINT and SIGTERM end a run after its step, with a checkpoint.
    `init`: weights to start from, where the folder has no checkpoint; tensors of other shapes start anew.
    Raises `InvalidInput`, `ConfigError` and `ModelError`.
    """
    return trained(lambda: DetectionTask(read_pictures(data, config.classes), config), out, config, init, progress)


class DetectionTask:
    """LeYOLO and pictures with boxes, as a `Task`."""

    fixed = ("size", "activation", "classes")
    terms = ("box", "classes", "distances")

    def __init__(self, pictures: PictureList, config: TrainingConfig) -> None:
        self.config, self._pictures = config, pictures

    @property
    def num_pictures(self) -> int:
        """As in `Task`."""
        return len(self._pictures)

    def batches(self, share: Share) -> Batches:
        """As in `Task`."""
        return Batches(self._pictures, self.config, share)

    def parts(self, batch: Batch, number: int) -> list[Batch]:
        """As in `Task`."""
        return parts(batch, number)

    def network(self) -> LeYolo:
        """As in `Task`."""
        return LeYolo(self.config.network)

    def fill(self, network: nn.Module, weights: Path) -> None:
        """As in `Task`."""
        other = load_leyolo(weights)
        if other.config.size != self.config.size:
            raise ConfigError(f"size: {self.config.size}, but the first weights are of {other.config.size}")
        filled(network, other)

    def loss(self, network: nn.Module, batch: Batch, device: torch.device) -> tuple[Tensor, Tensor]:
        """As in `Task`."""
        images = images_of(batch.images, device)
        arrays = (batch.image_ids, batch.classes, batch.boxes, batch.is_ignored)
        targets = Targets(*(torch.from_numpy(array).to(device) for array in arrays))
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            outputs = network(images)
        loss = detection_loss(outputs, targets, self.config.loss)
        return loss.total, torch.stack([loss.box, loss.classes, loss.distances])

    def save(self, network: nn.Module, path: Path) -> None:
        """As in `Task`."""
        assert isinstance(network, LeYolo)
        save_leyolo(network, path, torch.float16)


def parts(batch: Batch, number: int) -> list[Batch]:
    """A batch divided as among so many processes: part k has the windows k, k + number, ..."""
    if number == 1:
        return [batch]
    found = []
    for part in range(number):
        rows = batch.image_ids % number == part
        objects = (batch.image_ids[rows] // number, batch.classes[rows], batch.boxes[rows], batch.is_ignored[rows])
        found.append(Batch(batch.images[part::number], *objects))
    return found
