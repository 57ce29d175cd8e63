"""The occupancy grid of a map that is open, drawn scan by scan beside everything else."""

from pathlib import Path
from tempfile import TemporaryDirectory

from perception.core.errors import MapError
from perception.core.health import OK, Health, Level
from perception.core.stamps import NS_PER_S
from perception.mapping.pose_table import PoseTable
from perception.mapping.types import MapGrid
from slam.maps.folder import MapFolder
from slam.maps.grid import OccupancyTiles

DRAWN_AT_ONCE = 20  # keyframes that are drawn between two scans
SCRATCH = "perception-grid-"  # begins the names of temporary tiles


class GridDrawing:
    """Draws what is new or has moved. What goes wrong with it costs the grid, never the pose in the map."""

    def __init__(self, folder: MapFolder, poses: PoseTable, period: float, is_kept: bool) -> None:
        """`period` (s) is the least between two grids. `is_kept`: tiles lie in the map; else they are temporary."""
        self._folder, self._poses, self._period_ns = folder, poses, round(period * NS_PER_S)
        self._is_kept = is_kept
        self._scratch: TemporaryDirectory[str] | None = None
        self._tiles: OccupancyTiles | None = None
        self._tried_ns: int | None = None  # when the last grid was handed out, or could not be
        self._is_news = True
        self.health = OK

    @property
    def counts(self) -> dict[str, int]:
        """What the grid goes without, and how often it began anew."""
        return dict(self._tiles.counts) if self._tiles is not None else {}

    def add(self, stamp_ns: int) -> list[tuple[str, object]]:
        """Draw some keyframes; `map_grid` when all are drawn and its time has come."""
        if self._tried_ns is not None and 0 <= stamp_ns - self._tried_ns < self._period_ns:
            return []
        return self._tried(stamp_ns, DRAWN_AT_ONCE)

    def finish(self) -> list[tuple[str, object]]:
        """The whole grid, unless it is the one that was handed out last."""
        return self._tried(int(self._poses.stamps_ns[-1]), None) if len(self._poses) else []

    def notes(self) -> tuple[str, ...]:
        """Why there is no newer grid."""
        return (self.health.reason,) if self.health.reason else ()

    def close(self) -> None:
        """Remove what is temporary."""
        if self._scratch is not None:
            self._scratch.cleanup()

    def _tried(self, stamp_ns: int, limit: int | None) -> list[tuple[str, object]]:
        try:
            return self._drawn(stamp_ns, limit)
        except MapError as error:  # nothing else waits for room on the disk
            self._tried_ns, self.health = stamp_ns, Health(Level.DEGRADED, f"grid: {error}")
            return []

    def _drawn(self, stamp_ns: int, limit: int | None) -> list[tuple[str, object]]:
        if not len(self._poses):
            return []
        tiles = self._tiles = self._tiles or OccupancyTiles(self._folder, place=self._place())
        self._is_news |= tiles.update(self._poses.ids, self._poses.poses, limit) > 0
        if tiles.num_waiting or not self._is_news:
            return []
        grid = tiles.grid()
        self._tried_ns, self._is_news, self.health = stamp_ns, False, OK
        return [("map_grid", MapGrid(stamp_ns, grid))]

    def _place(self) -> Path | None:
        if self._is_kept:
            return None
        try:
            self._scratch = self._scratch or TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True)
        except OSError as error:
            raise MapError(f"no temporary folder for the grid ({error}); set TMPDIR to one with room") from None
        return Path(self._scratch.name)
