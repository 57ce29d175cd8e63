"""Finds and runs the benchmarks. They are no part of the installed package: they live in a checkout of the source."""

import importlib
import sys
from pathlib import Path

import click

from perception.core.errors import ConfigError


def run_benchmark(name: str, json_file: Path | None, long: bool, only: tuple[str, ...], seeds: int) -> None:
    """Run `benchmarks/<name>.py`, print its table, and write its JSON. Raises `ConfigError`."""
    root = checkout((Path(__file__).resolve().parents[1], Path.cwd()))
    known = names(root)
    if name not in known:
        raise ConfigError(f"benchmark {name!r}: is unknown; use {', '.join(known)}")
    sys.path.insert(0, str(root))
    from benchmarks import result, table
    from benchmarks.options import BenchOptions

    found = importlib.import_module(f"benchmarks.{name}").run(BenchOptions(long, only, seeds, say))
    if json_file is not None:
        result.write(found, json_file)
    table.show(found)


def checkout(candidates: tuple[Path, ...]) -> Path:
    """The first folder that holds `benchmarks/`. Raises `ConfigError` that says where to get it."""
    for root in candidates:
        if (root / "benchmarks" / "odometry.py").is_file():
            return root
    raise ConfigError(
        "benchmarks: are not installed with the package; clone its repository and run `perception bench` in that folder"
    )


def names(root: Path) -> list[str]:
    """Benchmarks of a checkout: the files of `benchmarks/` that define `run(options: BenchOptions)`."""
    files = sorted((root / "benchmarks").glob("*.py"))
    return [file.stem for file in files if "\ndef run(options: BenchOptions)" in file.read_text(encoding="utf-8")]


def say(message: str) -> None:
    """Progress on standard error, so that standard output holds the tables alone."""
    click.echo(f"==> {message}", err=True)
