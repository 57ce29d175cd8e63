"""What commands share: types of arguments, options of the configuration, tables."""

from pathlib import Path
from typing import Any

import click

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
