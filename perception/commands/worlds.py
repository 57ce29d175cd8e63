"""Commands that generate data: recordings and pictures of made worlds."""

from pathlib import Path
from typing import Any

import click

from perception.commands.options import ANY_PATH, FILE


@click.command()
@click.argument("out", type=ANY_PATH)
@click.option("--force", is_flag=True, help="Replace a recording, or the beginning of one, that this command wrote.")
@click.option(
    "--seed", type=int, help="Seed of the world; same seed, same bytes. From 1000000 on: for evaluation only."
)
@click.option("--duration", type=float, help="Length in seconds.")
@click.option("--scene", type=click.Choice(["street", "indoor", "mixed"]), help="A world and a way by the seed.")
@click.option("--route", help="A world by name: town, straight, turns, corridor, tunnel, district, office, campus...")
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


@click.command()
@click.argument("out", type=ANY_PATH)
@click.option("--config", "config_file", type=FILE, help="YAML file with overrides of the defaults.")
@click.option("--set", "overrides", multiple=True, metavar="A=B", help="One override, e.g. num_worlds=10.")
@click.option("--first-seed", type=int, help="Seed of the first world; from 1000000 on: for evaluation only.")
@click.option("--num-worlds", type=int, help="Worlds, with consecutive seeds.")
@click.option("--per-world", type=int, help="Pictures of each.")
@click.option("--format", "formats", default="coco", show_default=True, help="Labels: coco, lines, or coco,lines.")
def pictures(out: Path, config_file: Path | None, overrides: tuple[str, ...], formats: str, **chosen: Any) -> None:
    """Picture many generated worlds to the folder OUT: a data set to train and measure detectors with.

    coco: annotations/instances.json, boxes and masks of objects. lines: lines/lines.json, line segments.

    Interrupted, the same command goes on where it stopped.
    """
    from perception.core.config import load_config
    from perception.progress import progress
    from perception.world.choices import format_names
    from perception.world.picture_set import PictureSetConfig, write_picture_set

    given = [f"{name}={value}" for name, value in chosen.items() if value is not None]
    config = load_config(PictureSetConfig, config_file, [*overrides, *given])
    with progress("picture") as update:
        path = write_picture_set(out, config, update, formats=format_names(formats))
    click.echo(f"wrote {path}")
