import numpy as np
import pytest

from perception.kernels.lzf import BROKEN, decompress, decompress_reference


def packed(rng: np.random.Generator, length: int) -> np.ndarray:
    """A valid stream of random literals and back references that unpacks to at least `length` bytes."""
    out, written = bytearray(), 0
    while written < length:
        if written < 8 or rng.random() < 0.4:
            run = int(rng.integers(1, 33))
            out += bytes([run - 1]) + rng.integers(0, 256, run).astype(np.uint8).tobytes()
            written += run
            continue
        copied, back = int(rng.integers(3, 265)), int(rng.integers(1, min(written, 8192) + 1)) - 1
        head = min(copied - 2, 7) << 5 | back >> 8
        out += bytes([head, *([copied - 9] if copied >= 9 else []), back & 255])
        written += copied
    return np.frombuffer(bytes(out), np.uint8)


def both(data: np.ndarray, room: int) -> tuple[int, np.ndarray]:
    first, second = np.zeros(room, np.uint8), np.zeros(room, np.uint8)
    size = decompress(data, first)
    assert size == decompress_reference(data, second)
    assert size == BROKEN or np.array_equal(first[:size], second[:size])
    return size, first


@pytest.mark.parametrize("length", [1, 40, 5000, 60_000])
def test_kernel_equals_its_definition_on_valid_streams(length):
    size, _ = both(packed(np.random.default_rng(length), length), length + 300)
    assert size >= length


def test_a_run_that_overlaps_itself_repeats():
    size, out = both(np.array([0, 65, 5 << 5, 0], np.uint8), 20)
    assert (size, bytes(out[:size])) == (8, b"AAAAAAAA")


def test_nothing_unpacks_to_nothing():
    assert both(np.zeros(0, np.uint8), 0)[0] == 0


def test_broken_and_random_streams_give_the_same_verdict():
    rng = np.random.default_rng(3)
    verdicts = [both(rng.integers(0, 256, rng.integers(1, 60)).astype(np.uint8), 400)[0] for _ in range(500)]
    assert BROKEN in verdicts
    for data in ([5], [0x20], [0xE0, 1], [0x20, 0]):
        assert both(np.array(data, np.uint8), 100)[0] == BROKEN
    assert both(np.array([1, 65, 66], np.uint8), 1)[0] == BROKEN
