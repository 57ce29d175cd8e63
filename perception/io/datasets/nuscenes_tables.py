"""The JSON tables of nuScenes, cut down to what key frames need; the two large ones are read row by row.

Schema: H. Caesar et al., "nuScenes: a multimodal dataset for autonomous driving", CVPR 2020. Rows name each other by
tokens; times are microseconds, quaternions w x y z, sizes of boxes width, length, height.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from perception.core.errors import InvalidInput
from perception.io.datasets.fields import field, load_records

Row = dict[str, Any]
NEEDED = (
    *("scene", "sample", "sample_data", "calibrated_sensor", "ego_pose", "sensor"),
    *("sample_annotation", "instance", "category"),
)


@dataclass(frozen=True, slots=True, eq=False)
class Tables:
    """Rows by token. `data` and `annotations` are grouped by sample."""

    folder: Path
    scenes: dict[str, Row]
    samples: list[Row]  # scene by scene, each in the order of time
    data: dict[str, dict[str, Row]]  # sample -> channel -> row of sample_data, key frames only
    calibrations: dict[str, Row]
    poses: dict[str, Row]  # of key frames only
    annotations: dict[str, list[Row]]  # by sample
    annotation_by_token: dict[str, Row]
    categories: dict[str, str]  # instance -> name of its category
    instance_ids: dict[str, int]  # instance -> number from 1
    times_us: dict[str, int]  # of samples

    def row(self, table: str, rows: dict[str, Row], token: str) -> Row:
        """A row by its token. Raises `InvalidInput` where the table does not hold it."""
        if token not in rows:
            raise InvalidInput(f"{self.folder / table}.json: token {token!r} is missing; unpack the metadata again")
        return rows[token]


def named(row: Row, name: str) -> str:
    """The token in a field that may be missing, as text whatever it is; empty where there is none."""
    return str(row.get(name, ""))


def read_tables(folder: Path) -> Tables:
    """The tables in a folder such as v1.0-mini. Raises `InvalidInput` where one is missing or damaged."""
    missing = [name for name in NEEDED if not (folder / f"{name}.json").is_file()]
    if missing:
        raise InvalidInput(f"{folder}: {', '.join(missing)}.json is missing; unpack the metadata of nuScenes whole")
    sensors, calibrations = _by_token(folder, "sensor"), _by_token(folder, "calibrated_sensor")
    data, needed = _key_data(folder, calibrations, sensors)
    scenes, samples = _by_token(folder, "scene"), _by_token(folder, "sample")
    annotations = _by_token(folder, "sample_annotation")
    instances, names = _by_token(folder, "instance"), _by_token(folder, "category")
    where = str(folder / "instance.json")
    return Tables(
        folder,
        scenes,
        _in_order(folder, scenes, samples),
        data,
        calibrations,
        _by_token(folder, "ego_pose", needed),
        _grouped(annotations, f"{folder / 'sample_annotation'}.json"),
        annotations,
        {token: _category(names, row, where) for token, row in instances.items()},
        {token: number for number, token in enumerate(instances, start=1)},
        {token: field(row, "timestamp", int, f"{folder / 'sample'}.json") for token, row in samples.items()},
    )


def _rows(folder: Path, table: str) -> Iterator[Row]:
    return load_records(folder / f"{table}.json")


def _by_token(folder: Path, table: str, wanted: set[str] | None = None) -> dict[str, Row]:
    """The rows of a table, or those with the `wanted` tokens."""
    where = f"{folder / table}.json"
    rows = ((field(row, "token", str, where), row) for row in _rows(folder, table))
    return {token: row for token, row in rows if wanted is None or token in wanted}


def _key_data(folder: Path, calibrations: dict[str, Row], sensors: dict[str, Row]) -> tuple[dict, set[str]]:
    """The rows of sample_data that are key frames, by sample and channel, and the tokens of their poses."""
    channels = {
        token: sensors.get(named(row, "sensor_token"), {}).get("channel") for token, row in calibrations.items()
    }
    data: dict[str, dict[str, Row]] = {}
    poses: set[str] = set()
    where = f"{folder / 'sample_data'}.json"
    for row in _rows(folder, "sample_data"):
        channel = channels.get(field(row, "calibrated_sensor_token", str, where))
        if field(row, "is_key_frame", bool, where) and isinstance(channel, str):
            data.setdefault(field(row, "sample_token", str, where), {})[channel] = row
            poses.add(field(row, "ego_pose_token", str, where))
    return data, poses


def _in_order(folder: Path, scenes: dict[str, Row], samples: dict[str, Row]) -> list[Row]:
    where = f"{folder / 'sample'}.json"
    names = {token: str(row.get("name", token)) for token, row in scenes.items()}
    rows = [row for row in samples.values() if field(row, "scene_token", str, where) in names]
    return sorted(rows, key=lambda row: (names[row["scene_token"]], field(row, "timestamp", int, where)))


def _grouped(annotations: dict[str, Row], where: str) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for row in annotations.values():
        grouped.setdefault(field(row, "sample_token", str, where), []).append(row)
    return grouped


def _category(names: dict[str, Row], instance: Row, where: str) -> str:
    token = field(instance, "category_token", str, where)
    if token not in names:
        raise InvalidInput(f"{where}: category_token {token!r} is not in category.json; unpack the metadata again")
    return field(names[token], "name", str, where)
