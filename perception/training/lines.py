"""The training of LSDNet: `train_lines` says what a run needs, `LineTask` what is particular to it."""

from pathlib import Path

import torch
from torch import Tensor, nn

from perception.core.errors import ConfigError
from perception.kernels import line_targets
from perception.networks.blocks import folded
from perception.networks.line_losses import LineLoss, LineTargets, line_loss, taught_loss
from perception.networks.lsdnet import LsdNet, load_lsdnet, save_lsdnet
from perception.training.batches import Share
from perception.training.line_pictures import LinePictures, read_line_pictures
from perception.training.line_windows import LineBatch, LineBatches, parts
from perception.training.lines_config import LineTrainingConfig
from perception.training.trainer import Outcome, Progress, filled, images_of, trained


def train_lines(
    data: list[Path], out: Path, config: LineTrainingConfig, init: Path | None = None, progress: Progress | None = None
) -> Outcome:
    """Train on data sets with line segments and write checkpoint, curves and weights to the folder `out`.

    A folder with a checkpoint is gone on with, also with other data, more steps or another rate; the width of the
    network and the kind of optimiser must stay. SIGINT and SIGTERM end a run after its step, with a checkpoint.
    `init`: weights of the same width to start from, where the folder has no checkpoint.
    Raises `InvalidInput`, `ConfigError` and `ModelError`.
    """
    return trained(lambda: LineTask(read_line_pictures(data), config), out, config, init, progress)


class LineTask:
    """LSDNet and pictures with line segments, as a `Task`."""

    fixed = ("base_width",)
    terms = ("heat", "angle")

    def __init__(self, pictures: LinePictures, config: LineTrainingConfig) -> None:
        self.config, self._pictures = config, pictures
        self._teacher = None if config.teacher is None else folded(load_lsdnet(config.teacher)).requires_grad_(False)
        line_targets.warm_up()  # before threads ask for it

    @property
    def num_pictures(self) -> int:
        """As in `Task`."""
        return len(self._pictures)

    def batches(self, share: Share) -> LineBatches:
        """As in `Task`."""
        return LineBatches(self._pictures, self.config, share)

    def parts(self, batch: LineBatch, number: int) -> list[LineBatch]:
        """As in `Task`."""
        return parts(batch, number)

    def network(self) -> LsdNet:
        """As in `Task`."""
        return LsdNet(self.config.network)

    def fill(self, network: nn.Module, weights: Path) -> None:
        """As in `Task`."""
        other = load_lsdnet(weights)
        if other.config != self.config.network:
            have, want = self.config.base_width, other.config.base_width
            raise ConfigError(f"base_width: {have}, but the first weights are of {want}; use that width")
        filled(network, other)

    def loss(self, network: nn.Module, batch: LineBatch, device: torch.device) -> tuple[Tensor, Tensor]:
        """As in `Task`."""
        assert isinstance(network, LsdNet)
        images, maps = images_of(batch.images, device), batch.maps
        arrays = (maps.heat, maps.angle, maps.is_known, maps.has_angle)
        targets = LineTargets(*(torch.from_numpy(array).to(device) for array in arrays))
        with torch.autocast(device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            logits = network.logits(images)
        own = line_loss(logits, targets, self.config.loss)
        if self._teacher is None:
            return own.total, _terms(own)
        taught = taught_loss(logits, self._answers(images), targets.is_known, self.config.loss)
        share = self.config.teacher_share
        return own.total * (1 - share) + taught.total * share, _terms(own) * (1 - share) + _terms(taught) * share

    def save(self, network: nn.Module, path: Path) -> None:
        """As in `Task`."""
        assert isinstance(network, LsdNet)
        save_lsdnet(network, path)

    def _answers(self, images: Tensor) -> Tensor:
        """What the teacher says, before its sigmoid."""
        assert self._teacher is not None
        with torch.no_grad():
            return self._teacher.to(images.device).logits(images)


def _terms(loss: LineLoss) -> Tensor:
    return torch.stack([loss.heat, loss.angle])
