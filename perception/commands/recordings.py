"""Commands for recordings and live robots: replay, run, play, view."""

import shutil
import sys
from pathlib import Path
from typing import Any

import click

from perception.commands.options import ANY_PATH, FILE, with_config


@click.command()
@click.argument("recordings", metavar="RECORDING...", type=ANY_PATH, nargs=-1, required=True)
@click.option("--out", type=ANY_PATH, required=True, help="Folder for the results; made when it is not there.")
@click.option("--rate", default=0.0, show_default="as fast as possible", help="Times real time; waits, never drops.")
@click.option(
    "--map",
    "map_folder",
    metavar="[MAP]",
    is_flag=False,
    flag_value="",
    help="Make a map, or go on in the map MAP; a MAP that is not there is made.",
)
@click.option("--stages", help="These stages, comma separated, e.g. odometry,camera.  [default: those enabled]")
@click.option("--jobs", "num_jobs", type=click.IntRange(1, 256), help="Recordings at a time, each in its own process.")
@click.option("--cluster", metavar="ADDRESS", help="Of a dask scheduler whose workers do the replays (extra cluster).")
@click.option("--shard", metavar="I/N", help="Only every N-th recording, from the I-th: for array jobs of a scheduler.")
@click.option("--merge", is_flag=True, help="Of many maps make one, OUT/map, by the places that they share.")
@click.option("--retries", default=1, show_default=True, type=click.IntRange(0, 10), help="When a process is killed.")
@with_config
def replay(
    recordings: tuple[Path, ...],
    out: Path,
    rate: float,
    map_folder: str | None,
    stages: str | None,
    num_jobs: int | None,
    cluster: str | None,
    shard: str | None,
    merge: bool,
    retries: int,
    config_file: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
) -> None:
    """Run the pipeline over RECORDING and write the trajectory, the metrics and report.html to --out.

    With --map it makes a map: OUT/map, the poses in it at every scan (map.tum), and pictures of it. With --map MAP it
    goes on in the map of an earlier drive; add --set mapping.mode=localization to find the way in it and leave it as
    it is. --map belongs behind the recordings: before them it takes the first one as its MAP.

    With --set detection.is_enabled=true it finds objects in the images, too, and writes detections.json; with
    --set lines.is_enabled=true line segments, and lines.json.

    RECORDING is a ROS 2 bag (sqlite3 or MCAP), a ROS 1 bag, a KITTI raw or odometry folder, or a folder of scans
    (.bin .pcd .ply .npz) with times.

    Of many recordings each gets its own process and folder in --out, and one table is printed at the end. What is
    there already, with the same settings, is kept: an interrupted batch resumes. --jobs, --cluster and --shard make a
    batch of one recording, too. With --map each has its map, and with --merge those that touch become one.
    """
    from perception.core.config import changed
    from perception.pipeline.presets import configured

    config = configured(config_file, preset, overrides)
    if map_folder is not None:
        if stages and "mapping" not in stages.split(","):
            raise click.UsageError("--map needs the stage mapping; add it to --stages, or leave --stages out")
        config = changed(config, {"mapping.is_enabled": True, "mapping.folder": map_folder or config.mapping.folder})
    if len(recordings) > 1 or num_jobs or cluster or shard:
        from perception.core.config import to_yaml
        from perception.pipeline.batch import jobs_of, maps_of, raise_for, shard_of
        from perception.pipeline.map_results import map_state

        if config.mapping.is_enabled and config.mapping.folder and config.mapping.mode == "mapping":
            raise click.UsageError("many recordings cannot go on in one map; give --map alone, and --merge")
        if merge and shard:
            raise click.UsageError("a shard has not all maps; merge them afterwards with perception map merge")
        arguments = _replay_arguments(rate, map_folder, stages, config_file, preset, overrides)
        settings = to_yaml(config) + map_state(config.mapping.folder)
        jobs = shard_of(jobs_of(recordings, out, arguments, settings, retries), shard)
        outcomes = _replay_many(jobs, num_jobs or 1, cluster)
        if merge:
            _merge_maps(maps_of(outcomes, out), out)
        raise_for(outcomes)
        return
    if merge:
        raise click.UsageError("--merge is for the maps of many recordings")
    from perception.pipeline.results import replay_to_folder

    loss = replay_to_folder(recordings[0], out, config, rate, stages.split(",") if stages else None)
    if loss is not None:
        raise loss


def _replay_many(jobs: list[Any], num_workers: int, cluster: str | None) -> list[Any]:
    from perception.commands.options import show
    from perception.pipeline.batch import run_batch, table
    from perception.progress import progress

    with progress("recordings") as update:
        outcomes = run_batch(jobs, num_workers, cluster, update)
    show(table(outcomes))
    return outcomes


def _merge_maps(maps: list[Path], out: Path) -> None:
    """The merged map of a batch; it is kept as long as the maps that it is made of stay the same."""
    import json

    from perception.commands.maps import merge_found
    from perception.core.errors import ConfigError
    from perception.core.files import write_atomic
    from perception.pipeline.map_results import FOLDER, map_state

    made, noted = out / FOLDER, out / "merged.json"
    state = json.dumps({path.parent.name: map_state(path) for path in maps}, indent=1)
    if made.exists() and noted.exists():
        if noted.read_text(encoding="utf-8") == state:
            click.echo(f"kept {made}: it is of the same maps")
            return
        shutil.rmtree(made)
    if made.exists():
        raise ConfigError(f"{made}: is there already, and --merge did not make it; give another --out")
    if len(maps) < 2:
        click.echo(f"{len(maps)} maps: nothing to merge")
        return
    write_atomic(noted, state)  # before the map, which appears as a whole
    merge_found(maps, made)


def _replay_arguments(
    rate: float,
    map_folder: str | None,
    stages: str | None,
    config_file: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
) -> list[str]:
    """What a child is told beside its recording."""
    given: list[tuple[str, object]] = [("--rate", rate), ("--stages", stages), ("--preset", preset)]
    given.append(("--config", config_file.resolve() if config_file else None))
    given.extend(("--set", override) for override in overrides)
    mapping = [] if map_folder is None else ["--map", *([str(Path(map_folder).resolve())] if map_folder else [])]
    return [*(str(word) for name, value in given if value for word in (name, value)), *mapping]


@click.command()
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
    rectified images; with --set detection.is_enabled=true also what is found in them. With
    --set mapping.is_enabled=true it makes a map and sends map -> odom; --set mapping.folder=MAP keeps it, or goes on
    in it.
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


@click.command()
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


@click.command()
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

    A saved map is shown by its cloud and its path.

    Writes an MCAP file that Foxglove opens as it is; --html, --rerun and --live choose other views instead, unless
    --out asks for the file too.
    """
    from perception.io.maps import is_map
    from perception.pipeline.presets import configured
    from perception.progress import progress
    from perception.view.run import Sinks, Viewer

    if out is None and not (html or rerun or live):
        out = Path(f"{recording.resolve().name}.view.mcap")
    if is_map(recording):
        if out is None or html or rerun or live:
            raise click.UsageError("a map is shown by an MCAP file; leave --html, --rerun and --live out")
        from perception.view.foxglove import write_mcap
        from perception.view.saved_map import map_messages

        click.echo(f"wrote {out}: {write_mcap(out, map_messages(recording))} messages")
        return
    viewer = Viewer(recording, configured(config_file, preset, overrides).input, detections)
    with progress("view") as update:
        viewer.show(Sinks(out, html, rerun, port if live else None), lambda line: click.echo(line, err=True), update)
