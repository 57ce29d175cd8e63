"""Published BEVPlace++ checkpoints become models of the user's store: tensors only, nothing of the file is run."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from perception.core.errors import MissingDependency, ModelError
from perception.inference.checkpoints import read_checkpoint
from perception.inference.model_card import Model
from perception.networks.rein_graph import ASSIGNMENT, CENTROIDS

if TYPE_CHECKING:
    from perception.networks.rein import Rein

STATE = "state_dict"
PARALLEL = "module."  # prefix of networks that were trained on several GPUs
FIRST = "rem.encoder.0.weight"
LICENCE = "MIT, as of the published code; trained on KITTI (CC BY-NC-SA) from ImageNet weights: not for commercial use"


def is_rein(content: Any) -> bool:
    """Whether a checkpoint holds a place network."""
    tensors = _tensors(content)
    return FIRST in tensors and CENTROIDS in tensors


def import_rein(checkpoint: Path, folder: Path, name: str) -> Model:
    """Write the network of a checkpoint to `folder` as NAME.safetensors, NAME.onnx and NAME.json.

    Raises `ModelError` naming what does not fit, `MissingDependency` without torch.
    """
    try:
        from perception.inference.export import Description
        from perception.inference.rein_export import write_rein

        network = rein_of(checkpoint)
    except ImportError as error:
        if isinstance(error, MissingDependency):
            raise
        raise MissingDependency(f"importing checkpoints: pip install 'perception[torch]' ({error})") from None
    words = f"As its authors say (the published ones: KITTI 00); imported from {checkpoint.name}."
    return write_rein(network, Description(name=name, classes=(), licence=LICENCE, training_data=words), folder)


def rein_of(checkpoint: Path) -> "Rein":
    """The network of a checkpoint: its `state_dict`, or tensors by name. Raises `ModelError`."""
    from perception.networks.rein import rein_from

    tensors = _tensors(read_checkpoint(checkpoint))
    if FIRST not in tensors or ASSIGNMENT not in tensors:
        raise ModelError(f"{checkpoint}: holds {len(tensors)} tensors, but no {FIRST}; give a checkpoint of BEVPlace++")
    return rein_from(tensors, str(checkpoint))


def _tensors(content: Any) -> dict[str, np.ndarray]:
    """Tensors by the names of one process."""
    entries = content.get(STATE, content) if isinstance(content, Mapping) else {}
    if not isinstance(entries, Mapping):
        return {}
    return {
        name.removeprefix(PARALLEL): array
        for name, array in entries.items()
        if isinstance(name, str) and isinstance(array, np.ndarray)
    }
