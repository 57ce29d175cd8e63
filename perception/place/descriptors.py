"""Local descriptors at keypoints and one global descriptor of a bird's-eye image, by the place network.

The runtime computes the encoder, which is nearly all of the work. Turning the image to eight headings, turning the maps
back, their maximum, the pooling (NetVLAD) and the descriptors at keypoints are kernels and two matrix products: they
take milliseconds, and networks without them run in every library and at every size. A local descriptor is sampled from
the small map with 16 taps where a keypoint is, which is what the dense map would hold there.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from perception.core.errors import InvalidInput, ModelError
from perception.core.types import check
from perception.inference.model_card import Model, open_model
from perception.inference.runtime import make_runtime
from perception.inference.tensor_file import read_arrays
from perception.kernels.bicubic import maximum_into, resize_places, rotation_places, sample, sample_plane
from perception.networks.rein_graph import (
    ASSIGNMENT,
    CENTROIDS,
    FAMILY,
    INPUT,
    NUM_ROTATIONS,
    OUTPUT,
    WHITE,
    ReinConfig,
)
from perception.place.config import DescriptorConfig

POOLED = 4  # px of the image per px of the map that is pooled
SMALL = 1e-12  # least length that a vector is divided by


@dataclass(frozen=True, slots=True, eq=False)
class FeatureMap:
    """What the encoder saw in an image. Maps of one and of eight headings are compared with their like only."""

    values: np.ndarray  # (h, w, C) float32
    size_px: tuple[int, int]  # height and width of the image
    num_rotations: int


class PlaceNetwork:
    """The place network of a model card, ready to run. One caller at a time."""

    def __init__(self, model: Model, config: DescriptorConfig, side: int) -> None:
        """`side` (px) of the images that come most; others work as well. Raises as `make_runtime`."""
        if model.card.family != FAMILY:
            raise ModelError(f"model {model.card.name}: family {model.card.family!r} describes no places; use {FAMILY}")
        self.config = ReinConfig.model_validate(model.card.network)
        self.name = model.card.name
        self.digest = model.card.files["weights"].sha256  # of what makes its descriptors
        self.centroids, self.assignment = _pooling(model, self.config)
        shapes = {INPUT: (NUM_ROTATIONS, 1, side, side)}
        self.runtime = make_runtime(model, config.backend, config.precision, config.num_threads, shapes=shapes)

    def encode(self, image: np.ndarray, num_rotations: int = 1) -> FeatureMap:
        """The feature map of a square image (n, n) uint8 at one heading (for odometry) or at eight (for places)."""
        check("image", image, (None, None), np.uint8)
        if image.shape[0] != image.shape[1] or num_rotations not in (1, NUM_ROTATIONS):
            raise InvalidInput(f"image: {image.shape} at {num_rotations} headings; give a square one, at 1 or 8")
        side = image.shape[0]
        grey = image.astype(np.float32) / np.float32(WHITE)
        if num_rotations == 1:
            maps = self.runtime.infer({INPUT: grey[None, None]})[OUTPUT]
            return FeatureMap(_channels_last(maps[0]), (side, side), 1)
        turned = np.empty((NUM_ROTATIONS, 1, side, side), dtype=np.float32)
        for k, places in enumerate(_places(side, is_back=False)):
            sample_plane(grey, places, turned[k].reshape(-1))
        maps = self.runtime.infer({INPUT: turned})[OUTPUT]
        return FeatureMap(merged(maps), (side, side), NUM_ROTATIONS)

    def local(self, features: FeatureMap, pixels: np.ndarray) -> np.ndarray:
        """Unit vectors (K, C) float32 at pixels (K, 2) of the image: column, row."""
        return local_descriptors(features, pixels)

    def describe(self, features: FeatureMap) -> np.ndarray:
        """The global descriptor (D,) float32, a unit vector, of a feature map."""
        return vlad(pooled_map(features), self.centroids, self.assignment)

    def close(self) -> None:
        """Free the runtime."""
        self.runtime.close()


def open_place_network(config: DescriptorConfig, side: int) -> PlaceNetwork:
    """The network of a configuration for images of `side` px. Raises `ModelError` and as `make_runtime`."""
    return PlaceNetwork(open_model(config.model), config, side)


def local_descriptors(features: FeatureMap, pixels: np.ndarray) -> np.ndarray:
    """As `PlaceNetwork.local`; the feature map is sampled with 16 taps, zero outside."""
    pixels = np.asarray(pixels, dtype=np.float64).reshape(-1, 2)
    (height, width), (rows, columns, channels) = features.size_px, features.values.shape
    scale = np.array([(rows - 1) / (height - 1), (columns - 1) / (width - 1)])
    found = np.empty((len(pixels), channels), dtype=np.float32)
    sample(features.values, np.ascontiguousarray(pixels[:, ::-1] * scale), found)
    return _unit(found)


def pooled_map(features: FeatureMap) -> np.ndarray:
    """Unit vectors (P, C) float32 of the map that is pooled: a quarter of the image's height and width."""
    height, width = features.size_px
    rows, columns, channels = features.values.shape
    places = _resizing(rows, columns, height // POOLED, width // POOLED)
    found = np.empty((len(places), channels), dtype=np.float32)
    sample(features.values, places, found)
    return _unit(found)


def vlad(vectors: np.ndarray, centroids: np.ndarray, assignment: np.ndarray) -> np.ndarray:
    """NetVLAD of unit vectors (P, C) with centroids and assignment weights (K, C): a unit vector (K * C,)."""
    logits = vectors @ assignment.T
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    sums = shares.T @ vectors - shares.sum(axis=0)[:, None] * centroids
    return _unit(_unit(sums).reshape(1, -1))[0]


def merged(maps: np.ndarray) -> np.ndarray:
    """Maps (8, C, h, h) of the headings turned back, and their maximum: (h, h, C) float32."""
    _, channels, side, _ = maps.shape
    best = _channels_last(maps[0]).reshape(-1, channels)
    turned = np.empty_like(best)
    for k, places in enumerate(_places(side, is_back=True)):
        if k:
            sample(_channels_last(maps[k]), places, turned)
            maximum_into(best, turned)
    return best.reshape(side, side, channels)


@lru_cache(maxsize=8)
def _places(side: int, is_back: bool) -> tuple[np.ndarray, ...]:
    """Where pixels come from when an image is turned to the headings, or a map back from them."""
    step = (-1.0 if is_back else 1.0) * math.tau / NUM_ROTATIONS
    return tuple(rotation_places(side, k * step) for k in range(NUM_ROTATIONS))


@lru_cache(maxsize=8)
def _resizing(rows: int, columns: int, height: int, width: int) -> np.ndarray:
    return resize_places(rows, columns, height, width)


def _channels_last(maps: np.ndarray) -> np.ndarray:
    return np.array(maps.transpose(1, 2, 0), dtype=np.float32, order="C")


def _unit(vectors: np.ndarray) -> np.ndarray:
    lengths = np.sqrt(np.einsum("nc,nc->n", vectors, vectors))
    return vectors / np.maximum(lengths, SMALL)[:, None]


def _pooling(model: Model, config: ReinConfig) -> tuple[np.ndarray, np.ndarray]:
    """Centroids and assignment weights (K, C) float32 out of the weights of a model."""
    found = read_arrays(model.read("weights"), (CENTROIDS, ASSIGNMENT), f"model {model.card.name}: files.weights")
    shape = (config.num_clusters, config.channels)
    arrays = [np.ascontiguousarray(found[name], dtype=np.float32) for name in (CENTROIDS, ASSIGNMENT)]
    for name, array in zip((CENTROIDS, ASSIGNMENT), arrays):
        if array.size != shape[0] * shape[1] or not np.isfinite(array).all():
            raise ModelError(f"model {model.card.name}: {name} is {array.shape}, expected {shape} finite numbers")
    return arrays[0].reshape(shape), arrays[1].reshape(shape)
