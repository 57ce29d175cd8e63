"""LeYOLO-Nano against stored tensors of the published network. Its weights are AGPL: tests alone may read them."""

import numpy as np
import pytest

from perception.detection import letterbox
from perception.detection.boxes import DetectedBoxes
from perception.detection.decode import decode, points
from perception.detection.nms import VALIDATION, NmsConfig, detections, detections_from_outputs
from tests.shared import shared

LEVELS = ("p3", "p4", "p5")
NUM_ARRAYS = 557
TAPS = (3, 4, 9, 13, 14, 19, 24, 29, 34)
FEATURES = 1e-4  # largest difference; float64 in the reference itself differs by 4e-5
PIXELS, SCORES = 5e-3, 1e-5


@pytest.fixture(scope="module")
def stored() -> dict[str, np.ndarray]:
    with np.load(shared("parity/leyolo_nano.npz"), allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope="module")
def network(stored):
    torch = pytest.importorskip("torch")
    from perception.networks.leyolo import LeYolo
    from perception.networks.leyolo_graph import LeYoloConfig
    from perception.networks.weights import load_ordered

    torch.set_num_threads(1)
    made = LeYolo(LeYoloConfig()).eval()
    arrays = [stored[f"sd_{row:04d}"] for row in range(NUM_ARRAYS)]
    load_ordered(made, arrays, [str(name) for name in stored["sd_names"]])
    return made


def rows_of(found: DetectedBoxes) -> np.ndarray:
    return np.column_stack([found.corners, found.scores, found.classes]).astype(np.float32)


def difference(have, want: np.ndarray) -> float:
    return float(np.abs(np.asarray(have) - want).max())


def test_features_heads_and_boxes_are_those_of_the_reference(network, stored):
    import torch

    with torch.no_grad():
        images = torch.from_numpy(stored["input"])
        features = network.features(images, range(len(network.nodes)))
        outputs = network(images)
        decoded = network.decode(outputs).numpy()
    for tap in TAPS:
        assert difference(features[tap], stored[f"tap_{tap:02d}"]) < FEATURES
    for output, level in zip(outputs, LEVELS):
        assert difference(output, stored[f"head_{level}"]) < FEATURES
    assert difference(decoded[:, :4], stored["decoded"][:, :4]) < PIXELS
    assert difference(decoded[:, 4:], stored["decoded"][:, 4:]) < SCORES


def test_the_folded_network_finds_in_the_photo_what_the_reference_finds(network, stored):
    import torch

    from perception.kernels.images import planes
    from perception.networks.blocks import folded

    with torch.no_grad():
        outputs = folded(network)(torch.from_numpy(planes(stored["bus_letterboxed_rgb_u8"]))[None])
    outputs = [output[0].numpy() for output in outputs]
    decoded = decode(outputs)
    assert difference(decoded[:4], stored["bus_decoded"][0, :4]) < PIXELS
    assert difference(decoded[4:], stored["bus_decoded"][0, 4:]) < SCORES
    found = rows_of(detections_from_outputs(outputs, NmsConfig()))
    want = stored["bus_det_letterbox_conf25_iou70"]
    assert np.array_equal(found[:, 5], want[:, 5])
    assert difference(found, want) < PIXELS


def test_the_decoding_of_numpy_is_that_of_the_reference(stored):
    outputs = [stored[f"head_{level}"][0] for level in LEVELS]
    cells, strides = points(outputs)
    assert np.array_equal(cells.T, stored["anchors"])
    assert np.array_equal(strides[None], stored["strides"])
    decoded = decode(outputs)
    assert difference(decoded[:4], stored["decoded"][0, :4]) < PIXELS
    assert difference(decoded[4:], stored["decoded"][0, 4:]) < SCORES


def test_suppression_leaves_the_same_boxes_bit_for_bit(stored):
    decoded = stored["bus_decoded"][0]
    found = detections(decoded, NmsConfig())
    assert np.array_equal(rows_of(found), stored["bus_det_letterbox_conf25_iou70"])
    height, width = (int(side) for side in stored["bus_orig_hw"])
    box = letterbox.minimum((height, width), 640)
    assert box.size == stored["bus_letterboxed_rgb_u8"].shape[:2]
    assert np.array_equal(box.to_source(found.corners), stored["bus_det_original_conf25_iou70"][:, :4])
    many = rows_of(detections(decoded, VALIDATION))
    assert np.array_equal(many, stored["bus_det_letterbox_conf001_iou70_multilabel"])


