"""Rows of `perception bench detection` about accuracy: parity with the published network, generated and real images."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.detection_peers import cache_folder, data_folder
from benchmarks.jobs import ROOT
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

if TYPE_CHECKING:
    from perception.evaluation.detection import Evaluation, Heads

SHARED = ROOT.parent / "shared"
FIXTURE = SHARED / "parity" / "leyolo_nano.npz"
COCO, KITTI = "coco_mini", "kitti_raw_0005"
NUM_ARRAYS = 557
LEVELS = ("p3", "p4", "p5")
SILU, HARD_SWISH = "leyolo-nano-silu", "leyolo-nano-hard-swish"
MODELS = (SILU, HARD_SWISH)
HELD_OUT = "heldout"
FIRST_SEED = 1_000_000  # from here on worlds are for evaluation
FULL, SMALL = (25, 20), (5, 12)  # worlds, and pictures of each
SIDE = 640
PARITY, COCO_FIXTURE = "published Nano, fixture", f"published Nano, {COCO}"
PUBLISHED = (  # long side, square, AP, AP50, %
    (640, False, 42.2, 58.3),
    (640, True, 40.9, 57.0),
    (320, False, 29.0, 43.0),
)
TOLERANCE = 0.3  # points of AP
PARITY_BOUNDS = (
    ("heads, largest difference", 2e-4, ""),
    ("boxes, largest difference", 5e-3, "px"),
    ("boxes after suppression that differ", 0.0, ""),
    ("loss, relative difference", 1e-4, ""),
    ("gradients, largest difference", 1e-5, ""),
)
GENERATED = "generated world, held out"
BF16_LOSS, MAX_BF16_LOSS = "AP that bf16 loses", 0.3  # points
NO_AMX = "not measured: no AMX on this CPU"


def parity(options: BenchOptions, result: Result) -> None:
    """How far the network with published weights is from stored tensors, float32."""
    if not FIXTURE.is_file():
        result.add(OURS, PARITY, "all", None, "not measured: ../shared/parity/leyolo_nano.npz is not there")
        return
    for (metric, _, unit), value in zip(PARITY_BOUNDS, _differences()):
        result.add(OURS, PARITY, metric, value, unit)


def coco(options: BenchOptions, result: Result) -> None:
    """AP of the published network on 40 images of COCO, to be compared with the spec."""
    if not FIXTURE.is_file():
        result.add(OURS, COCO_FIXTURE, "all", None, "not measured: ../shared is not there")
        return
    names = _category_names()
    for side, is_square, _, _ in PUBLISHED:
        options.say(f"coco: {side}")
        found = _evaluated(_fixture_heads(), SHARED / "data" / COCO, names, side, is_square)
        _add_precision(result, f"{COCO_FIXTURE}, {_way(side, is_square)}", found)


def world(options: BenchOptions, result: Result) -> None:
    """Our networks on pictures of worlds whose shapes and seeds no training has seen."""
    folder = held_out(options)
    for name in MODELS:
        options.say(f"world: {name}")
        found = _on_model(name, folder)
        data = f"{GENERATED}, {name}"
        result.add(OURS, data, "images", found.counts["images"], "")
        result.add(OURS, data, "objects", found.counts["objects"], "")
        _add_precision(result, data, found)
        precision, recall = found.tally.totals()
        result.add(OURS, data, "precision at the threshold of use", _percent(precision), "%")
        result.add(OURS, data, "recall at the threshold of use", _percent(recall), "%")
        for entry in found.classes:
            result.add(OURS, data, f"AP of {entry.name}", *_or_none(entry.average_precision))
        _add_bf16_loss(result, data, name, folder, found)


def _add_bf16_loss(result: Result, data: str, name: str, folder: Path, found: "Evaluation") -> None:
    """Points of AP that bfloat16 costs: in OpenVINO where the CPU has a unit for it, else as torch imitates it."""
    from perception.inference.hardware import has_amx

    less = _on_model(name, folder, "openvino" if has_amx() else "torch", "bf16")
    whole, part = found.summary["AP"], less.summary["AP"]
    value = None if whole is None or part is None else 100.0 * (whole - part)
    result.add(OURS, data, BF16_LOSS, value, "points" if value is not None else "not measured: no object")


def real(options: BenchOptions, result: Result) -> None:
    """Our networks, trained on generated worlds alone, on real images: classes that both sides know."""
    for place in (COCO, KITTI):
        if not (SHARED / "data" / place).is_dir():
            result.add(OURS, place, "all", None, f"not measured: ../shared/data/{place} is not there")
            continue
        for name in MODELS:
            options.say(f"real: {name} on {place}")
            found = _on_model(name, SHARED / "data" / place)
            data = f"{place}, {name}"
            for what in ("images", "objects"):
                result.add(OURS, data, what, found.counts[what], "")
            _add_precision(result, data, found)
            for entry in found.classes:
                if entry.objects:
                    result.add(OURS, data, f"AP of {entry.name} ({entry.objects})", *_or_none(entry.average_precision))


def targets(result: Result) -> list[Target]:
    """What is asked of the accuracy."""
    asked = [
        target(f"{metric}, {PARITY}", bound, result.value(OURS, PARITY, metric), unit=unit)
        for metric, bound, unit in PARITY_BOUNDS
    ]
    for side, is_square, *precisions in PUBLISHED:
        data = f"{COCO_FIXTURE}, {_way(side, is_square)}"
        for metric, want in zip(("AP", "AP50"), precisions):
            have = result.value(OURS, data, metric)
            apart = None if have is None else abs(have - want)
            asked.append(target(f"{metric} against {want}, {data}", TOLERANCE, apart, unit="points"))
    silu, hard = (result.value(OURS, f"{GENERATED}, {name}", "AP") for name in MODELS)
    for name in MODELS:
        for metric, bound in (("AP50", 80.0), ("AP", 55.0)):
            data = f"{GENERATED}, {name}"
            asked.append(target(f"{metric}, {data}", bound, result.value(OURS, data, metric), ">=", "%"))
    loss = None if silu is None or hard is None else silu - hard
    asked.append(target(f"AP that hard-swish loses, {GENERATED}", 1.5, loss, unit="points"))
    losses = {data: result.value(OURS, data, BF16_LOSS) for data in (f"{GENERATED}, {name}" for name in MODELS)}
    return [*asked, *(target(f"{BF16_LOSS}, {data}", MAX_BF16_LOSS, v, unit="points") for data, v in losses.items())]


def held_out(options: BenchOptions) -> Path:
    """A set of held-out pictures: all 500 where they are or with --long, else some of them. Made where missing."""
    from perception.world.picture_set import ANNOTATIONS, PictureSetConfig, write_picture_set

    for folder in (data_folder(), cache_folder()):
        if (folder / HELD_OUT / ANNOTATIONS).is_file():
            return folder / HELD_OUT
    num_worlds, per_world = FULL if options.long else SMALL
    out = data_folder() / (HELD_OUT if options.long else f"{HELD_OUT}-{num_worlds * per_world}")
    config = PictureSetConfig(first_seed=FIRST_SEED, num_worlds=num_worlds, per_world=per_world)
    options.say(f"world: {num_worlds * per_world} pictures of {num_worlds} held-out worlds")
    return write_picture_set(out, config)


def pictures(options: BenchOptions, count: int) -> list[np.ndarray]:
    """Held-out pictures (480, 640, 3) uint8 RGB, evenly spread."""
    from perception.io.datasets.opening import open_dataset

    dataset = open_dataset(held_out(options))
    rows = np.linspace(0, len(dataset) - 1, count).round().astype(int).tolist()
    return [dataset[row].views[0].pixels() for row in rows]


def _differences() -> tuple[float, ...]:
    """Of heads, decoded boxes (px), boxes after suppression (number), loss (relative) and gradients."""
    import torch

    from perception.detection.decode import decode
    from perception.detection.nms import VALIDATION, detections
    from perception.networks.config import DetectionLossConfig
    from perception.networks.detection_losses import Targets, detection_loss

    stored, network = _stored(), _network()
    with torch.no_grad():
        outputs = [output.numpy() for output in network(torch.from_numpy(stored["input"]))]
    heads = max(_apart(output, stored[f"head_{level}"]) for output, level in zip(outputs, LEVELS))
    boxes = _apart(decode([output[0] for output in outputs])[:4], stored["decoded"][0, :4])
    found = detections(stored["bus_decoded"][0], VALIDATION)
    kept = np.column_stack([found.corners, found.scores, found.classes]).astype(np.float32)
    want = stored["bus_det_letterbox_conf001_iou70_multilabel"]
    differing = np.count_nonzero((kept != want).any(axis=1)) if kept.shape == want.shape else max(len(kept), len(want))
    given = [torch.from_numpy(stored[f"loss_feat_{level}"]).requires_grad_() for level in LEVELS]
    columns = stored["loss_batch_idx"], stored["loss_cls"][:, 0], stored["loss_bboxes_xywhn"]
    images, classes, places = (torch.from_numpy(column) for column in columns)
    loss = detection_loss(given, Targets(images.long(), classes.long(), places), DetectionLossConfig())
    loss.total.backward()
    relative = abs(float(loss.total.detach()) / float(stored["loss_total"]) - 1.0)
    gradients = max(_apart(level.grad, stored[f"loss_grad_{name}"]) for level, name in zip(given, LEVELS))
    return heads, boxes, float(differing), relative, gradients


def _apart(have: Any, want: np.ndarray) -> float:
    return float(np.abs(np.asarray(have) - want).max())


@cache
def _stored() -> dict[str, np.ndarray]:
    with np.load(FIXTURE, allow_pickle=False) as file:
        return dict(file)


@cache
def _network() -> Any:
    from perception.networks.leyolo import LeYolo
    from perception.networks.leyolo_graph import LeYoloConfig
    from perception.networks.weights import load_ordered

    network = LeYolo(LeYoloConfig()).eval()
    load_ordered(network, [_stored()[f"sd_{row:04d}"] for row in range(NUM_ARRAYS)])
    return network


def _fixture_heads() -> "Heads":
    import torch

    from perception.networks.blocks import folded

    network = folded(_network())

    def call(images: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [output[0].numpy() for output in network(torch.from_numpy(images))]

    return call


def _category_names() -> tuple[str, ...]:
    """The 80 classes of COCO in the order of the published network."""
    from perception.io.datasets.opening import open_dataset

    categories = open_dataset(SHARED / "data" / COCO).categories
    return tuple(categories[number] for number in sorted(categories))


def _on_model(name: str, data: Path, backend: str = "auto", precision: str = "f32") -> "Evaluation":
    """A packaged model on a data set."""
    from perception.evaluation.detection_run import DetectionOptions, evaluate_model

    return evaluate_model(DetectionOptions(name, data, side=SIDE, backend=backend, precision=precision))


def _evaluated(heads: "Heads", data: Path, names: tuple[str, ...], side: int, is_square: bool) -> "Evaluation":
    from perception.evaluation.detection import Protocol, evaluate_detector
    from perception.evaluation.detection_truth import truth_of
    from perception.io.datasets.opening import open_dataset

    return evaluate_detector(heads, truth_of(open_dataset(data), names), Protocol(side, is_square))


def _add_precision(result: Result, data: str, found: "Evaluation") -> None:
    for key in ("AP", "AP50", "AP75", "AR 100"):
        result.add(OURS, data, key, *_or_none(found.summary[key]))


def _or_none(share: float | None) -> tuple[float | None, str]:
    return (None, "not measured: no object") if share is None else (100.0 * share, "%")


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share


def _way(side: int, is_square: bool) -> str:
    return f"{side}{' square' if is_square else ''}"
