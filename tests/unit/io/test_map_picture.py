"""Maps as pictures: what lies where, whatever the size."""

import cv2
import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.io.map_picture import COLOURS, LOOPS, MAX_SIDE, PATHS, draw_map, picture_of, write_picture
from perception.io.maps import map_grid
from slam.maps.folder import MapFolder
from slam.maps.grid import FREE, OCCUPIED, UNKNOWN, FloorGrid
from tests.unit.slam.rooms import room_map

NO_LOOPS = np.zeros((0, 2, 2))
NO_FLOOR = FloorGrid(0.1, np.zeros(2), np.full((1, 1), UNKNOWN, dtype=np.int8))


def share(picture, colour):
    return (picture == colour).all(axis=2).mean()


def test_a_room_is_white_within_dark_walls_with_its_path(tmp_path):
    room_map(tmp_path / "room", 8)
    folder = MapFolder(tmp_path / "room")
    picture = picture_of(folder, map_grid(folder))
    assert 0.5 < share(picture, COLOURS[FREE]) < 0.8  # 20 x 12 m of 24 x 16 m
    assert share(picture, COLOURS[OCCUPIED]) > 0.01
    assert share(picture, PATHS[0]) > 0.0005
    write_picture(tmp_path / "room.png", picture)
    assert np.array_equal(cv2.imread(str(tmp_path / "room.png"))[:, :, ::-1], picture)


def test_up_is_the_y_axis_of_the_map():
    cells = np.full((40, 80), FREE, dtype=np.int8)
    cells[30:] = OCCUPIED  # y of 6 to 8 m, x of 0 to 16 m
    picture = draw_map(FloorGrid(0.2, np.zeros(2), cells), [np.array([[1.0, 1.0], [15.0, 1.0]])], NO_LOOPS)
    rows = np.flatnonzero((picture == COLOURS[OCCUPIED]).all(axis=2).any(axis=1))
    path = np.flatnonzero((picture == PATHS[0]).all(axis=2).any(axis=1))
    assert rows.max() < path.min()


def test_a_thin_wall_of_a_large_map_stays_visible():
    cells = np.full((6000, 200), FREE, dtype=np.int8)
    cells[:, 100] = OCCUPIED
    picture = draw_map(FloorGrid(0.1, np.zeros(2), cells), [np.array([[1.0, 1.0], [1.0, 590.0]])], NO_LOOPS)
    assert max(picture.shape[:2]) <= MAX_SIDE + 1
    assert ((picture == COLOURS[OCCUPIED]).all(axis=2).any(axis=1)).mean() > 0.9


def test_without_a_floor_there_are_paths_and_loops():
    paths = [np.array([[0.0, 0.0], [300.0, 0.0]]), np.array([[0.0, 40.0], [300.0, 40.0]])]
    picture = draw_map(NO_FLOOR, paths, np.array([[[150.0, 0.0], [150.0, 40.0]]]))
    assert share(picture, LOOPS) > 0.0 and all(share(picture, colour) > 0.0 for colour in PATHS[:2])


def test_an_empty_map_is_refused():
    with pytest.raises(InvalidInput, match="no keyframe"):
        draw_map(NO_FLOOR, [], NO_LOOPS)
