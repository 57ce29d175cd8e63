"""Packaged presets, the resolved configuration, and its reference page."""

from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Any

from perception.core.config import fields, load_config, parse_yaml
from perception.core.errors import ConfigError
from perception.pipeline.config import PerceptionConfig


def names() -> list[str]:
    """Names of the packaged presets."""
    return sorted(Path(entry.name).stem for entry in _folder().iterdir() if entry.name.endswith(".yaml"))


def configured(file: Path | None = None, preset: str | None = None, overrides: Iterable[str] = ()) -> PerceptionConfig:
    """Defaults, then the preset, then the file, then the overrides. Raises `ConfigError` naming every wrong field."""
    return load_config(PerceptionConfig, file, overrides, _read_preset(preset) if preset else None)


def reference() -> str:
    """Every field of the configuration as a Markdown table, from the fields themselves."""
    rows = ["| field | default | range | meaning |", "| --- | --- | --- | --- |"]
    for field in fields(PerceptionConfig):
        limits = [str(limit) for limit in (field.minimum, field.maximum) if limit is not None]
        choices = getattr(field.annotation, "__args__", ()) if "Literal" in str(field.annotation) else ()
        allowed = ", ".join(map(str, choices)) or " to ".join(limits)
        rows.append(f"| `{field.path}` | `{field.default!r}` | {allowed} | {field.description} |")
    return "\n".join(rows) + "\n"


def _folder() -> Any:
    return resources.files("perception") / "presets"


def _read_preset(name: str) -> dict[str, Any]:
    if name not in names():
        raise ConfigError(f"preset {name!r} is unknown; use one of: {', '.join(names()) or 'none is packaged'}")
    return parse_yaml((_folder() / f"{name}.yaml").read_text(encoding="utf-8")) or {}
