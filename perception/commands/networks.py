"""Commands for networks: train, detect, models, export."""

from pathlib import Path
from typing import Any

import click

from perception.commands.options import ANY_PATH, FILE, FOLDER, show, with_config


@click.group()
def train() -> None:
    """Train networks."""


@train.command("detection")
@click.option("--data", multiple=True, required=True, type=ANY_PATH, help="COCO data set; may be given often.")
@click.option("--out", type=ANY_PATH, required=True, help="Folder of the run; a run that is there is gone on with.")
@click.option("--init", type=FILE, help="Weights (.safetensors) to start from, of any activation.")
@click.option("--config", "config_file", type=FILE, help="YAML file with overrides of the defaults.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="One override, e.g. activation=silu.")
def train_detection_command(
    data: tuple[Path, ...], out: Path, init: Path | None, config_file: Path | None, overrides: tuple[str, ...]
) -> None:
    """Train LeYOLO on COCO data sets: checkpoint, curves and weights (the running average) go to --out.

    Interrupted, the same command goes on where it stopped. With several GPUs or machines: torchrun -m perception ...
    """
    from perception.core.config import load_config
    from perception.progress import progress
    from perception.training.config import TrainingConfig

    config = load_config(TrainingConfig, config_file, overrides)
    from perception.training.loop import train_detection

    with progress("train") as update:
        done = train_detection(list(data), out, config, init, update)
    click.echo(f"{'finished' if done.is_complete else 'stopped'} at step {done.step} of {done.steps}: {done.weights}")


@train.command("lines")
@click.option("--data", multiple=True, required=True, type=ANY_PATH, help="Set with line segments; may be given often.")
@click.option("--out", type=ANY_PATH, required=True, help="Folder of the run; a run that is there is gone on with.")
@click.option("--init", type=FILE, help="Weights (.safetensors) of the same width to start from.")
@click.option("--config", "config_file", type=FILE, help="YAML file with overrides of the defaults.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="One override, e.g. base_width=8.")
def train_lines_command(
    data: tuple[Path, ...], out: Path, init: Path | None, config_file: Path | None, overrides: tuple[str, ...]
) -> None:
    """Train LSDNet on line segments: checkpoint, curves and weights (the running average) go to --out.

    Sets are those of `perception pictures --format lines`, or in a layout of Wireframe. Interrupted, the same command
    goes on where it stopped. With several GPUs or machines: torchrun -m perception ...
    """
    from perception.core.config import load_config
    from perception.progress import progress
    from perception.training.lines_config import LineTrainingConfig

    config = load_config(LineTrainingConfig, config_file, overrides)
    from perception.training.lines import train_lines

    with progress("train") as update:
        done = train_lines(list(data), out, config, init, update)
    click.echo(f"{'finished' if done.is_complete else 'stopped'} at step {done.step} of {done.steps}: {done.weights}")


@train.command("place")
@click.option("--data", type=ANY_PATH, required=True, help="Folder of places seen in generated worlds.")
@click.option("--worlds", default=24, show_default=True, type=click.IntRange(1), help="Worlds that it shall hold.")
@click.option("--first-seed", default=100, show_default=True, type=click.IntRange(0), help="Of the worlds.")
@click.option("--out", type=ANY_PATH, required=True, help="Folder of the run; a run that is there is gone on with.")
@click.option("--config", "config_file", type=FILE, help="YAML file with overrides of the defaults.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="One override, e.g. network.width=32.")
def train_place_command(
    data: Path, worlds: int, first_seed: int, out: Path, config_file: Path | None, overrides: tuple[str, ...]
) -> None:
    """Train the network that recognises places: checkpoint, curves and weights (the running average) go to --out.

    Worlds that --data does not hold yet are generated first, LiDAR only. Interrupted, the same command goes on.
    """
    from perception.core.config import load_config
    from perception.progress import progress
    from perception.training.place import PlaceTrainingConfig, train_places
    from perception.training.place_worlds import PlaceWorldsConfig, generate

    config = load_config(PlaceTrainingConfig, config_file, overrides)
    with progress("worlds") as update:
        for done, _ in enumerate(generate(PlaceWorldsConfig(seed=first_seed), worlds, data), start=1):
            update(done, worlds)
    with progress("train") as update:
        done_training = train_places([data], out, config, update)
    click.echo(f"finished {done_training.steps} steps: {done_training.weights}")


@train.command("reid")
@click.option("--data", multiple=True, required=True, type=ANY_PATH, help="Set of `perception pictures`; repeatable.")
@click.option("--out", type=ANY_PATH, required=True, help="Folder for the model: weights, ONNX and card.")
@click.option("--name", default="osnet-objects", show_default=True, help="Of the model.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="One override, e.g. steps=3000.")
def train_reid_command(data: tuple[Path, ...], out: Path, name: str, overrides: tuple[str, ...]) -> None:
    """Train the network that tells objects apart by their looks, for `detection.tracking.appearance`."""
    from perception.core.config import load_config
    from perception.inference.export import Description
    from perception.inference.reid_export import write_reid
    from perception.progress import progress
    from perception.training.reid import ReidTrainingConfig, train_and_measure

    config = load_config(ReidTrainingConfig, overrides=overrides)
    with progress("train") as update:
        network, metrics = train_and_measure(data, config, lambda step, steps, loss: update(step, steps))
    words = {"licence": "Apache-2.0", "training_data": "Objects that recur in pictures of generated worlds."}
    description = Description(name=name, classes=(), is_generated_data=True, metrics=metrics, **words)
    click.echo(f"wrote {write_reid(network, description, out).path('weights')}: {metrics}")


@click.command()
@click.argument("paths", nargs=-1, type=ANY_PATH, metavar="[IMAGE|VIDEO|FOLDER|RECORDING]...")
@click.option("--model", help="Name of a model, or path of its card.  [default: detection.model]")
@click.option("--backend", help="torch, onnx, openvino or tensorrt.  [default: the fastest here]")
@click.option("--score", type=click.FloatRange(0, 1), help="Boxes must score higher.")
@click.option("--track", "is_tracked", is_flag=True, help="Follow objects from image to image.")
@click.option("--out", type=ANY_PATH, help="Folder for annotated images and videos, detections.json and images.json.")
@click.option("--show-classes", is_flag=True, help="List the classes of the model.")
@with_config
def detect(
    paths: tuple[Path, ...],
    out: Path | None,
    show_classes: bool,
    config_file: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
    **chosen: Any,
) -> None:
    """Find objects in images, videos and the cameras of recordings, and show how long it takes.

    With --out it also writes what was found, drawn and as COCO results. Files that cannot be read are named, the
    others go on, and the exit code is 3.
    """
    from perception.core.errors import ConfigError
    from perception.pipeline.detect import command_config, table_of
    from perception.pipeline.detect import detect as search
    from perception.pipeline.presets import configured
    from perception.progress import progress

    config = command_config(configured(config_file, preset, overrides), **chosen)
    if show_classes:
        from perception.inference.model_card import open_model

        click.echo("\n".join(open_model(config.detection.model).card.classes))
    if not paths:
        if show_classes:
            return
        raise ConfigError("detect: give images, videos, folders or recordings")
    with progress("detect") as update:
        detected = search(paths, config, out, update)
    show(table_of(detected))
    for note in detected.notes:
        click.echo(note)
    if out is not None:
        click.echo(f"wrote {out / 'detections.json'}")
    if detected.loss is not None:
        raise detected.loss


@click.group()
def models() -> None:
    """Trained networks: those that come with the package and those in your store."""


@models.command("list")
def list_models() -> None:
    """List the models by name.

    The store is $PERCEPTION_MODELS, else ~/.local/share/perception/models.
    """
    from perception.inference.models import listing

    show(listing())


@models.command("show")
@click.argument("model")
def show_model(model: str) -> None:
    """Show the card of MODEL (a name or the path of a card) and whether its files are as the card says."""
    from perception.inference.models import details

    show(details(model))


@models.command("measure")
@click.argument("model")
@click.option(
    "--size", type=click.IntRange(1), nargs=2, help="Height and width of the input, px.  [default: the card's]"
)
@click.option("--threads", "num_threads", default=0, type=click.IntRange(0), help="[default: all physical cores]")
def measure_model(model: str, size: tuple[int, int] | None, num_threads: int) -> None:
    """Measure MODEL on every backend here; the backend `auto` goes by the result from then on."""
    from perception.inference.models import comparison

    show(comparison(model, size, num_threads))


@models.command("import")
@click.argument("checkpoint", type=FILE)
@click.option("--name", help="How the model is called from now on.  [default: the name of the file]")
def import_model(checkpoint: Path, name: str | None) -> None:
    """Take a published checkpoint of LeYOLO or BEVPlace++ over into your store, as safetensors, ONNX and a card.

    The file is read without running anything of it. Its licence (LeYOLO: AGPL-3.0) goes into the card.
    """
    from perception.inference.importing import import_checkpoint
    from perception.inference.model_card import models_folder

    model = import_checkpoint(checkpoint, models_folder(), name)
    click.echo(f"wrote {model.folder / model.card.name}.json; use it as {model.card.name}")


@click.command()
@click.argument("model")
@click.option(
    "--backend",
    type=click.Choice(["onnx", "openvino", "tensorrt", "tensorrt_rtx"]),
    default="onnx",
    show_default=True,
    help="onnx: a file and its card; openvino: .xml and .bin; tensorrt, tensorrt_rtx: an engine for this GPU.",
)
@click.option("--precision", type=click.Choice(["f32", "f16", "int8"]), default="f32", show_default=True)
@click.option(
    "--shape", metavar="HxW", help="Fixed size of the input in px.  [default: any size; engines: up to a square]"
)
@click.option("--batch", default=1, show_default=True, type=click.IntRange(1, 256), help="Images at once.")
@click.option("--decode", "end", flag_value="decode", help="End with boxes and scores of every point (onnx).")
@click.option("--nms", "end", flag_value="nms", help="End with the boxes that remain, 300 rows of 6 (onnx).")
@click.option("--score-threshold", default=0.25, show_default=True, type=click.FloatRange(0, 1), help="Of --nms.")
@click.option("--iou-threshold", default=0.7, show_default=True, type=click.FloatRange(0, 1), help="Of --nms.")
@click.option("--calibration", type=FOLDER, help="Folder of images like those it will see; int8 needs it.")
@click.option("--out", type=ANY_PATH, help="Folder.  [default: ./MODEL; engines: the cache, where they are looked for]")
@click.option("--force", "is_forced", is_flag=True, help="Build an engine anew although there is one that fits.")
def export(model: str, shape: str | None, end: Any, **chosen: Any) -> None:
    """Write MODEL (a name or the path of a card) for other programs, in another precision, or as an engine.

    \b
    perception export leyolo-nano --precision f16            adds a float16 file to ./leyolo-nano
    perception export leyolo-nano --nms --out detector       one file from pixels to boxes
    perception export leyolo-nano --backend tensorrt --precision f16
                                                             builds what `--backend tensorrt` then runs
    """
    from perception.inference.model_card import open_model
    from perception.pipeline import export as exporting
    from perception.progress import progress

    options = exporting.ExportOptions(shape=exporting.parse_shape(shape), end=end or "raw", **chosen)
    opened = open_model(model)
    exporting.check(opened.card, options)

    def tell(line: str) -> None:
        click.echo(f"perception: {line}", err=True)

    if options.is_long:
        with progress("export") as update:
            path = exporting.export(opened, options, tell, update)
    else:
        path = exporting.export(opened, options, tell)
    click.echo(f"wrote {path}")
