"""The `perception` command. Every command imports what it needs when it runs, so that `--help` is instant."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from perception import __version__
from perception.core.errors import PerceptionError

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
ANY_PATH = click.Path(path_type=Path)
CONFIG_OPTIONS = (
    click.option("--config", "config_file", type=FILE, help="YAML file with overrides of the defaults."),
    click.option("--preset", help="Name of a packaged preset; `perception config --presets` lists them."),
    click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="One override; may be given often."),
)


def with_config(command: Any) -> Any:
    """Add the options that every command with a configuration has."""
    for option in reversed(CONFIG_OPTIONS):
        command = option(command)
    return command


def show(what: Any) -> None:
    """Print a table or a group of them."""
    from rich.console import Console

    Console().print(what)


class Command(click.Group):
    """Turns the errors of this package into one line and an exit code; unexpected ones keep their traceback."""

    def invoke(self, context: click.Context) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(context)
        except PerceptionError as error:
            click.secho(f"perception: {error}", fg="red", err=True)
            context.exit(error.exit_code)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            context.exit(0)


@click.group(cls=Command, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
@click.option("-v", "--verbose", is_flag=True, help="Show what the parts log, not only warnings.")
def main(verbose: bool) -> None:
    """LiDAR-inertial odometry and cameras for robots: live over ROS 2, on recordings, and in generated worlds."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


