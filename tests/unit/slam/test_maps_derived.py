"""What is made of maps: the occupancy grid, cleaned clouds, merged maps, files of other programs."""

import numpy as np
import pytest
import yaml

import slam.maps.grid
import slam.maps.tiles
from perception.core.errors import InvalidInput, MapError
from perception.core.geometry import exp_so3, inverse, transform
from perception.io.maps import export, map_grid
from perception.io.pcd import read_pcd
from perception.io.ply import read_ply
from perception.io.trajectories import read_trajectory
from slam.graph.factors import information_of
from slam.graph.g2o import read_g2o
from slam.maps.arrays import write_arrays
from slam.maps.clean import cleaned_keyframes, moving_points
from slam.maps.config import CleanConfig, GridConfig
from slam.maps.folder import MapFolder
from slam.maps.grid import FREE, OCCUPIED, UNKNOWN, OccupancyTiles
from slam.maps.merge import MapLoop, merge
from tests.unit.slam.rooms import room_map, seen, truth

GRID = GridConfig(tile_cells=32, max_range=25.0)


def value_at(grid, x, y):
    column, row = np.floor((np.array([x, y]) - grid.origin) / grid.resolution).astype(int)
    height, width = grid.cells.shape
    return grid.cells[row, column] if 0 <= row < height and 0 <= column < width else UNKNOWN


def same(a, b):
    return np.allclose(a.origin, b.origin) and np.array_equal(a.cells, b.cells)


@pytest.fixture(scope="module")
def room(tmp_path_factory):
    path = tmp_path_factory.mktemp("maps") / "room"
    room_map(path)
    return path


def test_walls_are_occupied_the_floor_is_free_and_beyond_nothing_is_known(room, tmp_path):
    tiles = OccupancyTiles(MapFolder(room), GRID, tmp_path / "grid")
    assert tiles.update(*MapFolder(room).poses()) == 16
    grid = tiles.grid()
    for y in (-4.0, 0.05, 4.0):
        assert value_at(grid, 10.02, y) == OCCUPIED or value_at(grid, 9.95, y) == OCCUPIED
    for x in (-6.0, 0.0, 6.0):
        assert value_at(grid, x, 0.0) == FREE
    assert value_at(grid, 11.5, 0.0) == UNKNOWN


def test_after_a_loop_the_grid_is_the_one_that_drawing_anew_gives(room, tmp_path):
    folder = MapFolder(room)
    ids, poses = folder.poses()
    tiles = OccupancyTiles(folder, GRID, tmp_path / "a")
    tiles.update(ids[:10], poses[:10])
    moved = poses.copy()
    moved[4:] = transform(exp_so3(np.array([0.0, 0.0, 0.1])), np.array([0.4, -0.3, 0.0])) @ moved[4:]
    assert tiles.update(ids, moved) == 12  # four have not moved
    assert tiles.update(ids, moved) == 0
    fresh = OccupancyTiles(folder, GRID, tmp_path / "b")
    fresh.update(ids, moved)
    assert same(tiles.grid(), fresh.grid())
    again = OccupancyTiles(folder, GRID, tmp_path / "a")  # from the disk
    assert again.update(ids, moved) == 0
    assert same(again.grid(), fresh.grid())
    (tmp_path / "a" / "busy").write_bytes(b"")  # as an end in the middle of an update leaves it
    assert OccupancyTiles(folder, GRID, tmp_path / "a").update(ids, moved) == 16
    (tmp_path / "a" / "drawn.pma").write_bytes(b"")  # as a power failure may leave what does not wait for the disk
    again = OccupancyTiles(folder, GRID, tmp_path / "a")
    assert again.update(ids, moved) == 16
    assert same(again.grid(), fresh.grid())


def test_a_damaged_tile_or_cloud_costs_neither_the_grid_nor_the_rest_of_it(tmp_path):
    room_map(tmp_path / "map", 6)
    folder = MapFolder(tmp_path / "map")
    ids, poses = folder.poses()[:2]
    whole = OccupancyTiles(folder, GRID, tmp_path / "a")
    whole.update(ids, poses)
    tile = next((tmp_path / "a" / "tiles").glob("*.pma"))
    for damage in (b"", tile.read_bytes()[:-9]):
        tile.write_bytes(damage)
        tiles = OccupancyTiles(folder, GRID, tmp_path / "a")
        assert tiles.update(ids, poses) == 0 and same(tiles.grid(), whole.grid())
        assert sum(tiles.counts.values()) == 1
    tile.write_bytes(b"")
    moved = poses @ transform(np.eye(3), np.array([1.0, 0.0, 0.0]))
    tiles, fresh = OccupancyTiles(folder, GRID, tmp_path / "a"), OccupancyTiles(folder, GRID, tmp_path / "b")
    assert tiles.update(ids, moved) == 6 == fresh.update(ids, moved) and same(tiles.grid(), fresh.grid())
    folder = MapFolder(tmp_path / "map")  # keeps no clouds in memory yet
    (folder.path / folder.keyframes[3].file).write_bytes(b"")
    tiles, rest = OccupancyTiles(folder, GRID, tmp_path / "c"), OccupancyTiles(folder, GRID, tmp_path / "d")
    tiles.update(ids, poses)
    rest.update(np.delete(ids, 3), np.delete(poses, 3, axis=0))
    assert same(tiles.grid(), rest.grid()) and tiles.counts["clouds of the grid that cannot be read"] == 1


