"""Training of the network that tells objects apart by their looks, on labelled pictures in which objects recur.

P. Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020: in a batch of several cut-outs of several objects,
those of one object are drawn together and all others apart. Objects of a batch come from few worlds, since objects of
one world are what has to be told apart.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from perception.core.config import Config
from perception.core.errors import InvalidInput
from perception.core.files import inside
from perception.io.datasets.coco import images_root
from perception.io.datasets.fields import field, load_json
from perception.io.datasets.masks import corners
from perception.io.datasets.pictures import read_color
from perception.networks.reid import ReidNetwork
from perception.networks.reid_graph import ReidConfig
from perception.networks.reid_input import crop

ANNOTATIONS = "annotations/instances.json"
WHITE = 255.0
STEPS_STREAM = 1  # of random numbers

Progress = Callable[[int, int, float], None]  # step, steps, loss


class ReidTrainingConfig(Config):
    """One training run."""

    network: ReidConfig = Field(default_factory=ReidConfig, description="The network.")
    steps: int = Field(1500, ge=1, le=1_000_000, description="Batches in all.")
    worlds: int = Field(4, ge=1, le=64, description="Worlds in a batch.")
    identities: int = Field(5, ge=1, le=64, description="Objects of each world in a batch.")
    crops: int = Field(4, ge=2, le=64, description="Cut-outs of each object in a batch.")
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Of first weights, batches and augmentation.")
    learning_rate: float = Field(2e-3, gt=0.0, le=1.0, description="Largest; it rises for a tenth and falls as cosine.")
    weight_decay: float = Field(1e-3, ge=0.0, le=1.0, description="Of AdamW.")
    temperature: float = Field(0.1, gt=0.0, le=10.0, description="Divides the similarities.")
    min_side: float = Field(14.0, ge=1.0, le=1000.0, description="Smaller boxes (px) are not learned.")
    max_occlusion: float = Field(0.6, ge=0.0, le=1.0, description="Objects hidden more are not learned.")
    margin: int = Field(8, ge=0, le=64, description="Border (px) of a cut-out that random windows move in.")
    held_share: float = Field(0.1, gt=0.0, lt=1.0, description="Share of the worlds that is measured with instead.")
    erase: float = Field(0.4, ge=0.0, le=1.0, description="Share of cut-outs of which a part is made grey.")


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Cut-outs of objects, with a margin, and whose they are."""

    pixels: np.ndarray  # (N, H, W, 3) uint8 RGB
    identities: np.ndarray  # (N,) int64, from 0 without gaps
    worlds: np.ndarray  # (N,) int64
    kinds: np.ndarray  # (N,) int64, number of the category in the file

    def __len__(self) -> int:
        return len(self.identities)

    def at(self, rows: np.ndarray) -> "Crops":
        """Some of them; identities are numbered anew."""
        identities = np.unique(self.identities[rows], return_inverse=True)[1]
        return Crops(self.pixels[rows], identities, self.worlds[rows], self.kinds[rows])


def read_crops(paths: Sequence[Path], config: ReidTrainingConfig) -> Crops:
    """Cut-outs of all objects that recur in sets of pictures: folders whose labels have `instance_id`.

    An object is known by the folder of its pictures (its world) and its number. Raises `InvalidInput`.
    """
    found = [item for number, path in enumerate(paths) for item in _cut(Path(path), number, config)]
    keys = {key: row for row, key in enumerate(dict.fromkeys((item.world, item.instance) for item in found))}
    worlds = {key: row for row, key in enumerate(dict.fromkeys(item.world for item in found))}
    identities = np.array([keys[item.world, item.instance] for item in found], dtype=np.int64)
    recurring = np.flatnonzero(np.bincount(identities, minlength=1)[identities] > 1)
    if len(recurring) == 0:
        raise InvalidInput(f"data {', '.join(map(str, paths))}: no object recurs; give pictures with instance_id")
    return Crops(
        np.stack([item.pixels for item in found]),
        identities,
        np.array([worlds[item.world] for item in found], dtype=np.int64),
        np.array([item.kind for item in found], dtype=np.int64),
    ).at(recurring)


def split(crops: Crops, share: float) -> tuple[Crops, Crops]:
    """Cut-outs for training, and those of the last `share` of the worlds, at least one, to measure with."""
    worlds = np.unique(crops.worlds)
    held = worlds[len(worlds) - max(1, round(share * len(worlds))) :]
    is_held = np.isin(crops.worlds, held)
    return crops.at(np.flatnonzero(~is_held)), crops.at(np.flatnonzero(is_held))


def train_and_measure(
    paths: Sequence[Path], config: ReidTrainingConfig, progress: Progress | None = None
) -> tuple[ReidNetwork, dict[str, float]]:
    """A network trained on all worlds but some, and how well it tells the objects of those apart (`measured`)."""
    learned, held = split(read_crops(paths, config), config.held_share)
    network = train(learned, config, progress)
    return network, measured(embedded(network, held, config), held)


def train(crops: Crops, config: ReidTrainingConfig, progress: Progress | None = None) -> ReidNetwork:
    """A trained network in evaluation mode. The same crops and configuration give the same bits on one thread."""
    torch.manual_seed(config.seed)
    network = ReidNetwork(config.network).train()
    optimiser = torch.optim.AdamW(network.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    total = config.steps + 1
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, config.learning_rate, total_steps=total, pct_start=0.1)
    rng = np.random.default_rng([config.seed, STEPS_STREAM])
    for step, rows in zip(range(config.steps), batches(crops, config, rng)):
        images = torch.from_numpy(augmented(crops.pixels[rows], config, rng))
        loss = contrastive(network(images), torch.from_numpy(crops.identities[rows]), config.temperature)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, config.steps, float(loss.detach()))
    return network.eval()


