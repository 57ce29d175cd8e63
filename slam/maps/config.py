"""Configuration of saved maps and of what is made of them."""

from pydantic import Field

from perception.core.config import Config


class KeyframeConfig(Config):
    """How keyframes are kept."""

    cloud_resolution: float = Field(
        0.005, ge=0.0, le=0.1, description="Clouds are kept in 16 bit steps of at least this (m); 0: as float32."
    )
    compression: int = Field(3, ge=1, le=19, description="Level of zstd.")
    is_durable: bool = Field(True, description="Wait for the disk at each keyframe, so that a power failure costs one.")
    cache_mb: int = Field(128, ge=1, le=65536, description="Clouds kept in memory (MB).")


class GridConfig(Config):
    """The 2D occupancy grid."""

    resolution: float = Field(0.1, ge=0.01, le=5.0, description="Edge of a cell (m).")
    min_height: float = Field(0.2, ge=-100.0, le=100.0, description="Points lower over the base (m) are ground.")
    max_height: float = Field(2.0, ge=-100.0, le=100.0, description="Points higher over the base (m) do not matter.")
    max_range: float = Field(40.0, ge=1.0, le=500.0, description="Rays count up to here (m).")
    hit_weight: int = Field(3, ge=1, le=1000, description="A hit counts so many times a ray that passes.")
    occupied: float = Field(0.55, gt=0.0, le=1.0, description="Cells of a greater share of hits are occupied.")
    free: float = Field(0.25, ge=0.0, lt=1.0, description="Cells of a smaller share are free.")
    tile_cells: int = Field(256, ge=16, le=4096, description="Edge of a tile in cells; tiles are what is on the disk.")
    cache_mb: int = Field(64, ge=1, le=65536, description="Tiles kept in memory (MB).")
    max_cells: int = Field(
        64_000_000, ge=1_000_000, le=1_000_000_000, description="A larger grid is put together in larger cells."
    )
    min_shift: float = Field(0.02, ge=0.0, le=10.0, description="Keyframes that moved farther (m) are drawn anew.")
    min_turn_deg: float = Field(0.2, ge=0.0, le=90.0, description="The same for a turn (deg).")


class CleanConfig(Config):
    """Removal of what moved, by free space that other keyframes saw there."""

    voxel_size: float = Field(0.3, ge=0.05, le=5.0, description="Edge of a voxel (m).")
    max_range: float = Field(40.0, ge=1.0, le=500.0, description="Rays count up to here (m).")
    margin: float = Field(0.6, ge=0.0, le=10.0, description="The last part (m) of a ray clears nothing.")
    min_passes: int = Field(3, ge=1, le=10000, description="Keyframes whose rays pass a voxel that is cleared.")
    passes_per_hit: float = Field(3.0, ge=0.1, le=1000.0, description="And so many for each that hit something in it.")
    radius: float = Field(40.0, ge=1.0, le=1000.0, description="Keyframes so near (m) are compared with each other.")
    max_keyframes: int = Field(200, ge=2, le=100000, description="The most that are compared with one, nearest first.")


class MapsConfig(Config):
    """Saved maps."""

    keyframes: KeyframeConfig = Field(default_factory=KeyframeConfig, description="Files of keyframes.")
    grid: GridConfig = Field(default_factory=GridConfig, description="2D occupancy grid.")
    clean: CleanConfig = Field(default_factory=CleanConfig, description="Removal of moving objects.")
