"""Training of the place network on views of generated worlds, by a recipe that fits two cores.

Each image has one random heading (the eight of the network are for use), and the other places of a batch are the
negatives of each: InfoNCE on the global descriptors of two views of every place. Coarse images (0.8 m/px) first, fine
ones at the end. Beside it the local descriptors of the same spot in both views are drawn together and those of other
spots apart, which the published recipe leaves to chance. A run is gone on with where it stopped.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from perception.core.errors import InvalidInput
from perception.networks.rein import SMALL, Rein, images_from, save_rein
from perception.networks.rein_graph import ReinConfig
from perception.place.bev_image import bev_image
from perception.place.config import BevConfig, KeypointConfig
from perception.place.keypoints import find_keypoints
from perception.training.average import RunningAverage
from perception.training.checkpoint import Run, read_checkpoint, restore, save_checkpoint
from perception.training.config import AverageConfig, OptimiserConfig, RunConfig
from perception.training.curves import Curves, Row
from perception.training.optimiser import make_optimiser, round_moments, set_rates
from perception.training.place_worlds import PlaceViews, read_views

BATCH_STREAM = 1  # of random numbers
CHECKPOINT, CURVES, WEIGHTS = "checkpoint.safetensors", "curves.csv", "weights.safetensors"
FIXED = ("network",)
START_SHARE = 0.01  # share of the second best cluster in the first pooling, relative to the best
KMEANS_PASSES = 8
FORWARD_DEG = (70.0, 200.0)  # field of view of sensors that look one way

Progress = Callable[[int, int], None]


def _optimiser() -> OptimiserConfig:
    return OptimiserConfig(kind="adamw", learning_rate=1e-3, momentum=0.9, schedule="cosine", warm_up=0.05)


class PlaceTrainingConfig(RunConfig):
    """One training run of the place network."""

    network: ReinConfig = Field(default_factory=ReinConfig, description="The network.")
    steps: int = Field(2000, ge=1, le=10_000_000, description="Batches in all.")
    batch: int = Field(16, ge=2, le=1024, description="Places of a batch, two views of each.")
    worlds: int = Field(4, ge=1, le=64, description="Worlds of a batch: places of one world are hard to tell apart.")
    resolution: float = Field(0.8, ge=0.1, le=4.0, description="Cells (m) of most steps.")
    finish_resolution: float = Field(0.4, ge=0.1, le=4.0, description="Cells (m) of the last steps.")
    finish_share: float = Field(0.15, ge=0.0, le=1.0, description="Share of the steps with the finish's cells.")
    finish_batch: int = Field(8, ge=0, le=1024, description="Places of a batch there; 0: as before.")
    temperature: float = Field(0.05, gt=0.0, le=1.0, description="Divides the similarity of global descriptors.")
    local_temperature: float = Field(0.1, gt=0.0, le=1.0, description="Divides the similarity of local descriptors.")
    local_weight: float = Field(0.5, ge=0.0, le=100.0, description="Of the loss of local descriptors.")
    spots: int = Field(64, ge=2, le=4096, description="Corners of each pair whose local descriptors are learned.")
    apart: float = Field(2.0, ge=0.0, le=40.0, description="Spots nearer (m) to each other are not told apart.")
    forward_share: float = Field(
        0.3, ge=0.0, le=1.0, description="Share of pairs seen by sensors that look one way only, 70 to 200 deg wide."
    )
    extent: float = Field(40.0, ge=4.0, le=200.0, description="Of the images, m.")
    optimiser: OptimiserConfig = Field(default_factory=_optimiser, description="How the weights move.")
    average: AverageConfig = Field(
        default_factory=lambda: AverageConfig(decay=0.995, ramp=100.0), description="The running mean of the weights."
    )
    checkpoint_every: int = Field(50, ge=1, description="Steps between checkpoints.")
    record_every: int = Field(10, ge=1, description="Steps that a row of the curves stands for.")

    def bev_at(self, step: int) -> BevConfig:
        """How the images of a step are made."""
        resolution = self.resolution if step < self.finish_from else self.finish_resolution
        return BevConfig(extent=self.extent, resolution=resolution)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Two views of each of P places."""

    images: Tensor  # (2 P, 1, n, n) float32: first views, then second ones
    spots: Tensor  # (2, P, S, 2) float32: the same spots in both views, x and y in -1..1 of the image
    metres: Tensor  # (P, S, 2) float32, where they are in the first view
    is_seen: Tensor  # (P, S) bool: in both images


