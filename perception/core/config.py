"""One base for every configuration: frozen, strict, and the only home of defaults, ranges and their sentences.

YAML files and `--set a.b=c` hold overrides only. Pydantic is imported with this module, so import it lazily where
start-up time matters.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from perception.core.errors import ConfigError


class _Loader(yaml.SafeLoader):
    """The safe loader with the booleans of YAML 1.2: `off`, `on`, `yes` and `no` are words, as in `imu: off`."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:bool"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)


def parse_yaml(text: str) -> Any:
    """Plain values of a YAML text; tags that would make objects are refused. Raises `yaml.YAMLError`."""
    return yaml.load(text, Loader=_Loader)  # a subclass of SafeLoader


class Config(BaseModel):
    """Base of all configurations: frozen, unknown keys and NaN refused, wrong types refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


ConfigType = TypeVar("ConfigType", bound=Config)


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One leaf of a configuration: enough to declare a ROS parameter or to print a reference line."""

    path: str  # dotted, e.g. odometry.map.voxel_size
    annotation: Any
    default: Any
    description: str
    minimum: float | None
    maximum: float | None


def load_config(
    kind: type[ConfigType],
    file: Path | str | None = None,
    overrides: Iterable[str] = (),
    base: dict[str, Any] | None = None,
) -> ConfigType:
    """A configuration from defaults, then `base` (e.g. a preset), then a YAML file, then `path=value` overrides.

    Raises `ConfigError` with every wrong field at once, by its full path.
    """
    values = merged(base or {}, read_yaml(Path(file)) if file is not None else {})
    for override in overrides:
        set_value(values, override)
    return validated(kind, values)


def merged(values: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Nested mappings joined into a new one; where both have a value, that of `other` counts."""
    both = dict(values)
    for key, value in other.items():
        inner = both.get(key)
        both[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return both


def validated(kind: type[ConfigType], values: dict[str, Any]) -> ConfigType:
    """`values` as a configuration of `kind`; raises `ConfigError` listing all wrong fields."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise ConfigError(_sentence(kind, error)) from None


def changed(config: ConfigType, values: Mapping[str, Any]) -> ConfigType:
    """A copy of `config` with the fields of the dotted names replaced, validated as a whole. Raises `ConfigError`."""
    return validated(type(config), nested(values, config.model_dump(mode="json")))


def nested(values: Mapping[str, Any], base: dict[str, Any] | None = None) -> dict[str, Any]:
    """Values by dotted names as nested mappings, put into `base` where given. Raises `ConfigError`."""
    tree: dict[str, Any] = {} if base is None else base
    for path, value in values.items():
        _assign(tree, path, value)
    return tree


def read_yaml(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file, read by the safe loader. Raises `ConfigError`."""
    try:
        values = parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"config {path}: cannot be read ({error}); check the path") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"config {path}: is not plain YAML ({' '.join(str(error).split())})") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(f"config {path}: expected a mapping at the top, got {type(values).__name__}")
    return values


def to_yaml(config: Config) -> str:
    """The whole configuration as YAML, in the order of its fields; `load_config` reads it back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def fields(kind: type[Config], prefix: str = "") -> Iterator[FieldInfo]:
    """Every leaf field of a configuration class, depth first."""
    for name, info in kind.model_fields.items():
        path = f"{prefix}{name}"
        if isinstance(info.annotation, type) and issubclass(info.annotation, Config):
            yield from fields(info.annotation, f"{path}.")
            continue
        limits = {key: getattr(m, key) for m in info.metadata for key in ("ge", "gt", "le", "lt") if hasattr(m, key)}
        yield FieldInfo(
            path,
            info.annotation,
            info.get_default(call_default_factory=True),
            info.description or "",
            limits.get("ge", limits.get("gt")),
            limits.get("le", limits.get("lt")),
        )


def set_value(values: dict[str, Any], override: str) -> None:
    """Put one `path=value` override (the value is YAML) into nested `values`. Raises `ConfigError`."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise ConfigError(f"--set {override!r}: expected a.b=value, e.g. odometry.max_range=80")
    try:
        value = parse_yaml(text)
    except yaml.YAMLError:
        raise ConfigError(f"--set {override!r}: the value is not plain YAML") from None
    _assign(values, path.strip(), value)


def _assign(values: dict[str, Any], path: str, value: Any) -> None:
    *parents, leaf = path.split(".")
    for parent in parents:
        inner = values.setdefault(parent, {})
        if not isinstance(inner, dict):
            raise ConfigError(f"{path}: {parent} is a value, not a group")
        values = inner
    values[leaf] = value


def _sentence(kind: type[Config], error: ValidationError) -> str:
    known = {field.path for field in fields(kind)}
    lines = []
    for item in error.errors():
        path = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            lines.append(f"{path}: is unknown{_suggestion(path, known)}")
        else:
            message = item["msg"][0].lower() + item["msg"][1:]
            lines.append(f"{path or kind.__name__}: {message}, got {item['input']!r}")
    return "; ".join(lines)


def _suggestion(path: str, known: set[str]) -> str:
    from difflib import get_close_matches

    close = get_close_matches(path, known, n=1)
    return f"; did you mean {close[0]}?" if close else "; `perception config` lists all fields"
