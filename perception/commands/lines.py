"""The command for line segments."""

from pathlib import Path
from typing import Any

import click

from perception.commands.options import ANY_PATH, show, with_config


@click.command()
@click.argument("paths", nargs=-1, required=True, type=ANY_PATH, metavar="[IMAGE|VIDEO|FOLDER|RECORDING]...")
@click.option("--detector", type=click.Choice(["lsdnet", "lsd"]), help="With a network, or classic LSD.")
@click.option("--model", help="Name of a model, or path of its card.  [default: lines.model]")
@click.option("--backend", help="torch, onnx, openvino or tensorrt.  [default: the fastest here]")
@click.option("--score", type=click.FloatRange(0, 1), help="Segments of lsdnet must score as high; 0.65 to 0.75.")
@click.option("--flat", "is_flat", is_flag=True, help="Only in the image: do not ask the LiDAR of a recording.")
@click.option("--out", type=ANY_PATH, help="Folder for annotated images and videos, lines.json, and PLY files.")
@with_config
def lines(
    paths: tuple[Path, ...],
    out: Path | None,
    config_file: Path | None,
    preset: str | None,
    overrides: tuple[str, ...],
    **chosen: Any,
) -> None:
    """Find straight line segments in images, videos and the cameras of recordings.

    \b
    perception lines street.jpg clip.mp4 --out found      annotated files and found/lines.json
    perception lines drive/ --detector lsd --out found    also found/lines_3d.ply, where drive/ has a LiDAR

    lines.json has the layout of the Wireframe set, px with pixel centres at integers; `perception evaluate lines`
    reads it. Where the camera is calibrated, segments are coloured by the vanishing point that they point to, blue is
    upright, and the horizon is drawn with roll and pitch. Segments in space are PLY files with edges: lines_3d/ has
    one for each image, in the optical frame of its camera, lines_3d.ply all of them where the robot was.

    Files that cannot be read are named, the others go on, and the exit code is 3.
    """
    from perception.pipeline.line_search import command_config, find_lines, table_of
    from perception.pipeline.presets import configured
    from perception.progress import progress

    config = command_config(configured(config_file, preset, overrides), **chosen)
    with progress("lines") as update:
        found = find_lines(paths, config, out, update)
    show(table_of(found))
    for note in found.notes:
        click.echo(note)
    if out is not None:
        click.echo(f"wrote {out / 'lines.json'}")
    if found.loss is not None:
        raise found.loss