@dataclass(frozen=True, slots=True)
class Done:
    """How far a run is."""

    step: int
    steps: int
    weights: Path


def train_places(
    data: Sequence[Path], out: Path, config: PlaceTrainingConfig, progress: Progress | None = None
) -> Done:
    """Train on files of `perception.training.place_worlds`; checkpoint, curves and weights go to `out`.

    Raises `InvalidInput` without places, `ConfigError` and `ModelError` where a run in `out` does not fit.
    """
    worlds = [read_views(path) for path in _files(data)]
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    network = Rein(config.network)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # the stubs forget it
    out.mkdir(parents=True, exist_ok=True)
    optimiser = make_optimiser(network, config.optimiser)
    run, first = Run(network, RunningAverage(network, config.average), optimiser), 0
    if (out / CHECKPOINT).is_file():
        checkpoint = read_checkpoint(out / CHECKPOINT, PlaceTrainingConfig)
        restore(checkpoint, run, config, FIXED)
        first = checkpoint.step
    else:
        start_pooling(network, make_batch(worlds, config, 0).images)
        run.average.load({name: network.state_dict()[name].clone() for name in run.average.state}, 0)
    curves, meter = Curves(out / CURVES, first), _Meter()
    for step in range(first, config.steps):
        began = time.monotonic()
        terms, gradient = _step(run, make_batch(worlds, config, step), config, step)
        meter.add(terms, gradient, time.monotonic() - began)
        if (step + 1) % config.record_every == 0:
            curves.add(meter.row(step + 1, 2 * config.batch_at(step), optimiser.param_groups[0]["lr"]))
        if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.steps:
            save_checkpoint(out / CHECKPOINT, run, step + 1, config, sum(map(len, worlds)))
            save_average(run, config, out / WEIGHTS)
        if progress is not None:
            progress(step + 1, config.steps)
    return Done(config.steps, config.steps, out / WEIGHTS)


def save_average(run: Run, config: PlaceTrainingConfig, path: Path) -> None:
    """Write the running mean of the weights, which is what a run is for."""
    network = Rein(config.network)
    network.load_state_dict(run.network.state_dict())
    run.average.put_into(network)
    save_rein(network.eval(), path, torch.float32)


def make_batch(worlds: Sequence[PlaceViews], config: PlaceTrainingConfig, step: int) -> Batch:
    """The batch of a step: it follows from seed and step alone."""
    rng = np.random.default_rng([config.seed, BATCH_STREAM, step])
    bev, pairs = config.bev_at(step), []
    for world, rows in _pairs(worlds, config.batch_at(step), config.worlds, rng):
        pairs.append(_pair(world, rows, bev, config, rng))
    first, second, spots, others, metres, is_seen = (np.stack(parts) for parts in zip(*pairs))
    images = images_from(torch.from_numpy(np.concatenate([first, second])))
    both = torch.from_numpy(np.stack([spots, others]).astype(np.float32))
    return Batch(images, both, torch.from_numpy(metres.astype(np.float32)), torch.from_numpy(is_seen))


def losses(network: Rein, batch: Batch, config: PlaceTrainingConfig) -> dict[str, Tensor]:
    """The terms of the loss by name."""
    maps = network.rem(batch.images, (0.0,))
    vectors = network.describe(maps, batch.images.shape[-2:])
    first, second = vectors.chunk(2)
    terms = {"global": contrast(first, second, config.temperature)}
    if config.local_weight > 0.0:
        one, other = maps.chunk(2)
        local = local_contrast(_sampled(one, batch.spots[0]), _sampled(other, batch.spots[1]), batch, config)
        terms["local"] = config.local_weight * local
    return terms


