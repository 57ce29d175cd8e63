"""The `perception` command. Every command imports what it needs when it runs, so that `--help` is instant."""

import logging
import os
import sys
from pathlib import Path
from typing import Any

import click

from perception import __version__
from perception.commands.evaluation import evaluate
from perception.commands.lines import lines
from perception.commands.maps import maps
from perception.commands.networks import detect, export, models, train
from perception.commands.options import ANY_PATH, show, with_config
from perception.commands.recordings import play, replay, run, view
from perception.commands.worlds import pictures, synth
from perception.core.errors import PerceptionError


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
    """Odometry, maps, objects and lines for robots: live over ROS 2, on recordings, and in generated worlds."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s %(name)s: %(message)s"
    )


@main.command()
@click.argument("name")
@click.option("--json", "json_file", type=ANY_PATH, help="Write rows, targets, machine and versions to this file.")
@click.option("--long", is_flag=True, help="Also what takes much longer, e.g. half an hour of driving.")
@click.option("--only", multiple=True, metavar="GROUP", help="Only this group of rows; may be given often.")
@click.option(
    "--seeds", default=3, show_default=True, type=click.IntRange(1, 10), help="Generated drives of each kind."
)
def bench(name: str, json_file: Path | None, long: bool, only: tuple[str, ...], seeds: int) -> None:
    """Run the benchmark NAME, print its table and what each target asks. Needs a checkout of the source.

    NAME is detection, inference, lines, odometry, slam or world.
    """
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


for command in (replay, run, play, view, detect, lines, evaluate, synth, pictures, train, models, export, maps):
    main.add_command(command)

if __name__ == "__main__":
    main()