def contrastive(embeddings: Tensor, identities: Tensor, temperature: float) -> Tensor:
    """The loss of unit vectors (B, D): for each, how unlikely the others of its identity are among all others."""
    is_self = torch.eye(len(embeddings), dtype=torch.bool)
    logits = (embeddings @ embeddings.T / temperature).masked_fill(is_self, -torch.inf)
    likelihood = (logits - logits.logsumexp(dim=1, keepdim=True)).masked_fill(is_self, 0.0)
    is_same = (identities[:, None] == identities[None, :]) & ~is_self
    count = is_same.sum(dim=1)
    return -((likelihood * is_same).sum(dim=1) / count.clamp(min=1))[count > 0].mean()


def batches(crops: Crops, config: ReidTrainingConfig, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Rows of one batch after the other, without end."""
    rows_of = _grouped(crops.identities)
    first = np.array([rows[0] for rows in rows_of])
    identities_of = _grouped(crops.worlds[first])
    while True:
        worlds = rng.choice(len(identities_of), min(config.worlds, len(identities_of)), replace=False)
        chosen = np.concatenate([_some(identities_of[world], config.identities, rng) for world in worlds])
        yield np.concatenate(
            [rng.choice(rows_of[k], config.crops, replace=len(rows_of[k]) < config.crops) for k in chosen]
        )


def augmented(pixels: np.ndarray, config: ReidTrainingConfig, rng: np.random.Generator) -> np.ndarray:
    """Random windows of cut-outs (N, H, W, 3) uint8, mirrored, recoloured and partly covered: (N, 3, h, w) float32."""
    height, width = config.network.height, config.network.width
    out = np.empty((len(pixels), 3, height, width), dtype=np.float32)
    for row, image in enumerate(pixels):
        top, left = rng.integers(0, 2 * config.margin + 1, 2)
        window = image[top : top + height, left : left + width, :].astype(np.float32) / WHITE
        if rng.random() < 0.5:
            window = window[:, ::-1]
        window = window * rng.uniform(0.7, 1.3) * rng.uniform(0.9, 1.1, 3).astype(np.float32)
        out[row] = np.clip(window, 0.0, 1.0).transpose(2, 0, 1)
        if rng.random() < config.erase:
            low, size = rng.uniform(0, 0.7, 2), rng.uniform(0.2, 0.5, 2)
            (y, x), (y_end, x_end) = (low * (height, width)).astype(int), ((low + size) * (height, width)).astype(int)
            out[row, :, y:y_end, x:x_end] = 0.5
    return out


def embedded(network: ReidNetwork, crops: Crops, config: ReidTrainingConfig, batch: int = 64) -> np.ndarray:
    """Unit vectors (N, D) float32 of the middles of cut-outs."""
    m, height, width = config.margin, config.network.height, config.network.width
    middles = crops.pixels[:, m : m + height, m : m + width]
    parts = []
    with torch.no_grad():
        for row in range(0, len(middles), batch):
            images = middles[row : row + batch].astype(np.float32).transpose(0, 3, 1, 2) / WHITE
            parts.append(network(torch.from_numpy(np.ascontiguousarray(images))).numpy())
    return np.concatenate(parts)


def measured(vectors: np.ndarray, crops: Crops) -> dict[str, float]:
    """How often the nearest other cut-out of the same class and world is of the same object, and by chance."""
    right, chance = [], []
    for row in range(len(crops)):
        rivals = (crops.worlds == crops.worlds[row]) & (crops.kinds == crops.kinds[row])
        rivals[row] = False
        is_same = crops.identities == crops.identities[row]
        if not (rivals & is_same).any() or not (rivals & ~is_same).any():
            continue
        others = np.flatnonzero(rivals)
        nearest = others[(vectors[others] @ vectors[row]).argmax()]
        right.append(is_same[nearest])
        chance.append(is_same[others].mean())
    if not right:
        raise InvalidInput("crops: no object has another one of its class beside it; give more worlds")
    return {"rank1": float(np.mean(right)), "chance": float(np.mean(chance)), "queries": float(len(right))}


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    world: tuple[int, str]  # data set and folder of its pictures
    instance: int
    kind: int
    pixels: np.ndarray


def _cut(path: Path, number: int, config: ReidTrainingConfig) -> Iterator[_Item]:
    file = path / ANNOTATIONS if path.is_dir() else path
    content = load_json(file)
    by_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in field(content, "annotations", list, str(file)):
        if _is_wanted(annotation, config):
            by_image.setdefault(annotation["image_id"], []).append(annotation)
    images = field(content, "images", list, str(file))
    root = images_root(file, [image["file_name"] for image in images[:1]])
    for image in images:
        wanted = by_image.get(image["id"], [])
        if wanted:
            pixels, world = read_color(inside(root, image["file_name"])), str(Path(image["file_name"]).parent)
            for item in wanted:
                size = (config.network.height, config.network.width)
                cut = crop(pixels, corners(item["bbox"], str(file)), size, config.margin)
                yield _Item((number, world), item["instance_id"], item["category_id"], cut)


def _is_wanted(annotation: dict[str, Any], config: ReidTrainingConfig) -> bool:
    _, _, width, height = annotation["bbox"]
    is_clear = (annotation.get("occlusion") or 0.0) <= config.max_occlusion and not annotation.get("iscrowd", 0)
    return "instance_id" in annotation and is_clear and min(width, height) >= config.min_side


def _grouped(numbers: np.ndarray) -> list[np.ndarray]:
    """Rows of each of the numbers 0, 1, ...; empty groups are left out."""
    order = np.argsort(numbers, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(numbers[order])) + 1)


def _some(values: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    return rng.choice(values, min(count, len(values)), replace=False)
