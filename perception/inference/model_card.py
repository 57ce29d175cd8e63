"""Model cards: what a network reads and answers, where it comes from, and which files hold it.

A card is a JSON file beside the files it names. A file is used only if it has the hash that the card states; weights
are safetensors, networks are ONNX, and nothing is ever unpickled.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from perception.core.config import Config, validated
from perception.core.errors import ConfigError, InvalidInput, ModelError
from perception.core.files import inside, write_atomic
from perception.inference.onnx_file import check_self_contained

MAX_CARD_BYTES = 1 << 20
MAX_FILE_BYTES = 1 << 30  # networks of robots have a hundredth of it
MAX_AXIS = 1 << 16  # elements along one axis
PACKAGED = Path(__file__).resolve().parents[1] / "models"
STORE_VARIABLE = "PERCEPTION_MODELS"

ModelName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
TensorName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_./:-]{0,127}$")]
FreeAxis = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}(/[1-9][0-9]{0,3})?$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$")]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, StringConstraints(max_length=2000)]
ClassName = Annotated[str, StringConstraints(min_length=1, max_length=128)]
Role = Literal["weights", "onnx", "onnx_f16", "onnx_int8", "onnx_nms"]
ElementType = Literal["float32", "float16", "uint8", "int8", "int32", "int64", "bool"]
ONNX_ROLES = {"f32": "onnx", "bf16": "onnx", "f16": "onnx_f16", "int8": "onnx_int8"}  # by precision
SUFFIXES: dict[str, str] = {"weights": ".safetensors"}  # of the other roles: .onnx


class TensorSpec(Config):
    """One input or output of a network."""

    name: TensorName = Field(description="As in the ONNX file.")
    shape: tuple[Annotated[int, Field(ge=1, le=MAX_AXIS)] | FreeAxis, ...] = Field(
        max_length=8,
        description="A number per axis, or the name of a free axis; an output may divide one, e.g. height/8.",
    )
    dtype: ElementType = Field("float32", description="Type of the elements.")


class FileEntry(Config):
    """A file beside the card."""

    name: FileName = Field(description="In the folder of the card.")
    sha256: Digest = Field(description="Of the whole file.")


class ModelCard(Config):
    """What a trained network is, in a form that people and programs read."""

    name: ModelName = Field(description="How commands and configurations call it.")
    family: ModelName = Field(description="Which architecture, e.g. leyolo.")
    task: ModelName = Field(description="What it is for, e.g. detection.")
    network: dict[str, Any] = Field(default_factory=dict, description="Configuration of the architecture.")
    inputs: tuple[TensorSpec, ...] = Field(min_length=1, max_length=16, description="What it reads.")
    outputs: tuple[TensorSpec, ...] = Field(min_length=1, max_length=32, description="What it answers.")
    multiples: dict[str, Annotated[int, Field(ge=1, le=MAX_AXIS)]] = Field(
        default_factory=dict, description="Free axes whose size must be a multiple, e.g. height: 32."
    )
    classes: tuple[ClassName, ...] = Field((), max_length=10_000, description="Names by class index.")
    input_size: tuple[Annotated[int, Field(ge=1, le=MAX_AXIS)], Annotated[int, Field(ge=1, le=MAX_AXIS)]] | None = (
        Field(None, description="Height and width (px) it is meant for.")
    )
    licence: Text = Field(description="Of the weights.")
    training_data: Text = Field(description="What it has learnt from, in a sentence.")
    is_generated_data: bool = Field(False, description="Whether that is generated, not recorded.")
    files: dict[Role, FileEntry] = Field(description="Files by role: weights (safetensors), onnx, onnx_f16...")
    opset: int | None = Field(None, ge=1, le=100, description="Of the ONNX files.")
    metrics: dict[Annotated[str, StringConstraints(max_length=128)], float | Text] = Field(
        default_factory=dict,
        max_length=256,
        description="Measured results; ap_loss_bf16, fh_loss_bf16: points of AP or F^H that bfloat16 costs.",
    )

    @field_validator("files")
    @classmethod
    def _files_have_the_type_of_their_role(cls, files: dict[Role, FileEntry]) -> dict[Role, FileEntry]:
        for role, entry in files.items():
            suffix = SUFFIXES.get(role, ".onnx")
            if not entry.name.endswith(suffix):
                raise ValueError(f"{role}: {entry.name!r} does not end with {suffix}")
        return files

    @model_validator(mode="after")
    def _tensors_fit_together(self) -> "ModelCard":
        for kind, specs in (("inputs", self.inputs), ("outputs", self.outputs)):
            names = [spec.name for spec in specs]
            if len(set(names)) < len(names):
                raise ValueError(f"{kind}: two have the name {max(names, key=names.count)!r}")
        axes = {axis for spec in self.inputs for axis in spec.shape if isinstance(axis, str)}
        divided = next((axis for axis in axes if "/" in axis), None)
        if divided is not None:
            raise ValueError(f"inputs: axis {divided!r} is divided; only outputs may do that")
        unknown = next(iter(self.multiples.keys() - axes), None)
        if unknown is not None:
            raise ValueError(f"multiples: {unknown!r} is no free axis of the inputs")
        return self


class Model:
    """A card and the folder its files lie in."""

    def __init__(self, card: ModelCard, folder: Path) -> None:
        self.card = card
        self.folder = folder

    def path(self, role: str) -> Path:
        """The file of a role, whose hash has just been checked. Raises `ModelError` naming the field."""
        path = self._located(role)
        self._check(role, _digest(path))
        return path

    def read(self, role: str) -> bytes:
        """The bytes of a file, checked after they were read; an ONNX file must have its weights inside.

        Raises `ModelError` naming the field.
        """
        data = self._located(role).read_bytes()
        self._check(role, hashlib.sha256(data).hexdigest())
        if role.startswith("onnx"):
            check_self_contained(data, f"model {self.card.name}: files.{role}")
        return data

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides what the network computes: tensors, configuration and files."""
        fields = self.card.model_dump(mode="json", include={"family", "network", "inputs", "outputs", "files"})
        return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()

    def _files(self) -> dict[str, FileEntry]:
        return {str(role): entry for role, entry in self.card.files.items()}

    def _located(self, role: str) -> Path:
        files = self._files()
        if role not in files:
            have = ", ".join(files) or "none"
            raise ModelError(f"model {self.card.name}: files.{role} is not in the card (it has: {have}); export it")
        field = f"model {self.card.name}: files.{role}.name"
        try:
            path = inside(self.folder, files[role].name)
        except InvalidInput as error:
            raise ModelError(f"{field}: {error}") from None
        if not path.is_file():
            raise ModelError(f"{field}: {path} does not exist; put it beside the card")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ModelError(f"{field}: {path} has more than {MAX_FILE_BYTES} bytes")
        return path

    def _check(self, role: str, digest: str) -> None:
        entry = self._files()[role]
        if digest != entry.sha256:
            raise ModelError(
                f"model {self.card.name}: files.{role}.sha256: {entry.name} has {digest[:16]}..., the card says "
                f"{entry.sha256[:16]}...; the file was damaged or replaced: fetch or export it again"
            )


