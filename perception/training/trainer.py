"""The steps of any training run: what is trained, and on what, is told by a `Task`."""

import math
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from perception.core.config import to_yaml
from perception.core.errors import ConfigError, InvalidInput
from perception.core.files import write_atomic
from perception.training.average import RunningAverage
from perception.training.batches import Share, StepBatches
from perception.training.checkpoint import Run, read_checkpoint, restore, save_checkpoint
from perception.training.config import RunConfig
from perception.training.curves import Curves, Row
from perception.training.distributed import average_statistics, is_wanted_by_any, processes, sum_over
from perception.training.optimiser import make_optimiser, round_moments, set_rates
from perception.training.picture import write_curves_picture

CHECKPOINT, WEIGHTS = "checkpoint.safetensors", "weights.safetensors"
CURVES, PICTURE, SETTINGS = "curves.csv", "curves.png", "training.yaml"
LEVELS = 255.0  # of a colour channel

B = TypeVar("B")  # the windows of one step
Progress = Callable[[int, int], None]


class Task(Protocol[B]):
    """A kind of network and the data that it learns from."""

    @property
    def config(self) -> RunConfig:
        """Settings of the run."""

    @property
    def fixed(self) -> tuple[str, ...]:
        """Fields of the configuration that a run cannot change on its way."""

    @property
    def terms(self) -> tuple[str, ...]:
        """Names of the terms of the loss."""

    @property
    def num_pictures(self) -> int:
        """Pictures that are learned from."""

    def batches(self, share: Share) -> StepBatches[Any, B]:
        """The batches of a process."""

    def parts(self, batch: B, number: int) -> list[B]:
        """A batch divided as among so many processes."""

    def network(self) -> nn.Module:
        """A network as it is before the first step."""

    def fill(self, network: nn.Module, weights: Path) -> None:
        """Take over what fits from a file of weights. Raises `ConfigError`, `ModelError`."""

    def loss(self, network: nn.Module, batch: B, device: torch.device) -> tuple[Tensor, Tensor]:
        """Loss, summed over the images, with gradient; and its terms per image, without, in the order of `terms`."""

    def save(self, network: nn.Module, path: Path) -> None:
        """Write the weights of a network."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call of `trained` did."""

    step: int  # steps done, over all calls
    steps: int  # of the whole run
    weights: Path  # the running average

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do; the same call goes on otherwise."""
        return self.step >= self.steps


def trained(
    make: Callable[[], Task[B]], out: Path, config: RunConfig, init: Path | None, progress: Progress | None
) -> Outcome:
    """Train what `make` gives, in as many processes as there are, and write what comes of it to the folder `out`.

    A folder with a checkpoint is gone on with. SIGINT and SIGTERM end a run after its step, with a checkpoint.
    """
    device = _device(config)
    with processes(device) as share, _stop_wish() as is_stop_wished:
        _check(config, share)
        trainer = Trainer(make(), Path(out), share)
        trainer.begin(init)
        return trainer.run(is_stop_wished, progress)


class Trainer(Generic[B]):
    """A run: network, average and optimiser, and the steps that change them."""

    def __init__(self, task: Task[B], out: Path, share: Share) -> None:
        config = task.config
        if config.threads:
            torch.set_num_threads(config.threads)
        torch.manual_seed(config.seed)
        self._task, self._config, self._out, self._share = task, config, out, share
        self._device = _device(config)
        self._batches = task.batches(share)
        network = task.network().to(self._device)
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stubs forget it
        self._run = Run(network, RunningAverage(network, config.average), make_optimiser(network, config.optimiser))
        self._step = 0
        self._curves = Curves(out / CURVES, 0)

    def begin(self, init: Path | None) -> None:
        """Go on from the checkpoint in the folder, or start from `init`, or from nothing."""
        file = self._out / CHECKPOINT
        if file.is_file():
            checkpoint = read_checkpoint(file, type(self._config))
            restore(checkpoint, self._run, self._config, self._task.fixed)
            self._step = checkpoint.step
        elif init is not None:
            self._task.fill(self._run.network, init)
            self._run = Run(
                self._run.network, RunningAverage(self._run.network, self._config.average), self._run.optimiser
            )
        self._curves = Curves(self._out / CURVES, self._step)
        if self._share.rank == 0:
            write_atomic(self._out / SETTINGS, to_yaml(self._config))

    def run(self, is_stop_wished: Callable[[], bool], progress: Progress | None) -> Outcome:
        """Take the steps that are left, or as many as there are before the wish to stop."""
        config, meter = self._config, _Meter()
        self._run.network.train()
        for batch in self._batches.ahead(self._step):
            meter.add(self._take_step(batch), config.batch_at(self._step))
            self._step += 1
            if self._step % config.record_every == 0 or self._step == config.steps:
                self._record(meter)
                meter = _Meter()
            if progress is not None and self._share.rank == 0:
                progress(self._step, config.steps)
            if is_wanted_by_any(is_stop_wished(), self._device, self._share):
                break
            if self._step % config.checkpoint_every == 0 and self._step < config.steps:
                self._save()
        self._save()
        return Outcome(self._step, config.steps, self._out / WEIGHTS)

    def _take_step(self, batch: B) -> Tensor:
        """One update of the weights; returns the terms of the loss per image, and the norm of the gradient."""
        config, run = self._config, self._run
        set_rates(run.optimiser, self._step, config.steps, config.optimiser)
        run.optimiser.zero_grad(set_to_none=True)
        terms = torch.stack([self._backward(part) for part in self._task.parts(batch, config.accumulate)]).mean(dim=0)
        parameters = [value for value in run.network.parameters() if value.requires_grad]
        sum_over([value.grad for value in parameters if value.grad is not None], self._share)
        norm = torch.nn.utils.clip_grad_norm_(parameters, config.optimiser.max_gradient)
        run.optimiser.step()
        round_moments(run.optimiser)
        average_statistics(run.network, self._share)
        run.average.update(run.network)
        sum_over([terms], self._share)
        return torch.cat([terms / self._share.num_ranks, norm[None]])

    def _backward(self, batch: B) -> Tensor:
        loss, terms = self._task.loss(self._run.network, batch, self._device)
        loss.backward()
        return terms

    def _record(self, meter: "_Meter") -> None:
        if self._share.rank != 0:
            return
        *values, norm = meter.means()
        rate = self._run.optimiser.param_groups[0]["lr"]
        total = sum(values)
        if not math.isfinite(total):
            raise InvalidInput(f"loss: {total} at step {self._step}; lower optimiser.learning_rate and start again")
        terms = dict(zip(self._task.terms, values))
        self._curves.add(Row(self._step, meter.images, rate, total, terms, norm, meter.seconds()))

    def _save(self) -> None:
        if self._share.rank != 0:
            return
        save_checkpoint(self._out / CHECKPOINT, self._run, self._step, self._config, self._task.num_pictures)
        network = self._task.network()
        network.load_state_dict(self._run.network.state_dict())
        self._run.average.put_into(network)
        self._task.save(network, self._out / WEIGHTS)
        write_curves_picture(self._out / PICTURE, self._curves.rows)


class _Meter:
    """Means over some steps."""

    def __init__(self) -> None:
        self._sums: list[Tensor] = []
        self._start = perf_counter()
        self.images = 0

    def add(self, terms: Tensor, images: int) -> None:
        self._sums.append(terms.detach())
        self.images += images

    def means(self) -> list[float]:
        return torch.stack(self._sums).mean(dim=0).tolist()

    def seconds(self) -> float:
        return perf_counter() - self._start


def images_of(colors: np.ndarray, device: torch.device) -> Tensor:
    """Windows (B, H, W, 3) uint8 as what networks read, (B, 3, H, W) float32 in 0..1."""
    return torch.from_numpy(colors).to(device).permute(0, 3, 1, 2).float() / LEVELS


def filled(network: nn.Module, other: nn.Module) -> int:
    """Copy every tensor that both networks have in one shape, and return their number."""
    state, source = network.state_dict(), other.state_dict()
    shared = {name: value for name, value in source.items() if name in state and state[name].shape == value.shape}
    network.load_state_dict({**state, **shared})
    return len(shared)


def _check(config: RunConfig, share: Share) -> None:
    for size in {config.batch_at(0), config.batch_at(config.steps)}:
        if size % (share.num_ranks * config.accumulate):
            asked = f"{share.num_ranks} processes and {config.accumulate} parts"
            raise ConfigError(f"batch: {size} windows cannot be divided among {asked}; choose a multiple")


def _device(config: RunConfig) -> torch.device:
    if config.device == "cpu" or (config.device == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise ConfigError("device: cuda is not available here; use cpu or auto")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def _stop_wish() -> Iterator[Callable[[], bool]]:
    """Turns SIGINT and SIGTERM into a wish that can be asked for; a second signal ends the process as usual."""
    wish = threading.Event()
    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    before = {number: signal.getsignal(number) for number in numbers}

    def note(number: int, frame: FrameType | None) -> None:
        wish.set()
        signal.signal(number, before[signal.Signals(number)])

    for number in numbers:
        signal.signal(number, note)
    try:
        yield wish.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