@pytest.mark.parametrize("name", ["lb_square640", "lb_auto640", "lb_noscaleup320"])
def test_letterboxed_images_are_those_of_the_reference(stored, name):
    image = stored["lb_src_u8"]
    size = image.shape[:2]
    box = {
        "lb_square640": letterbox.fixed(size, (640, 640)),
        "lb_auto640": letterbox.minimum(size, 640),
        "lb_noscaleup320": letterbox.fixed(size, (320, 320), may_enlarge=False),
    }[name]
    out = box.apply(image)
    assert out.shape == stored[name].shape
    assert difference(out.astype(np.int64), stored[name].astype(np.int64)) <= 1  # grey levels: versions of the resize


def test_losses_and_gradients_are_those_of_the_reference(stored):
    torch = pytest.importorskip("torch")
    from perception.networks.config import DetectionLossConfig
    from perception.networks.detection_losses import detection_loss

    outputs = [torch.from_numpy(stored[f"loss_feat_{level}"]).requires_grad_() for level in LEVELS]
    loss = detection_loss(outputs, targets_of(stored), DetectionLossConfig())
    loss.total.backward()
    assert float(loss.total.detach()) == pytest.approx(float(stored["loss_total"]), rel=1e-5)
    terms = [float(term) for term in (loss.box, loss.classes, loss.distances)]
    assert terms == pytest.approx(stored["loss_items_box_cls_dfl"].tolist(), rel=1e-5)
    for output, level in zip(outputs, LEVELS):
        assert difference(output.grad, stored[f"loss_grad_{level}"]) < 1e-6


def test_points_are_assigned_as_in_the_reference(stored):
    torch = pytest.importorskip("torch")
    from perception.networks.assigner import Predictions, assign
    from perception.networks.config import AssignmentConfig
    from perception.networks.detection_losses import ground_truth
    from perception.networks.detection_points import boxes_from, level_points, mean_distances

    outputs = [torch.from_numpy(stored[f"loss_feat_{level}"]) for level in LEVELS]
    cells, strides = level_points(outputs, (8, 16, 32))
    logits = torch.cat([output.flatten(2) for output in outputs], dim=2).transpose(1, 2)
    boxes = boxes_from(cells, mean_distances(logits[..., :64], torch.arange(16.0))) * strides
    found = Predictions(logits[..., 64:].sigmoid(), boxes, cells * strides)
    got = assign(ground_truth(targets_of(stored), 2, 80, (96, 160)), found, AssignmentConfig())
    is_positive = stored["loss_tal_fg"]
    assert np.array_equal(got.is_positive, is_positive)
    assert np.array_equal(got.object_ids[got.is_positive], stored["loss_tal_gt_idx"][is_positive])
    assert np.array_equal(got.classes[got.is_positive], stored["loss_tal_labels"][is_positive])
    assert difference(got.scores.sum(dim=-1), stored["loss_tal_score_sum"]) < 1e-5


@pytest.mark.long
@pytest.mark.parametrize(
    ("is_square", "side", "precision", "precision_50"),
    [(False, 640, 42.2, 58.3), (True, 640, 40.9, 57.0), (False, 320, 29.0, 43.0)],
)
def test_the_accuracy_on_real_images_is_that_of_the_reference(network, is_square, side, precision, precision_50):
    pytest.importorskip("pycocotools")
    from perception.evaluation.detection import Protocol, evaluate_detector
    from perception.evaluation.detection_truth import truth_of
    from perception.io.datasets.opening import open_dataset

    dataset = open_dataset(shared("data/coco_mini"))
    names = [dataset.categories[number] for number in sorted(dataset.categories)]
    got = evaluate_detector(heads_of(network), truth_of(dataset, names), Protocol(side, is_square))
    found = [100 * got.summary[key] for key in ("AP", "AP50")]
    assert found == pytest.approx((precision, precision_50), abs=0.3)
    assert len(got.results) == got.counts["boxes above the validation threshold"]


def heads_of(network):
    """The folded network as the evaluation calls it."""
    import torch

    from perception.networks.blocks import folded

    small = folded(network)

    def call(images: np.ndarray) -> list[np.ndarray]:
        with torch.no_grad():
            return [output[0].numpy() for output in small(torch.from_numpy(images))]

    return call


def targets_of(stored):
    import torch

    from perception.networks.detection_losses import Targets

    columns = stored["loss_batch_idx"], stored["loss_cls"][:, 0], stored["loss_bboxes_xywhn"]
    images, classes, boxes = (torch.from_numpy(column) for column in columns)
    return Targets(images.long(), classes.long(), boxes)