def contrast(first: Tensor, second: Tensor, temperature: float) -> Tensor:
    """InfoNCE both ways: unit vectors (P, D) and (P, D), of which those of one row belong together."""
    logits = first @ second.T / temperature
    right = torch.arange(len(first))
    return 0.5 * (functional.cross_entropy(logits, right) + functional.cross_entropy(logits.T, right))


def local_contrast(first: Tensor, second: Tensor, batch: Batch, config: PlaceTrainingConfig) -> Tensor:
    """InfoNCE both ways between the spots of each pair of views (P, S, C); near spots are no negatives."""
    logits = first @ second.transpose(1, 2) / config.local_temperature
    is_near = torch.cdist(batch.metres, batch.metres) < config.apart
    is_near &= ~torch.eye(logits.shape[1], dtype=torch.bool)
    hidden = is_near | ~batch.is_seen[:, None, :] | ~batch.is_seen[:, :, None]
    logits = logits.masked_fill(hidden & ~torch.eye(logits.shape[1], dtype=torch.bool), -math.inf)
    right = torch.arange(logits.shape[1]).expand(len(logits), -1)
    each = functional.cross_entropy(logits.transpose(1, 2), right, reduction="none")
    each = each + functional.cross_entropy(logits, right, reduction="none")
    return 0.5 * each[batch.is_seen].sum() / batch.is_seen.sum().clamp(min=1)


@torch.no_grad()
def start_pooling(network: Rein, images: Tensor) -> None:
    """Begin with clusters of what the encoder sees (k-means), assigned so that the second best counts a hundredth."""
    network.train()
    maps = functional.normalize(network.rem(images, (0.0,)), dim=1, eps=SMALL)
    vectors = maps.flatten(2).transpose(1, 2).reshape(-1, maps.shape[1])
    centres = vectors[torch.randperm(len(vectors))[: network.config.num_clusters]].clone()
    for _ in range(KMEANS_PASSES):
        nearest = (vectors @ centres.T).argmax(dim=1)
        sums = torch.zeros_like(centres).index_add_(0, nearest, vectors)
        centres = functional.normalize(torch.where(sums.norm(dim=1, keepdim=True) > SMALL, sums, centres), dim=1)
    best = (vectors @ centres.T).topk(2, dim=1).values
    sharpness = -math.log(START_SHARE) / float((best[:, 0] - best[:, 1]).mean().clamp(min=1e-3))
    network.pooling.centroids.copy_(centres)
    network.pooling.conv.weight.copy_(sharpness * centres[:, :, None, None])


def _step(run: Run, batch: Batch, config: PlaceTrainingConfig, step: int) -> tuple[dict[str, float], float]:
    run.network.train()
    assert isinstance(run.network, Rein)
    set_rates(run.optimiser, step, config.steps, config.optimiser)
    terms = losses(run.network, batch, config)
    run.optimiser.zero_grad()
    torch.stack(list(terms.values())).sum().backward()
    gradient = torch.nn.utils.clip_grad_norm_(run.network.parameters(), config.optimiser.max_gradient)
    run.optimiser.step()
    round_moments(run.optimiser)
    run.average.update(run.network)
    return {name: float(term.detach()) for name, term in terms.items()}, float(gradient)


class _Meter:
    """Means of what happened since the last row."""

    def __init__(self) -> None:
        self._rows: list[tuple[dict[str, float], float, float]] = []

    def add(self, terms: dict[str, float], gradient: float, seconds: float) -> None:
        self._rows.append((terms, gradient, seconds))

    def row(self, step: int, images: int, rate: float) -> Row:
        num = len(self._rows)
        terms = {name: sum(row[0][name] for row in self._rows) / num for name in self._rows[0][0]}
        gradient, seconds = sum(row[1] for row in self._rows) / num, sum(row[2] for row in self._rows)
        self._rows.clear()
        return Row(step, images * num, rate, sum(terms.values()), terms, gradient, seconds)