def open_model(name_or_path: str) -> Model:
    """The model of a packaged name, of a name in the user's store, or of the path of a card (.json).

    Raises `ModelError` naming what is wrong with the card, or which models there are.
    """
    is_path = name_or_path.endswith(".json")
    path = Path(name_or_path) if is_path else _card_of(name_or_path)
    card = read_card(path)
    if not is_path and card.name != name_or_path:
        raise ModelError(f"model card {path}: name: {card.name!r} is not the name of the file; rename one of them")
    return Model(card, path.resolve().parent)


def read_card(path: Path) -> ModelCard:
    """The card in a JSON file. Raises `ModelError` with every wrong field."""
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise ModelError(f"model card {path}: has more than {MAX_CARD_BYTES} bytes; it is none")
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"model card {path}: cannot be read ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise ModelError(f"model card {path}: expected an object, got {type(values).__name__}")
    try:
        return validated(ModelCard, values)
    except ConfigError as error:
        raise ModelError(f"model card {path}: {error}") from None


def write_card(card: ModelCard, path: Path) -> None:
    """Write a card as JSON, whole or not at all."""
    write_atomic(path, json.dumps(card.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")


def file_entry(path: Path) -> FileEntry:
    """The entry of a file that lies beside the card, with its hash."""
    return FileEntry(name=path.name, sha256=_digest(path))


def models_folder() -> Path:
    """The user's store: $PERCEPTION_MODELS, else `perception/models` in the user's data folder."""
    given = os.environ.get(STORE_VARIABLE)
    if given:
        return Path(given)
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "perception" / "models"


def model_names() -> dict[str, Path]:
    """Name to card of every packaged and stored model; a packaged one hides a stored one of its name."""
    cards = [path for folder in (PACKAGED, models_folder()) for path in sorted(folder.glob("*.json"))]
    return {path.stem: path for path in reversed(cards)}


def _card_of(name: str) -> Path:
    known = model_names()
    if name in known:
        return known[name]
    if os.sep in name:
        raise ModelError(f"model {name!r}: is neither a name nor the path of a card (.json)")
    have = ", ".join(sorted(known)) or "none"
    raise ModelError(f"model {name!r}: is unknown; there are: {have}. Give one of them or the path of a card (.json)")


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()
