"""`perception evaluate`: how far trajectories, detectors, trackers and line segments are from the truth."""

from pathlib import Path
from typing import Any

import click

from perception.commands.options import ANY_PATH, FILE, show


class Evaluate(click.Group):
    """Files without the name of a command are trajectories."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """`ESTIMATE REFERENCE` is `trajectory ESTIMATE REFERENCE`."""
        is_named = not args or args[0] in self.commands or args[0] in context.help_option_names
        return super().parse_args(context, args if is_named else ["trajectory", *args])


@click.group(cls=Evaluate)
def evaluate() -> None:
    """Errors of trajectories, accuracy of detectors. `perception evaluate ESTIMATE REFERENCE` means trajectories."""


@evaluate.command("detection")
@click.option("--model", required=True, help="Name of a model, or path of its card.")
@click.option("--data", type=ANY_PATH, required=True, help="Data set with boxes: folder, or COCO's JSON of labels.")
@click.option("--images", type=ANY_PATH, help="Folder of the images, where they are not beside the labels.")
@click.option("--out", type=ANY_PATH, help="Folder for detections.json, evaluation.json and evaluation.html.")
@click.option("--side", default=640, show_default=True, help="Long side of the input, px.")
@click.option("--square", "is_square", is_flag=True, help="Fill the input to side x side.")
@click.option("--limit", default=0, show_default="all", type=click.IntRange(0), help="So many images, evenly spread.")
@click.option("--threshold", default=0.25, show_default=True, type=click.FloatRange(0, 1), help="Of use, for counts.")
@click.option("--backend", default="auto", show_default=True, help="torch, onnx, openvino or tensorrt; auto: fastest.")
@click.option("--precision", default="auto", show_default=True, help="Of the backend, e.g. f32, bf16, f16.")
@click.option("--threads", "num_threads", default=0, help="Of the backend.  [default: as it chooses]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def evaluate_detection(out: Path | None, threshold: float, as_json: bool, **chosen: Any) -> None:
    """Average precision of a detector on a labelled data set, with counts, confusion and the worst failures.

    Where network and set do not call their classes the same, those that mean the same are compared.
    """
    import json

    from perception.detection.config import NmsConfig
    from perception.evaluation.detection_run import DetectionOptions, evaluate_model, terminal
    from perception.progress import progress

    options = DetectionOptions(use=NmsConfig(score_threshold=threshold), **chosen)
    with progress("evaluate") as update:
        found = evaluate_model(options, out, update)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        show(terminal(found))


@evaluate.command("lines")
@click.option(
    "--model", default="lsdnet", show_default=True, help="lsd (no network), a model's name, or a card's path."
)
@click.option("--found", type=FILE, help="JSON of segments that any program found, instead of a detector.")
@click.option("--data", type=ANY_PATH, required=True, help="Data set with line segments: a folder, or its JSON.")
@click.option("--images", type=ANY_PATH, help="Folder of the images, where they are not beside the labels.")
@click.option("--out", type=ANY_PATH, help="Folder for segments.json, evaluation.json and evaluation.html.")
@click.option("--limit", default=0, show_default="all", type=click.IntRange(0), help="So many images, evenly spread.")
@click.option(
    "--threshold", type=float, help="Of use, for counts and pictures.  [default: the detector's, or the best]"
)
@click.option(
    "--set", "overrides", multiple=True, metavar="A=B", help="Of lines, e.g. lsd.refine=none, precision=bf16."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def evaluate_segments(model: str, overrides: tuple[str, ...], out: Path | None, as_json: bool, **chosen: Any) -> None:
    """F^H, AP^H and sAP of a detector of line segments on a labelled data set, with curves and pictures."""
    import json

    from perception.core.config import load_config
    from perception.evaluation.lines_run import LineOptions, evaluate_lines, terminal
    from perception.lines.config import LinesConfig
    from perception.progress import progress

    base = {"detector": "lsd"} if model == "lsd" else {"model": model}
    options = LineOptions(config=load_config(LinesConfig, overrides=overrides, base=base), **chosen)
    with progress("evaluate") as update:
        found = evaluate_lines(options, out, update)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1, allow_nan=False))
    else:
        show(terminal(found))


@evaluate.command("tracking")
@click.option("--data", type=ANY_PATH, required=True, help="Labelled videos: a folder, or COCO's JSON of labels.")
@click.option("--images", type=ANY_PATH, help="Folder of the images, where they are not beside the labels.")
@click.option("--set", "overrides", multiple=True, metavar="A=B", help="Of detection, e.g. model=NAME, side=480.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
def evaluate_following(data: Path, images: Path | None, overrides: tuple[str, ...], as_json: bool) -> None:
    """HOTA, IDF1 and MOTA of the configured detector and tracker on labelled videos."""
    import json
    from dataclasses import asdict

    from perception.core.config import load_config
    from perception.detection.config import DetectionConfig
    from perception.evaluation.tracking_run import evaluate_tracking, terminal
    from perception.progress import progress

    config = load_config(DetectionConfig, overrides=overrides)
    with progress("follow") as update:
        found = evaluate_tracking(data, config, images, update)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1, allow_nan=False))
    else:
        show(terminal(found))


@evaluate.command("trajectory")
@click.argument("estimate", type=FILE)
@click.argument("reference", type=FILE)
@click.option("--out", type=ANY_PATH, help="Folder for evaluation.json and evaluation.html.")
@click.option("--align", type=click.Choice(["none", "origin", "se3", "sim3"]), default="se3", show_default=True)
@click.option("--offset", default=0.0, show_default=True, help="Seconds added to the stamps of ESTIMATE.")
@click.option("--T_est_ref", "T_est_ref", default="0 0 0", help="Body of REFERENCE in ESTIMATE's: x y z [qx qy qz qw].")
@click.option("--associate", type=click.Choice(["interpolate", "nearest"]), default="interpolate", show_default=True)
@click.option("--max-difference", default=0.01, show_default=True, help="Of the stamps of a nearest pair, s.")
@click.option("--max-gap", default=1.0, show_default=True, help="Longest silence of ESTIMATE to interpolate across, s.")
@click.option("--times", type=FILE, help="Times of the poses of a KITTI file, s, one in a line.")
@click.option("--rpe-frames", default=1, show_default=True, help="Poses between the ends of a relative error.")
@click.option("--rpe-distance", default=10.0, show_default=True, help="Metres between the ends of a relative error.")
@click.option("--segments", default="", help="Lengths in m, comma separated.  [default: by the length of the drive]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of the table.")
def evaluate_trajectory(
    estimate: Path,
    reference: Path,
    out: Path | None,
    T_est_ref: str,
    times: Path | None,
    segments: str,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Errors of the trajectory ESTIMATE against REFERENCE, both in TUM, KITTI or EuRoC format."""
    import json

    from perception.evaluation.evaluate import evaluate_files, parse_lengths, parse_transform, tables
    from perception.evaluation.trajectory import Options

    options = Options(T_est_ref=parse_transform(T_est_ref), segment_lengths=parse_lengths(segments), **chosen)
    errors = evaluate_files(estimate, reference, options, out, times)
    if as_json:
        click.echo(json.dumps(errors.to_json(), indent=1, allow_nan=False))
    else:
        show(tables(errors))
