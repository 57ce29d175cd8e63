"""Networks whose speed is compared: ours with 80 classes and weights at random, and the peers' ONNX files with cards.

Weights do not matter for speed as long as no layer's values die away, so batch-norms get the statistics of random
images, ours as the peers'. With 80 classes all of them answer maps of 144 channels.
"""

from pathlib import Path

from benchmarks.detection_export_peers import settle
from benchmarks.detection_peers import NAMES, SIDES, peer_file
from perception.inference.model_card import Model, ModelCard, TensorSpec, file_entry, write_card

NUM_CLASSES = 80
NUM_CHANNELS = 144
STRIDES = {"p3": 8, "p4": 16, "p5": 32}
PEERS = dict(zip(NAMES, ("YOLO11n", "YOLOv8n")))
NANO, NANO_HARD, SMALL = "LeYOLO-Nano SiLU", "LeYOLO-Nano hard-swish", "LeYOLO-Small SiLU"
SMALL_HARD = "LeYOLO-Small hard-swish"
OURS = {
    NANO: ("nano", "silu"),
    NANO_HARD: ("nano", "hard_swish"),
    SMALL: ("small", "silu"),
    SMALL_HARD: ("small", "hard_swish"),
}


def random_leyolo(size: str, activation: str, folder: Path) -> Path:
    """The card of a LeYOLO with weights at random, its files beside it."""
    import torch

    from perception.inference.export import Description, write_leyolo
    from perception.networks.leyolo import LeYolo
    from perception.networks.leyolo_graph import LeYoloConfig

    torch.manual_seed(0)
    network = LeYolo(LeYoloConfig(size=size, activation=activation, num_classes=NUM_CLASSES))
    settle(network)
    name = f"random-{size}-{activation.replace('_', '-')}"
    classes = tuple(f"class {number}" for number in range(NUM_CLASSES))
    write_leyolo(
        network.eval(),
        Description(name=name, classes=classes, licence="none: made for a benchmark", training_data="none"),
        folder,
    )
    return folder / f"{name}.json"


def peer_card(name: str, side: int) -> Path:
    """The card of a peer beside its ONNX file."""
    file = peer_file(name, side)
    card = ModelCard(
        name=f"{name}-{side}",
        family="peer",
        task="detection",
        inputs=(TensorSpec(name="images", shape=(1, 3, side, side)),),
        outputs=tuple(
            TensorSpec(name=level, shape=(1, NUM_CHANNELS, side // stride, side // stride))
            for level, stride in STRIDES.items()
        ),
        input_size=(side, side),
        licence="AGPL-3.0; architecture only, weights at random",
        training_data="none",
        files={"onnx": file_entry(file)},
    )
    path = file.with_suffix(".json")
    write_card(card, path)
    return path


def cards(folder: Path) -> dict[tuple[str, int], Path]:
    """The card of every network at every side; ours are written to `folder`. Peers that are missing are left out."""
    ours = {name: random_leyolo(*shape, folder) for name, shape in OURS.items()}
    found = {(name, side): path for name, path in ours.items() for side in SIDES}
    peers = {(PEERS[name], side): name for name in NAMES for side in SIDES if peer_file(name, side).is_file()}
    return found | {key: peer_card(name, key[1]) for key, name in peers.items()}


def open_card(path: Path) -> Model:
    """The model of a card."""
    from perception.inference.model_card import open_model

    return open_model(str(path))
