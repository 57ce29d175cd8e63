"""Writes the peers as ONNX; runs in their environment alone: `python detection_export_peers.py OUT SIDE... NAME...`.

The architecture is built from the wheel's own description with weights at random: speed does not depend on them, as
long as no layer's values die away, so batch-norms get the statistics of random images. The graph ends at the raw
heads, three maps with the logits of boxes and classes, as ours does.
"""

import sys
from pathlib import Path

OPSET = 17


def main(out: str, *words: str) -> None:
    """Every name at every side."""
    sides = [int(word) for word in words if word.isdecimal()]
    for name in (word for word in words if not word.isdecimal()):
        for side in sides:
            export(name, side, Path(out) / f"{name}-{side}.onnx")


def export(name: str, side: int, path: Path) -> None:
    """One network for one image of side x side px."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(0)
    model = YOLO(f"{name}.yaml").model.float()
    settle(model)
    network = RawHeads(model.eval().fuse(verbose=False))
    image = torch.rand(1, 3, side, side)
    with torch.no_grad():
        shapes = [tuple(output.shape) for output in network(image)]
        assert shapes == [(1, 144, side // stride, side // stride) for stride in (8, 16, 32)], shapes
        torch.onnx.export(
            network, (image,), str(path), opset_version=OPSET, input_names=["images"],
            output_names=["p3", "p4", "p5"], dynamo=False,
        )  # fmt: skip


def settle(model) -> None:
    """Give every batch-norm the mean and variance of what random images become."""
    import torch

    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # the mean of all passes
    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.rand(4, 3, 320, 320))


def RawHeads(model):
    """The model with its last part cut before boxes are decoded."""
    import torch

    class Cut(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = model.model
            self.kept = set(model.save)

        def forward(self, x):
            seen = []
            for layer in self.layers[:-1]:
                x = layer(self._inputs(layer, x, seen))
                seen.append(x if layer.i in self.kept else None)
            head = self.layers[-1]
            levels = [seen[number] for number in head.f]
            return [
                torch.cat([boxes(level), classes(level)], 1)
                for boxes, classes, level in zip(head.cv2, head.cv3, levels)
            ]

        @staticmethod
        def _inputs(layer, x, seen):
            if layer.f == -1:
                return x
            if isinstance(layer.f, int):
                return seen[layer.f]
            return [x if number == -1 else seen[number] for number in layer.f]

    return Cut()


if __name__ == "__main__":
    main(*sys.argv[1:])