@pytest.mark.parametrize("is_clearing", [True, False])
def test_after_a_full_disk_the_grid_is_right_again(room, tmp_path, monkeypatch, is_clearing):
    folder = MapFolder(room)
    ids, poses = folder.poses()
    fresh, tiles = OccupancyTiles(folder, GRID, tmp_path / "a"), OccupancyTiles(folder, GRID, tmp_path / "b")
    tiles.update(ids, poses)
    tiles.tiles.max_bytes = 0  # every tile goes to the disk at once
    moved = transform(np.eye(3), np.array([0.5, 0.0, 0.0])) @ poses
    fresh.update(ids, moved)
    written = []

    def write(path, arrays, meta, is_durable):
        written.append(path)
        if len(written) > 10:
            raise MapError(f"{path}: cannot be written (no space left); make room on the disk")
        write_arrays(path, arrays, meta, is_durable=is_durable)

    def refuse(path, **kwargs):
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(slam.maps.tiles, "write_arrays", write)
        with pytest.raises(MapError, match="no space left"):
            tiles.update(ids, moved)
        if not is_clearing:
            patch.setattr(slam.maps.tiles.Path, "unlink", refuse)
            with pytest.raises(MapError, match="allow writing"):
                tiles.update(ids, moved)
    assert tiles.update(ids, moved) == len(ids)
    assert same(tiles.grid(), fresh.grid())


