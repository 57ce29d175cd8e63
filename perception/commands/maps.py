"""`perception map`: saved maps looked at, exported, imported, merged, cleaned."""

from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from perception.commands.options import ANY_PATH, FILE, FOLDER, show

if TYPE_CHECKING:
    from perception.mapping.config import MappingConfig
    from perception.mapping.merging import MergedMaps
    from slam.maps.folder import MapFolder

FORMATS = ("pcd", "ply", "tum", "g2o", "grid", "png")  # of perception.io.maps, which is not loaded for --help


@click.group("map")
def maps() -> None:
    """Saved maps: what is in them, other formats, many as one, without what moved."""


@maps.command()
@click.argument("folder", metavar="MAP", type=FOLDER)
@click.option("--check", is_flag=True, help="Read every file and compare its checksum.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def info(folder: Path, check: bool, as_json: bool) -> None:
    """What MAP holds. The exit code is 1 when --check finds something wrong."""
    import json

    from slam.maps.facts import facts_of
    from slam.maps.folder import MapFolder

    opened = MapFolder(folder)
    facts = facts_of(opened)
    problems = opened.problems() if check else []
    if as_json:
        click.echo(json.dumps({**facts, "notes": opened.notes, "problems": problems}, indent=1))
    else:
        show(_table(folder.name, facts))
        for line in (*(f"note: {note}" for note in opened.notes), *(f"problem: {problem}" for problem in problems)):
            click.echo(line)
    click.get_current_context().exit(1 if problems else 0)


@maps.command()
@click.argument("folder", metavar="MAP", type=FOLDER)
@click.argument("out", type=ANY_PATH)
@click.option("--format", "kind", type=click.Choice(FORMATS), help="[default: as the name of OUT ends]")
@click.option("--voxel-size", default=0.1, show_default=True, help="One point per voxel of this edge (m) in clouds.")
def export(folder: Path, out: Path, kind: str | None, voxel_size: float) -> None:
    """Write MAP to OUT: its cloud (pcd, ply), poses (tum), graph (g2o), floor (grid: .pgm and .yaml) or picture (png).

    The picture shows the floor, the path of each session with its start, and the loops.
    """
    from perception.core.errors import ConfigError
    from perception.io.maps import export as write
    from slam.maps.folder import MapFolder

    kind = kind or {".pgm": "grid", ".yaml": "grid", ".txt": "tum"}.get(out.suffix, out.suffix.removeprefix("."))
    if kind not in FORMATS:
        raise ConfigError(f"{out}: its ending tells no format; give --format, one of {', '.join(FORMATS)}")
    click.echo(f"wrote {out}: {write(MapFolder(folder), out, kind, voxel_size)}")


@maps.command("import")
@click.argument("graph", type=FILE)
@click.argument("out", type=ANY_PATH)
def import_(graph: Path, out: Path) -> None:
    """Make the map OUT of the g2o file GRAPH, optimised; its keyframes have no clouds."""
    from slam.maps.importing import import_g2o

    found = import_g2o(graph, out)
    click.echo(f"wrote {out}: {found.num_keyframes} keyframes, {found.num_factors} factors, chi2 {found.chi2:.6g}")


@maps.command()
@click.argument("paths", metavar="FIRST SECOND... OUT", type=ANY_PATH, nargs=-1, required=True)
@click.option("--pose", metavar="'X Y Z YAW'", help="Of the second map's frame in the first: m, deg; or a quaternion.")
@click.option("--loops", type=FILE, help="Text file: 'first second x y z qx qy qz qw', a keyframe of each map.")
@click.option("--set", "overrides", multiple=True, metavar="A.B=C", help="One setting, on top of those of FIRST.")
def merge(paths: tuple[Path, ...], pose: str | None, loops: Path | None, overrides: tuple[str, ...]) -> None:
    """Make the map OUT of FIRST and all others, in the frame of FIRST.

    The places that they share are found by place recognition; a map that touches none of the others is left out and
    named. Of two maps --pose or --loops may say instead how they lie. Loops that contradict are left out.
    """
    *sources, out = paths
    if len(sources) < 2:
        raise click.UsageError("give two maps at least, and the folder of the new one")
    if not (pose or loops):
        merge_found(sources, out, overrides)
    elif len(sources) == 2:
        _merge_given(sources[0], sources[1], out, pose, loops, overrides)
    else:
        raise click.UsageError("--pose and --loops are for two maps")


def merge_found(sources: Sequence[Path], out: Path, overrides: tuple[str, ...] = ()) -> None:
    """Merge maps by the places that they share, with the settings of the first one, and say what came of it."""
    from perception.mapping.merging import merge_maps
    from perception.progress import progress
    from slam.maps.folder import MapFolder

    config = _settings(MapFolder(sources[0]), overrides)
    with progress("merge") as update:
        result = merge_maps(sources, out, config, update)
    show(_merged_table(result))
    undone = f", {result.undone} left out that contradict" if result.undone else ""
    loops = sum(result.num_loops.values())
    click.echo(f"wrote {out}: {result.num_keyframes} keyframes, {loops} loops between the maps{undone}")


def _settings(first: "MapFolder", overrides: tuple[str, ...]) -> "MappingConfig":
    """Those of a map, with some of them changed. Raises `ConfigError`."""
    from perception.core.config import load_config
    from perception.pipeline.config import PerceptionConfig
    from slam.maps.folder import CONFIG

    return load_config(PerceptionConfig, first.path / CONFIG, overrides).mapping


def _merged_table(result: "MergedMaps") -> Any:
    from rich.table import Table

    table = Table("map", "loops with those before it", title="merged maps")
    for name, count in result.num_loops.items():
        table.add_row(name, str(count) if count else "the first")
    for name, reason in result.left_out.items():
        table.add_row(name, f"left out: {reason}")
    return table


def _merge_given(
    first: Path, second: Path, out: Path, pose: str | None, loops: Path | None, overrides: tuple[str, ...]
) -> None:
    """Merge two maps whose relation somebody knows."""
    import numpy as np

    from perception.io.maps import finite_numbers, pose_of, read_loops
    from slam.maps.folder import MapFolder
    from slam.maps.merge import merge as join

    opened = MapFolder(first)
    config = _settings(opened, overrides).graph
    T = pose_of("--pose", finite_numbers("--pose", pose.replace(",", " ").split())) if pose else None
    found = read_loops(loops, config.loop_position, float(np.deg2rad(config.loop_rotation_deg))) if loops else []
    result = join(opened, MapFolder(second), out, T, found, config)
    for number, reason in result.undone.items():
        click.echo(f"factor {number} is left out: {reason}")
    click.echo(
        f"wrote {out}: {result.num_keyframes} keyframes, {result.num_loops} of {len(found)} loops between the maps"
    )


@maps.command()
@click.argument("folder", metavar="MAP", type=FOLDER)
@click.argument("out", type=ANY_PATH)
@click.option("--set", "overrides", multiple=True, metavar="A=B", help="One setting, e.g. voxel_size=0.2.")
def clean(folder: Path, out: Path, overrides: tuple[str, ...]) -> None:
    """Make the map OUT of MAP without the points through which other keyframes saw: what moved."""
    from perception.core.config import load_config
    from perception.progress import progress
    from slam.maps.clean import moving_points, write_cleaned
    from slam.maps.config import CleanConfig
    from slam.maps.folder import MapFolder

    opened = MapFolder(folder)
    with progress("clean") as update:
        moved = moving_points(opened, load_config(CleanConfig, None, overrides), update)
    result = write_cleaned(opened, moved, out)
    click.echo(f"wrote {out}: {result.num_removed} of {result.num_points} points removed")


def _table(title: str, facts: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table("", "", title=f"map {title}", show_header=False)
    for name, value in facts.items():
        rows = [_text(entry) for entry in value] if name == "sessions" else [_text(value)]
        for row, text in enumerate(rows or ["-"]):
            table.add_row(name if row == 0 else "", text or "-")
    return table


def _text(value: Any) -> str:
    """A value as people read it."""
    from perception.core.stamps import NS_PER_S

    if isinstance(value, dict) and "start_ns" in value:
        at = datetime.fromtimestamp(value["start_ns"] // NS_PER_S, timezone.utc)
        return (
            f"{value['first']} to {value['last']}: {value['path_m']:g} m in {value['duration_s']:g} s "
            f"from {at:%Y-%m-%d %H:%M:%S} UTC"
        )
    if isinstance(value, dict):
        return ", ".join(f"{count} {kind}" for kind, count in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
