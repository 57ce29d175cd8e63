import numpy as np
import pytest

from perception.kernels.clouds import (
    TIME_TYPES,
    azimuth_offsets,
    azimuth_offsets_reference,
    gather,
    gather_reference,
)


def views(raw: bytes, step: int, height: int, time_type) -> list[np.ndarray]:
    """x y z time as strided views of random bytes."""
    width = len(raw) // step // height

    def view(offset, dtype):
        return np.ndarray((height, width), dtype, raw, offset, (width * step, step))

    return [view(0, np.float32), view(4, np.float32), view(8, np.float32), view(12, time_type)]


def assert_equal(columns, reference, to_ns):
    for got, want in zip(gather(*columns, reference, to_ns), gather_reference(*columns, reference, to_ns)):
        assert np.array_equal(got, want)


@pytest.mark.parametrize("time_type", TIME_TYPES)
@pytest.mark.parametrize("step", [20, 22, 26, 48])
def test_kernel_equals_its_definition_on_random_bytes(time_type, step):
    raw = np.random.default_rng(step).integers(0, 256, step * 600).astype(np.uint8).tobytes()
    for height in (1, 20):
        columns = views(raw, step, height, time_type)
        assert_equal(columns, 0.0, 1.0)
        assert_equal(columns, 1e9, 1e3)


@pytest.mark.parametrize("time_type", TIME_TYPES)
def test_kernel_equals_its_definition_on_typical_sweeps(time_type):
    rng = np.random.default_rng(0)
    dtype = np.dtype([("x", "f4"), ("y", "f4"), ("z", "f4"), ("t", time_type)])
    records = np.zeros(4000, dtype)
    for name in "xyz":
        records[name] = rng.normal(size=4000) * 30
        records[name][rng.random(4000) < 0.1] = rng.choice([0.0, np.nan, np.inf, -np.inf])
    records["t"] = np.arange(4000) * (25_000 if time_type == np.uint32 else 2.5e-5)
    columns = views(records.tobytes(), dtype.itemsize, 40, time_type)
    assert_equal(columns, 0.0, 1.0 if time_type == np.uint32 else 1e9)


def test_kernel_equals_its_definition_on_nothing_and_on_nothing_usable():
    assert_equal([np.zeros((1, 0), np.float32)] * 4, 0.0, 1e9)
    for raw in (bytes(20 * 7), np.full(5 * 7, np.nan, np.float32).tobytes()):
        assert_equal(views(raw, 20, 1, np.float32), 0.0, 1e9)


def test_points_with_a_wild_time_are_left_out_and_counted():
    columns = [np.ones((1, 4), np.float32)] * 3 + [np.array([[0.0, 0.05, np.nan, 1e9]])]
    points, offsets, num_wild = gather_reference(*columns, 0.0, 1e9)
    assert (len(points), offsets.tolist(), num_wild) == (2, [0, 50_000_000], 2)
    assert_equal(columns, 0.0, 1e9)


def test_azimuth_kernel_equals_its_definition():
    rng = np.random.default_rng(0)
    axes = np.array([[-1, 0, 0], [-1, -0.0, 0], [0, 0, 1], [1, 0, 0], [0, 1, 0], [0, -1, 0]])
    points = np.vstack([axes, rng.normal(size=(3000, 3)) * 40, rng.normal(size=(50, 3)) * 1e30]).astype(np.float32)
    for sample in (points, points[:0]):
        kernel, reference = azimuth_offsets(sample, 100_000_000), azimuth_offsets_reference(sample, 100_000_000)
        assert np.abs(kernel - reference).max(initial=0) <= 2
    assert azimuth_offsets(points, 100_000_000)[:4].tolist() == [0, 100_000_000, 50_000_000, 50_000_000]