def test_a_disk_that_may_not_be_written_is_told_of(room, tmp_path, monkeypatch):
    folder = MapFolder(room)
    tiles = OccupancyTiles(folder, GRID, tmp_path / "grid")

    def refuse(path, data, is_durable):
        raise OSError(30, "Read-only file system", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(slam.maps.grid, "write_atomic", refuse)
        with pytest.raises(MapError, match="Read-only file system"):
            tiles.update(*folder.poses())
    assert tiles.update(*folder.poses()) == 16


def test_only_tiles_that_have_changed_are_read_for_the_next_grid(room, tmp_path, monkeypatch):
    folder = MapFolder(room)
    ids, poses = folder.poses()
    config = GridConfig(tile_cells=32, max_range=6.0)
    tiles, fresh = OccupancyTiles(folder, config, tmp_path / "a"), OccupancyTiles(folder, config, tmp_path / "b")
    tiles.update(ids, poses)
    tiles.grid()
    read, tile = [], tiles.tiles.tile
    monkeypatch.setattr(tiles.tiles, "tile", lambda key: read.append(key) or tile(key))
    moved = poses.copy()
    moved[0, 0, 3] += 0.5
    assert tiles.update(ids, moved) == 1
    fresh.update(ids, moved)
    assert same(tiles.grid(), fresh.grid())
    assert 0 < len(read) < len(tiles.tiles.keys())


def test_a_grid_beyond_the_bound_is_put_together_in_larger_cells(room, tmp_path):
    folder = MapFolder(room)
    ids, poses = folder.poses()
    small = GRID.model_copy(update={"max_cells": 2000})
    tiles, whole = OccupancyTiles(folder, small, tmp_path / "a"), OccupancyTiles(folder, GRID, tmp_path / "b")
    for count in (4, 16):  # the second in a larger box
        tiles.update(ids[:count], poses[:count])
        whole.update(ids[:count], poses[:count])
        coarse, fine = tiles.grid(), whole.grid()
        assert coarse.cells.size <= 2000 < fine.cells.size
        at = fine.origin + (np.argwhere(fine.cells == OCCUPIED)[:, ::-1] + 0.5) * fine.resolution
        assert all(value_at(coarse, x, y) == OCCUPIED for x, y in at)
        assert (coarse.cells == OCCUPIED).sum() <= len(at)


def test_tiles_beyond_the_bound_are_on_the_disk_and_change_nothing(room, tmp_path):
    folder = MapFolder(room)
    small, large = GRID.model_copy(update={"cache_mb": 1, "tile_cells": 256, "resolution": 0.02}), None
    small = GridConfig(tile_cells=256, resolution=0.02, max_range=12.0, cache_mb=1)
    large = GridConfig(tile_cells=256, resolution=0.02, max_range=12.0, cache_mb=500)
    grids = []
    for name, config in (("small", small), ("large", large)):
        tiles = OccupancyTiles(folder, config, tmp_path / name)
        tiles.update(*(part[:3] for part in folder.poses()))
        assert tiles.tiles.num_bytes <= config.cache_mb * (1 << 20)
        grids.append(tiles.grid())
    assert same(*grids)


def test_what_moved_is_removed_and_what_stands_stays(room):
    folder = MapFolder(room)
    moved = moving_points(folder, CleanConfig(voxel_size=0.25, radius=15.0))
    is_mover = {i: seen(truth(16)[i], i)[1] for i in range(16)}
    removed = sum(int((moved[i] & is_mover[i]).sum()) for i in moved)
    false = sum(int((moved[i] & ~is_mover[i]).sum()) for i in moved)
    movers, others = (sum(int(m.sum()) for m in is_mover.values()), sum(int((~m).sum()) for m in is_mover.values()))
    assert movers > 200
    assert removed > 0.65 * movers  # what touches the ground or was passed by too few rays stays
    assert false < 0.01 * others
    kept = list(cleaned_keyframes(folder, moved))
    assert [len(k.points) for k in kept] == [int((~moved[k.keyframe_id]).sum()) for k in kept]


def test_a_map_is_exported_to_what_other_programs_read(room, tmp_path):
    folder = MapFolder(room)
    assert "points" in export(folder, tmp_path / "a.pcd", "pcd", 0.2)
    export(folder, tmp_path / "a.ply", "ply", 0.2)
    clouds = [
        np.stack([c["x"], c["y"], c["z"]], axis=1) for c in (read_pcd(tmp_path / "a.pcd"), read_ply(tmp_path / "a.ply"))
    ]
    assert np.array_equal(*clouds) and len(clouds[0]) > 1000
    assert (clouds[0].min(axis=0) > [-10.02, -6.02, -0.02]).all() and (
        clouds[0].max(axis=0) < [10.02, 6.02, 3.02]
    ).all()
    export(folder, tmp_path / "a.tum", "tum")
    assert np.abs(read_trajectory(tmp_path / "a.tum").poses - folder.poses()[1]).max() < 1e-8
    export(folder, tmp_path / "a.g2o", "g2o")
    graph = read_g2o(tmp_path / "a.g2o")
    assert len(graph.edges) == 15 and len(graph.poses) == 16
    export(folder, tmp_path / "floor", "grid")
    card = yaml.safe_load((tmp_path / "floor.yaml").read_text())
    magic, size, depth, picture = (tmp_path / "floor.pgm").read_bytes().split(b"\n", 3)
    width, height = map(int, size.split())
    assert (magic, depth) == (b"P5", b"255") and len(picture) == width * height
    grid = map_grid(folder)
    picture = np.frombuffer(picture, np.uint8).reshape(height, width)[::-1]
    assert np.array_equal(picture == 0, grid.cells == OCCUPIED) and np.array_equal(picture == 254, grid.cells == FREE)
    assert card["image"] == "floor.pgm" and card["resolution"] == 0.1 and np.allclose(card["origin"][:2], grid.origin)
    free, unknown = (255 - 254) / 255, (255 - 205) / 255  # as map_server reads them
    assert free < card["free_thresh"] <= unknown < card["occupied_thresh"]
    with pytest.raises(InvalidInput, match="format"):
        export(folder, tmp_path / "x", "dxf")


def merged_room(tmp_path, **given):
    pytest.importorskip("gtsam", reason="maps are merged by the pose graph")

    T = transform(exp_so3(np.array([0.0, 0.0, 0.7])), np.array([30.0, -12.0, 0.0]))
    a, b = room_map(tmp_path / "a", 8), room_map(tmp_path / "b", 10, T_map_room=T)
    result = merge(MapFolder(tmp_path / "a"), MapFolder(tmp_path / "b"), tmp_path / "both", **given)
    return result, a, b, MapFolder(tmp_path / "both"), inverse(T)


def loop_between(i, j, error=0.0):
    T = inverse(truth(8)[i]) @ truth(10)[j] @ transform(np.eye(3), np.array([error, 0.0, 0.0]))
    return MapLoop(i, j, T, information_of(0.05, 0.01))


def test_maps_are_merged_by_loops_and_a_wrong_loop_does_not_count(tmp_path):
    loops = [loop_between(2, 3), loop_between(5, 5), loop_between(1, 7, error=6.0)]
    result, a, b, both, T_a_b = merged_room(tmp_path, loops=loops)
    assert result.num_keyframes == len(both) == 18
    assert result.num_loops == 2 and len(result.undone) == 1
    poses = both.poses()[1]
    assert np.abs(poses - np.concatenate([a, T_a_b @ b])).max() < 0.02
    assert not both.problems()
    assert len({entry.factor_id for entry in both.entries()}) == len(list(both.entries()))


def test_maps_are_merged_by_a_given_pose(tmp_path):
    T = transform(exp_so3(np.array([0.0, 0.0, -0.7])), np.array([1.0, 2.0, 0.0]))
    result, a, b, both, _ = merged_room(tmp_path, T_first_second=T)
    assert result.num_loops == 0 and not result.undone
    assert np.abs(both.poses()[1] - np.concatenate([a, T @ b])).max() < 1e-3


def test_maps_that_nothing_joins_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="--pose or --loops"):
        merged_room(tmp_path)


def test_a_loop_to_a_keyframe_that_is_not_there_is_refused_by_its_number(tmp_path):
    with pytest.raises(InvalidInput, match="keyframe 99 is not in the second map"):
        merged_room(tmp_path, loops=[MapLoop(0, 99, np.eye(4), np.eye(6))])