@main.command()
@click.argument("recording", type=ANY_PATH)
@click.option("--out", type=ANY_PATH, required=True, help="Folder for the results; made when it is not there.")
@click.option("--rate", default=0.0, show_default="as fast as possible", help="Times real time; waits, never drops.")
@click.option("--stages", help="These stages, comma separated, e.g. odometry,camera.  [default: those enabled]")
@with_config
def replay(
    recording: Path,
    out: Path,
    rate: float,
    stages: str | None,
    config_file: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Run the pipeline over RECORDING and write the trajectory, the metrics and report.html to --out.

    With --set detection.is_enabled=true it finds objects in the images, too, and writes detections.json.

    RECORDING is a ROS 2 bag (sqlite3 or MCAP), a ROS 1 bag, a KITTI raw or odometry folder, or a folder of scans
    (.bin .pcd .ply .npz) with times.
    """
    from perception.pipeline.presets import configured
    from perception.pipeline.results import replay_to_folder

    config = configured(config_file, preset, overrides)
    loss = replay_to_folder(recording, out, config, rate, stages.split(",") if stages else None)
    if loss is not None:
        raise loss


@main.command()
@with_config
@click.option("--placement", type=click.Choice(["single", "split"]), help="One process, or one for each stage.")
@click.option("--points", metavar="TOPIC", help="Point clouds.  [default: input.lidar_topic, else /points]")
@click.option("--imu", metavar="TOPIC", help="IMU.  [default: input.imu_topic, else /imu]")
@click.option("--namespace", help="Namespace of the nodes and of their topics.")
@click.option("--use-sim-time", is_flag=True, help="Take the time from /clock.")
@click.option("--no-autostart", is_flag=True, help="Leave the nodes unconfigured.")
@click.option("--respawn", is_flag=True, help="Start a node again when it dies or hangs; else all ends with it.")
@click.option("--network", is_flag=True, help="Open the graph to other machines; else only this one takes part.")
@click.option("--domain", type=click.IntRange(0, 232), help="ROS domain.  [default: ROS_DOMAIN_ID]")
def run(
    config_file: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
    no_autostart: bool,
    domain: int | None,
    **chosen: Any,
) -> None:
    """Run the pipeline live over ROS 2 until Ctrl-C: what `ros2 launch perception full.launch.py` starts.

    The nodes hear /points, /imu and /tf_static and publish odometry, odometry_imu, path, cloud_registered, /tf and
    /diagnostics. With --set input.camera_topics='[/camera/image_raw]' a camera node joins them and publishes
    rectified images; with --set detection.is_enabled=true also what is found in them.
    """
    from nodes.description import RunOptions
    from nodes.supervisor import supervise
    from perception.core.config import validated

    given = {name: value for name, value in chosen.items() if value}
    if config_file is not None:
        given["config"] = str(config_file)
    if preset:
        given["preset"] = preset
    options = validated(RunOptions, {**given, "overrides": overrides, "autostart": not no_autostart})
    sys.exit(supervise(options, lambda line: click.echo(f"perception: {line}", err=True), domain))


@main.command()
@click.argument("recording", type=ANY_PATH)
@click.option("--rate", default=1.0, show_default=True, help="Times real time; 0: as fast as possible.")
@click.option("--loop", is_flag=True, help="Begin again at the end, until Ctrl-C.")
@click.option("--start", default=0.0, show_default=True, help="Seconds to skip.")
@click.option("--topics", default="", help="Only these topics, comma separated.  [default: all]")
@click.option("--wait", default=0.0, show_default=True, help="Longest time (s) to wait for a first subscriber.")
@click.option("--network", is_flag=True, help="Open the graph to other machines; else only this one takes part.")
@click.option("--domain", type=click.IntRange(0, 232), help="ROS domain.  [default: ROS_DOMAIN_ID]")
def play(recording: Path, topics: str, network: bool, domain: int | None, **chosen: Any) -> None:
    """Publish RECORDING over ROS 2 with /clock, in real time or faster, until its end or Ctrl-C."""
    from nodes import middleware

    middleware.prepare(network, domain)
    from nodes.play import PlayOptions
    from nodes.play import play as publish
    from perception.progress import progress

    options = PlayOptions(topics=tuple(name.strip() for name in topics.split(",") if name.strip()), **chosen)
    with progress("play") as update:
        num_published = publish(recording, options, update, lambda line: click.echo(f"perception: {line}", err=True))
    click.echo(f"published {num_published} messages")


@main.command()
@click.argument("out", type=ANY_PATH)
@click.option("--force", is_flag=True, help="Replace a recording, or the beginning of one, that this command wrote.")
@click.option(
    "--seed", type=int, help="Seed of the world; same seed, same bytes. From 1000000 on: for evaluation only."
)
@click.option("--duration", type=float, help="Length in seconds.")
@click.option("--scene", type=click.Choice(["street", "indoor", "mixed"]), help="A world and a way by the seed.")
@click.option("--route", help="A world by name: town, straight, turns, corridor, endless_corridor, district, office...")
@click.option("--cameras", help="none, front (640x480), surround (six of 704x256), all, or the first N around.")
@click.option("--weather", help="day, dusk, night, rain, fog or random.")
@click.option("--lidar", help="spinning or livox.")
@click.option("--format", "formats", help="Data sets beside the bag: coco,ytvis,occ3d,lines,pixels,normals or none.")
@click.option("--config", "config_file", type=FILE, help="YAML file with overrides of the defaults.")
@click.option("--set", "overrides", multiple=True, metavar="A=B", help="One override of the world's configuration.")
def synth(
    out: Path,
    force: bool,
    scene: str | None,
    cameras: str | None,
    formats: str | None,
    config_file: Path | None,
    overrides: tuple[str, ...],
    **chosen: Any,
) -> None:
    """Record a generated world to the folder OUT: MCAP with all sensors, ground truth, and data sets with cameras.

    Interrupted, the same command goes on where it stopped.
    """
    from perception.core.config import load_config
    from perception.progress import progress
    from perception.world.choices import camera_overrides, format_names, route_of
    from perception.world.config import WorldConfig
    from perception.world.synth import synthesise

    given = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    given += [*camera_overrides(cameras), *route_of(scene, chosen["route"])]
    config = load_config(WorldConfig, config_file, [*overrides, *given])
    with progress("generate") as update:
        path = synthesise(out, config, update, force, format_names(formats))
    click.echo(f"wrote {path}")


@main.command()
@click.argument("out", type=ANY_PATH)
@click.option("--config", "config_file", type=FILE, help="YAML file with overrides of the defaults.")
@click.option("--set", "overrides", multiple=True, metavar="A=B", help="One override, e.g. num_worlds=10.")
@click.option("--first-seed", type=int, help="Seed of the first world; from 1000000 on: for evaluation only.")
@click.option("--num-worlds", type=int, help="Worlds, with consecutive seeds.")
@click.option("--per-world", type=int, help="Pictures of each.")
def pictures(out: Path, config_file: Path | None, overrides: tuple[str, ...], **chosen: Any) -> None:
    """Picture many generated worlds to the folder OUT: a COCO data set to train and measure detectors with.

    Interrupted, the same command goes on where it stopped.
    """
    from perception.core.config import load_config
    from perception.progress import progress
    from perception.world.picture_set import PictureSetConfig, write_picture_set

    given = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    config = load_config(PictureSetConfig, config_file, [*overrides, *given])
    with progress("picture") as update:
        path = write_picture_set(out, config, update)
    click.echo(f"wrote {path}")


@main.group()
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


@main.command()
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


@main.command()
@click.argument("recording", type=ANY_PATH)
@click.option("--out", type=ANY_PATH, help="MCAP file for Foxglove.  [default: RECORDING.view.mcap in this folder]")
@click.option("--html", type=ANY_PATH, help="Also write a page for any browser to this file.")
@click.option("--rerun", type=ANY_PATH, help="Also write a file for the rerun viewer (.rrd; extra viz).")
@click.option("--detections", type=FILE, help="detections.json of a replay: drawn beside true boxes, for Foxglove.")
@click.option("--live", is_flag=True, help="Serve it to Foxglove on this machine, in real time (extra viz).")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(1, 65535), help="Of the live server.")
@with_config
def view(
    recording: Path,
    out: Path | None,
    html: Path | None,
    rerun: Path | None,
    detections: Path | None,
    live: bool,
    port: int,
    config_file: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Make RECORDING visible: images with boxes and masks, clouds, occupancy, lines and poses.

    Writes an MCAP file that Foxglove opens as it is; --html, --rerun and --live choose other views instead, unless
    --out asks for the file too.
    """
    from perception.pipeline.presets import configured
    from perception.progress import progress
    from perception.view.run import Sinks, Viewer

    if out is None and not (html or rerun or live):
        out = Path(f"{recording.resolve().name}.view.mcap")
    viewer = Viewer(recording, configured(config_file, preset, overrides).input, detections)
    with progress("view") as update:
        viewer.show(Sinks(out, html, rerun, port if live else None), lambda line: click.echo(line, err=True), update)


@main.command()
@click.argument("name")
@click.option("--json", "json_file", type=ANY_PATH, help="Write rows, targets, machine and versions to this file.")
@click.option("--long", is_flag=True, help="Also what takes much longer, e.g. half an hour of driving.")
@click.option("--only", multiple=True, metavar="GROUP", help="Only this group of rows; may be given often.")
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(1, 10), help="Generated drives of each kind."
)
def bench(name: str, json_file: Path | None, long: bool, only: tuple[str, ...], seeds: int) -> None:
    """Run the benchmark NAME (e.g. odometry), print its table and what each target asks. Needs a checkout."""
    from perception.bench import run_benchmark

    run_benchmark(name, json_file, long, only, seeds)


