"""REIN and its images against the reference implementation, with seeded weights, on a real scan."""

from typing import Any

import numpy as np

from benchmarks.jobs import ROOT
from benchmarks.options import BenchOptions
from benchmarks.peers import OURS
from benchmarks.result import Result, Target, target

FIXTURE = ROOT.parent / "shared" / "parity" / "bevplace_rem.npz"
DATA, SIDE = "REIN fixture", 201
IMAGES: dict[str, dict[str, object]] = {
    "imgA": {},
    "imgB40": {"rule": "bevlio"},
    "imgB65": {"rule": "bevlio", "extent": 65.0},
}
CELLS, WARPED, ENCODED, MAXIMUM = "cells that differ", "turned inputs", "encoder", "maximum over the headings"
LOCAL, GLOBAL, LENGTH = "local descriptors", "global descriptors", "global descriptors, L2"
EXPORTED = "global descriptor by the runtime, cosine"
BOUNDS = {CELLS: 0.0, WARPED: 5e-5, ENCODED: 1e-4, MAXIMUM: 5e-4, LOCAL: 1e-4, GLOBAL: 2e-6, LENGTH: 1e-4}


def measure(options: BenchOptions, result: Result) -> None:
    """Largest differences, stage by stage."""
    if not FIXTURE.is_file():
        result.add(OURS, DATA, CELLS, None, f"not measured: {FIXTURE.name} is not beside this checkout")
        return
    with np.load(FIXTURE, allow_pickle=False) as file:
        data = {name: file[name] for name in file.files}
    result.add(OURS, DATA, CELLS, float(sum(_cells(data, key, values) for key, values in IMAGES.items())), "")
    try:
        found = _network(data)
    except ImportError as error:
        result.add(OURS, DATA, GLOBAL, None, f"not measured: {error}")
        return
    for metric, value in found.items():
        result.add(OURS, DATA, metric, value, "")


def targets(result: Result) -> list[Target]:
    """How far each stage may be from the reference."""
    found = [target(f"{name}, {DATA}", bound, result.value(OURS, DATA, name)) for name, bound in BOUNDS.items()]
    return [*found, target(f"{EXPORTED}, {DATA}", 0.999, result.value(OURS, DATA, EXPORTED), ">=")]


def _cells(data: dict[str, np.ndarray], key: str, values: dict[str, object]) -> int:
    from perception.core.config import validated
    from perception.place.bev_image import bev_image
    from perception.place.config import BevConfig

    return int((bev_image(data["points_xyz"], validated(BevConfig, values)) != data[f"{key}_u8"]).sum())


def _network(data: dict[str, np.ndarray]) -> dict[str, float]:
    import torch

    from perception.kernels.bicubic import rotation_places, sample_plane
    from perception.networks.rein import ANGLES, Rein, images_from
    from perception.networks.rein_graph import ReinConfig
    from perception.place.descriptors import FeatureMap, local_descriptors

    network = Rein(ReinConfig()).eval()
    network.load_state_dict(
        {name: torch.from_numpy(np.array(data[f"sd/{name}"])) for name in data["sd_names"].tolist()}
    )
    image, turned = data["imgA_u8"].astype(np.float32) / 256, np.empty(SIDE * SIDE, dtype=np.float32)
    warped = []
    for k in (1, 3):
        sample_plane(image, rotation_places(SIDE, ANGLES[k]), turned)
        warped.append(apart(turned.reshape(SIDE, SIDE), data[f"rot_in_{k}"]))
    with torch.no_grad():
        encoded = [
            apart(network.rem.encoder(torch.from_numpy(seen)[None, None].expand(1, 3, -1, -1))[0].numpy(), wanted)
            for seen, wanted in ((image, data["enc_out_rot0"]), (data["rot_in_1"], data["enc_out_rot1"]))
        ]
        maps = network.rem(images_from([torch.from_numpy(data["imgA_u8"])]), ANGLES)
        descriptor = network.describe(maps, (SIDE, SIDE))[0].numpy()
        other = network(images_from([torch.from_numpy(data["imgB40_u8"])]))[0].numpy()
    features = FeatureMap(np.ascontiguousarray(maps[0].permute(1, 2, 0).numpy()), (SIDE, SIDE), len(ANGLES))
    local = local_descriptors(features, data["fast_kp"][:, :2].astype(np.int64))
    pairs = ((descriptor, data["global_desc"]), (other, data["global_desc_imgB40"]))
    return {
        WARPED: max(warped),
        ENCODED: max(encoded),
        MAXIMUM: apart(maps[0].numpy(), data["equ_max"]),
        LOCAL: apart(local, data["local_at_kp"]),
        GLOBAL: max(apart(mine, wanted) for mine, wanted in pairs),
        LENGTH: max(float(np.linalg.norm(mine - wanted)) for mine, wanted in pairs),
        EXPORTED: _by_runtime(network, data),
    }


def _by_runtime(network: Any, data: dict[str, np.ndarray]) -> float:
    """Of the exported network, whose weights are rounded."""
    import tempfile
    from pathlib import Path

    from perception.inference.export import Description
    from perception.inference.rein_export import write_rein
    from perception.place.config import DescriptorConfig
    from perception.place.descriptors import PlaceNetwork

    words = Description(name="seeded", classes=(), licence="none", training_data="none")
    with tempfile.TemporaryDirectory(prefix="bench-rein") as folder:
        ready = PlaceNetwork(write_rein(network, words, Path(folder)), DescriptorConfig(backend="onnx"), SIDE)
        return float(ready.describe(ready.encode(data["imgA_u8"], 8)) @ data["global_desc"])


def apart(mine: np.ndarray, wanted: np.ndarray) -> float:
    """The largest absolute difference."""
    return float(np.abs(mine.astype(np.float64) - wanted).max())
