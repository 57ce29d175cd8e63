"""Engines on disk: a file that TensorRT wrote, untouched, and beside it a JSON file that says what it was made for.

An engine is used only where everything it was made for is as it was; else the refusal names what differs. Files are
written whole or not at all, and a damaged one is told by its hash.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from perception.core.config import Config, validated
from perception.core.errors import ConfigError, ModelError
from perception.core.files import write_atomic
from perception.inference.cache import cache_folder
from perception.inference.model_card import MAX_AXIS, Digest, ModelName
from perception.inference.tensors import one_line

SUFFIX = ".engine"
MAX_SIDE_CAR_BYTES = 1 << 16
MAX_ENGINE_BYTES = 1 << 32
RECIPE = 1  # counts up when the same ONNX file would be made into another engine
ANY = "any"  # GPU of an engine that is finished on the machine that loads it (tensorrt_rtx)

Shape = tuple[Annotated[int, Field(ge=1, le=MAX_AXIS)], ...]


class Profile(Config):
    """Shapes of one input: an engine runs from the smallest to the largest, fastest at the usual one."""

    smallest: Shape = Field(description="Every axis at its least.")
    usual: Shape = Field(description="What it is tuned for.")
    largest: Shape = Field(description="Every axis at its most; buffers have this size.")

    def holds(self, shape: tuple[int, ...]) -> bool:
        """Whether the engine runs this shape."""
        if len(shape) != len(self.usual):
            return False
        return all(low <= have <= high for low, have, high in zip(self.smallest, shape, self.largest))


class EngineKey(Config):
    """What an engine was made from and for."""

    model: Digest = Field(description="Fingerprint of the model.")
    flavour: Literal["tensorrt", "tensorrt_rtx"] = Field(description="Library that built it.")
    version: str = Field(max_length=64, description="Of the library.")
    gpu: str = Field(max_length=256, description="Name of the GPU.")
    compute_capability: str = Field(max_length=16, description="Of the GPU, e.g. 8.7.")
    precision: Literal["f32", "f16", "int8"] = Field(description="Arithmetic that the ONNX file asks for.")
    recipe: int = Field(RECIPE, description="Version of the way from ONNX file to engine.")

    def differences(self, other: "EngineKey") -> list[str]:
        """A phrase per field that is not the same: here, there."""
        mine, theirs = self.model_dump(), other.model_dump()
        return [f"{name}: {mine[name]}, here {theirs[name]}" for name in mine if mine[name] != theirs[name]]


class SideCar(Config):
    """The JSON file beside an engine."""

    name: ModelName = Field(description="Of the model.")
    key: EngineKey = Field(description="What it was made from and for.")
    profiles: dict[str, Profile] = Field(description="Shapes by input.")
    sha256: Digest = Field(description="Of the engine file.")
    num_bytes: int = Field(ge=1, le=MAX_ENGINE_BYTES, description="Of the engine file.")
    build_seconds: float = Field(ge=0, description="Time that building took.")


def engines_folder() -> Path:
    """Where `perception export` puts engines, in the user's cache."""
    return cache_folder("engines")


def engine_path(name: str, key: EngineKey, profiles: Mapping[str, Profile], folder: Path) -> Path:
    """Where an engine belongs. Name, library, precision and shapes are in the name; what differs otherwise replaces."""
    shapes = json.dumps({name: profile.model_dump() for name, profile in sorted(profiles.items())})
    digest = hashlib.sha256(shapes.encode()).hexdigest()[:8]
    return folder / f"{name}-{key.flavour}-{key.precision}-{digest}{SUFFIX}"


def store(engine: bytes, car: SideCar, path: Path) -> None:
    """Write an engine and its side-car; the side-car comes last, and an engine without one is never used."""
    side_car_path(path).unlink(missing_ok=True)
    write_atomic(path, engine)
    write_atomic(side_car_path(path), json.dumps(car.model_dump(mode="json"), indent=1) + "\n")


def side_car_path(path: Path) -> Path:
    """Where the side-car of an engine lies."""
    return path.with_name(f"{path.name}.json")


def side_car(engine: bytes, name: str, key: EngineKey, profiles: Mapping[str, Profile], seconds: float) -> SideCar:
    """The side-car of an engine that was just built."""
    return SideCar(
        name=name,
        key=key,
        profiles=dict(profiles),
        sha256=hashlib.sha256(engine).hexdigest(),
        num_bytes=len(engine),
        build_seconds=round(seconds, 2),
    )


def load(path: Path, key: EngineKey) -> tuple[bytes, SideCar]:
    """An engine that was made for `key`, unharmed. Raises `ModelError` naming each field that differs."""
    car = read_side_car(path)
    apart = car.key.differences(key)
    if apart:
        raise ModelError(f"engine {path.name}: was made for other things ({'; '.join(apart)}); build it again")
    try:
        if path.stat().st_size != car.num_bytes:
            raise ModelError(f"engine {path.name}: has {path.stat().st_size} bytes, expected {car.num_bytes}; {_AGAIN}")
        engine = path.read_bytes()
    except OSError as error:
        raise ModelError(f"engine {path.name}: cannot be read ({error}); {_AGAIN}") from None
    if hashlib.sha256(engine).hexdigest() != car.sha256:
        raise ModelError(f"engine {path.name}: its hash is not that of the side-car; {_AGAIN}")
    return engine, car


def find(
    name: str, key: EngineKey, shapes: Mapping[str, tuple[int, ...]], folder: Path | None = None
) -> tuple[bytes, SideCar]:
    """An engine of the folder for this key that runs these shapes.

    Raises `ModelError` that says of every engine of this model and precision why it is refused, and how to make one.
    """
    folder = folder or engines_folder()
    reasons = []
    for path in sorted(folder.glob(f"{name}-{key.flavour}-{key.precision}-*{SUFFIX}")):
        try:
            engine, car = load(path, key)
        except ModelError as error:
            reasons.append(str(error))
            continue
        outside = _outside(car, shapes)
        if not outside:
            return engine, car
        reasons.append(f"engine {path.name}: {outside}")
    why = "; ".join(reasons) or f"there is none in {folder}"
    command = f"perception export {name} --backend {key.flavour} --precision {key.precision}"
    raise ModelError(f"model {name}: no engine for {key.flavour} {key.precision} ({why}). Run: {command}")


def read_side_car(path: Path) -> SideCar:
    """The side-car of an engine. Raises `ModelError`."""
    file = side_car_path(path)
    try:
        if file.stat().st_size > MAX_SIDE_CAR_BYTES:
            raise ModelError(f"engine {path.name}: its side-car has more than {MAX_SIDE_CAR_BYTES} bytes; {_AGAIN}")
        values = json.loads(file.read_text(encoding="utf-8"))
        return validated(SideCar, values)
    except (OSError, ValueError, RecursionError, ConfigError) as error:
        raise ModelError(f"engine {path.name}: its side-car cannot be read ({one_line(error)}); {_AGAIN}") from None


_AGAIN = "build it again with `perception export`"


def _outside(car: SideCar, shapes: Mapping[str, tuple[int, ...]]) -> str:
    for name, shape in shapes.items():
        profile = car.profiles.get(name)
        if profile is None:
            return f"profiles: has none for the input {name}"
        if not profile.holds(tuple(shape)):
            return f"profiles.{name}: {profile.smallest} to {profile.largest}, asked for {tuple(shape)}"
    return ""