def _files(data: Sequence[Path]) -> list[Path]:
    found = [file for path in data for file in (sorted(path.glob("*.npz")) if path.is_dir() else [path])]
    if not found:
        raise InvalidInput(f"data {', '.join(map(str, data))}: no .npz files; make them with `perception train worlds`")
    return found


def _pairs(
    worlds: Sequence[PlaceViews], num_places: int, num_worlds: int, rng: np.random.Generator
) -> Iterator[tuple[PlaceViews, np.ndarray]]:
    """Places of some worlds, two views of each."""
    chosen = rng.choice(len(worlds), min(num_worlds, len(worlds)), replace=False)
    for k, number in enumerate(chosen):
        world, share = worlds[number], num_places // len(chosen) + (k < num_places % len(chosen))
        places = np.unique(world.places)
        for place in rng.choice(places, min(share, len(places)), replace=False):
            rows = np.flatnonzero(world.places == place)
            yield world, rng.choice(rows, 2, replace=len(rows) < 2)


def _pair(
    world: PlaceViews, rows: np.ndarray, bev: BevConfig, config: PlaceTrainingConfig, rng: np.random.Generator
) -> tuple[np.ndarray, ...]:
    """Images of two views at random headings, and spots that both may show."""
    turns = rng.uniform(-np.pi, np.pi, 2)
    clouds = [world.clouds[row] for row in rows]
    if rng.random() < config.forward_share:
        ahead, width = rng.uniform(-np.pi, np.pi), np.radians(rng.uniform(*FORWARD_DEG))
        clouds = [_ahead(cloud, ahead - world.poses[row, 2], width) for cloud, row in zip(clouds, rows)]
    images = [bev_image(_turned(cloud, turn), bev) for cloud, turn in zip(clouds, turns)]
    corners = find_keypoints(images[0], KeypointConfig())[:, ::-1]
    pixels = corners[rng.integers(0, len(corners), config.spots)] if len(corners) else np.zeros((config.spots, 2))
    metres = (bev.first + 0.5 - pixels) * bev.resolution
    others = _moved(metres, world.poses[rows[0]] - [0, 0, turns[0]], world.poses[rows[1]] - [0, 0, turns[1]])
    reach = bev.extent - 2.0 * bev.resolution
    is_seen = (np.abs(others) < reach).all(axis=1) & (len(corners) > 1)
    return images[0], images[1], _in_image(metres, bev), _in_image(others, bev), metres, is_seen


def _ahead(cloud: np.ndarray, direction: float, width: float) -> np.ndarray:
    """The part of a cloud within an angle `width` (rad) around a direction of the sensor."""
    angle = np.arctan2(cloud[:, 1], cloud[:, 0]) - direction
    return cloud[np.abs((angle + np.pi) % (2.0 * np.pi) - np.pi) < 0.5 * width]


def _turned(cloud: np.ndarray, angle: float) -> np.ndarray:
    """The cloud as a sensor sees it whose heading is smaller by `angle`."""
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]], dtype=np.float32)
    return np.ascontiguousarray(cloud @ turn)


def _moved(points: np.ndarray, pose: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Points (N, 2) of a sensor at `pose` (x, y, heading) as one at `other` has them."""
    turn = pose[2] - other[2]
    shift, back = pose[:2] - other[:2], -other[2]
    R = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    S = np.array([[np.cos(back), -np.sin(back)], [np.sin(back), np.cos(back)]])
    return points @ R.T + S @ shift


def _in_image(metres: np.ndarray, bev: BevConfig) -> np.ndarray:
    """x and y in -1..1 of `grid_sample` (N, 2) of points (N, 2) in metres."""
    rows_columns = bev.first + 0.5 - metres / bev.resolution
    return rows_columns[:, ::-1] * (2.0 / (bev.side - 1)) - 1.0


def _sampled(maps: Tensor, spots: Tensor) -> Tensor:
    """Unit vectors (P, S, C) of maps (P, C, h, w) at spots (P, S, 2)."""
    found = functional.grid_sample(maps, spots[:, :, None], mode="bicubic", padding_mode="zeros", align_corners=True)
    return functional.normalize(found[..., 0].transpose(1, 2), dim=2, eps=SMALL)
