"""A sigmoid may answer a little more than 1; that is no broken network."""

import numpy as np
import pytest

from perception.core.errors import InvalidInput
from perception.lines.config import RegionsConfig
from perception.lines.segments import segments_from_maps


def maps() -> tuple[np.ndarray, np.ndarray]:
    """A horizontal line two pixels wide, in maps of heat and direction."""
    heat, angle = np.zeros((32, 48), dtype=np.float32), np.zeros((32, 48), dtype=np.float32)
    heat[15:17, 4:44], angle[15:17, 4:44] = 1.0, 1.0
    return heat, angle


def test_maps_that_exceed_one_by_rounding_are_taken_as_they_are():
    wanted = segments_from_maps(*maps(), RegionsConfig())
    for row in range(2):
        given = maps()
        given[row][15, 20] = np.nextafter(np.float32(1.0), np.float32(2.0))  # what ONNX Runtime answered for a photo
        found = segments_from_maps(*given, RegionsConfig())
        assert len(found) == len(wanted) == 1
        np.testing.assert_allclose(found.segments, wanted.segments, atol=1e-4)


@pytest.mark.parametrize("value", [1.001, -0.001, np.nan, np.inf])
def test_maps_that_exceed_one_by_more_are_refused(value: float):
    for row in range(2):
        given = maps()
        given[row][3, 3] = value
        with pytest.raises(InvalidInput, match="outside 0 to 1"):
            segments_from_maps(*given, RegionsConfig())
