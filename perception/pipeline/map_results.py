"""Where the map of a replay goes, what is measured of it, and the files for people beside it."""

from pathlib import Path
from typing import Any

import numpy as np

from perception.core.config import changed
from perception.core.errors import ConfigError
from perception.evaluation.map_report import MapView
from perception.evaluation.trajectory import TrajectoryErrors
from perception.io.map_picture import picture_of, write_picture
from perception.io.maps import map_grid, write_grid
from perception.io.trajectories import write_tum
from perception.pipeline.config import PerceptionConfig
from perception.pipeline.map_run import MapRun
from slam.maps.card import CARD
from slam.maps.folder import JOURNAL, MapFolder

FOLDER, TRAJECTORY, GRID, PICTURE = "map", "map.tum", "map.pgm", "map.png"


def placed(config: PerceptionConfig, out: Path) -> PerceptionConfig:
    """The configuration with the folder of the map: `out`/map where none is named, and there must be nothing yet.

    Raises `ConfigError`.
    """
    mapping = config.mapping
    if not mapping.is_enabled:
        return config
    if mapping.folder:
        return changed(config, {"mapping.folder": str(Path(mapping.folder).resolve())})
    if mapping.mode == "localization":
        raise ConfigError("mapping.folder: is empty, there is no map to localize in; give --map MAP")
    folder = out.resolve() / FOLDER
    if folder.exists():
        raise ConfigError(f"{folder}: is there already; go on in it with --map {folder}, or give another --out")
    return changed(config, {"mapping.folder": str(folder)})


def map_state(folder: Path | str) -> str:
    """What tells whether a map has changed: its number and the length of its journal; empty where there is none."""
    if not folder or not (Path(folder) / CARD).exists():
        return ""
    return f"{MapFolder(Path(folder)).card.map_id} {(Path(folder) / JOURNAL).stat().st_size}"


def map_metrics(run: MapRun, errors: TrajectoryErrors | None, odometry: TrajectoryErrors | None) -> dict[str, Any]:
    """The section `mapping` of metrics.json; position errors only where there is a reference."""
    metrics = run.to_json()
    if errors is not None and odometry is not None:
        metrics["ape_odometry_m"] = odometry.ape_translation.rmse
        metrics["ape_map_m"] = errors.ape_translation.rmse
        metrics["accuracy"] = errors.to_json()
    return metrics


def write_map_files(out: Path, run: MapRun) -> np.ndarray | None:
    """Write map.tum, the floor (map.pgm, map.yaml) and map.png; returns the picture (H, W, 3), if there is one."""
    if len(run.trajectory):
        write_tum(out / TRAJECTORY, run.trajectory)
    folder = MapFolder(Path(run.config.folder)) if run.config.folder else None
    if folder is None or not len(folder):
        return None
    grid = map_grid(folder, out) if run.grid is None else run.grid
    if run.config.mode == "mapping":
        write_grid(out / GRID, grid)
        picture = picture_of(folder, grid)
    else:
        picture = picture_of(folder, grid, run.trajectory.poses[:, :2, 3])
    write_picture(out / PICTURE, picture)
    return picture


def map_view(run: MapRun, picture: np.ndarray | None, errors: TrajectoryErrors | None) -> MapView:
    """The map as the report shows it."""
    return MapView(run.trajectory, run.loop_places(), picture, errors, run.to_json()["refused"])


def told(metrics: dict[str, Any]) -> list[str]:
    """The few sentences that people read first."""
    refused = sum(metrics["refused"].values())
    kept = f"{metrics['loops']} loops closed, {metrics['undone']} undone, {refused} revisits refused"
    if metrics["mode"] == "localization":
        lines = [f"localization: {metrics['scans_with_place']} scans have a place in the map"]
    else:
        lines = [f"map: {metrics['keyframes']} keyframes ({metrics['keyframes_in_map']} in the map), {kept}"]
    if metrics["wait_s"] is None:
        lines.append("map: its place in the map was never known")
    if "ape_map_m" in metrics:
        lines.append(
            f"map against the reference: APE {metrics['ape_map_m']:.3f} m (odometry {metrics['ape_odometry_m']:.3f} m)"
        )
    return lines