@main.command()
@with_config
@click.option("--presets", is_flag=True, help="List the packaged presets.")
@click.option("--reference", is_flag=True, help="Print every field with its range and meaning as Markdown.")
def config(
    config_file: Path | None, preset: str | None, overrides: tuple[str, ...], presets: bool, reference: bool
) -> None:
    """Print the resolved configuration as YAML; what it prints can be given back with --config."""
    from perception.core.config import to_yaml
    from perception.pipeline import presets as known

    if presets:
        click.echo("\n".join(known.names()))
    elif reference:
        click.echo(known.reference(), nl=False)
    else:
        click.echo(to_yaml(known.configured(config_file, preset, overrides)), nl=False)


class Evaluate(click.Group):
    """Files without the name of a command are trajectories."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """`ESTIMATE REFERENCE` is `trajectory ESTIMATE REFERENCE`."""
        is_named = not args or args[0] in self.commands or args[0] in context.help_option_names
        return super().parse_args(context, args if is_named else ["trajectory", *args])


@main.group()
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
    """Take an official LeYOLO checkpoint (.pt) over into your store, as safetensors, ONNX and a card.

    The file is read without running anything of it. Its licence (AGPL-3.0) goes into the card.
    """
    from perception.inference.importing import import_leyolo
    from perception.inference.model_card import models_folder

    model = import_leyolo(checkpoint, models_folder(), name)
    click.echo(f"wrote {model.folder / model.card.name}.json; use it as {model.card.name}")


@main.command()
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


@main.group(cls=Evaluate)
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


@main.command()
@click.argument("recording", type=ANY_PATH, required=False)
@click.option("--live", is_flag=True, help="Look at the ROS graph instead of a recording.")
@click.option(
    "--seconds", type=click.FloatRange(0.5), help="How much to look at.  [default: 60 of a recording, 5 live]"
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
@with_config
def doctor(
    recording: Path | None,
    live: bool,
    seconds: float | None,
    as_json: bool,
    config_file: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Check the installation, a RECORDING or, with --live, a running graph. Each problem comes with its remedy.

    Without RECORDING and --live only the installation is checked. The exit code is 1 when there is an error.
    """
    import json

    from perception.doctor.examine import examine
    from perception.doctor.findings import exit_code, table, to_json
    from perception.pipeline.presets import configured

    findings = examine(recording, live, seconds, configured(config_file, preset, overrides).input)
    if as_json:
        click.echo(json.dumps({part: to_json(found) for part, found in findings.items()}, indent=1))
    else:
        for part, found in findings.items():
            show(table(part, found))
    click.get_current_context().exit(exit_code(finding for found in findings.values() for finding in found))


if __name__ == "__main__":
    main()
