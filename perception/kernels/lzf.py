"""LZF decompression, which PCD files of kind binary_compressed use.

Source: the format of Marc Lehmann's LibLZF. A control byte below 32 starts a run of literals, any other one copies
from what was written before; `decompress_reference` is the definition of the kernel.
"""

import numpy as np
from numba import njit

BROKEN = -1  # returned in place of a length when the data is no LZF or does not fit


def decompress_reference(data: np.ndarray, out: np.ndarray) -> int:
    """Unpack `data` (N,) uint8 into `out` (M,) uint8; returns the number of bytes written, or `BROKEN`."""
    written, position = bytearray(), 0
    source = data.tobytes()
    try:
        while position < len(source):
            control = source[position]
            position += 1
            if control < 32:
                run = source[position : position + control + 1]
                if len(run) != control + 1:
                    return BROKEN
                written += run
                position += control + 1
                continue
            length = control >> 5
            if length == 7:
                length += source[position]
                position += 1
            start = len(written) - ((control & 31) << 8) - source[position] - 1
            position += 1
            if start < 0:
                return BROKEN
            for index in range(start, start + length + 2):
                written.append(written[index])
    except IndexError:
        return BROKEN
    if len(written) > len(out):
        return BROKEN
    out[: len(written)] = np.frombuffer(bytes(written), np.uint8)
    return len(written)


@njit(nogil=True, cache=True)
def decompress(data, out):  # type: ignore[no-untyped-def]
    """The same as `decompress_reference`; `out` is undefined where the data is broken."""
    size, room = len(data), len(out)
    position, written = 0, 0
    while position < size:
        control = np.int64(data[position])
        position += 1
        if control < 32:
            if position + control + 1 > size or written + control + 1 > room:
                return BROKEN
            for _ in range(control + 1):
                out[written] = data[position]
                written += 1
                position += 1
            continue
        length = control >> 5
        if length == 7:
            if position >= size:
                return BROKEN
            length += np.int64(data[position])
            position += 1
        if position >= size:
            return BROKEN
        start = written - ((control & 31) << 8) - np.int64(data[position]) - 1
        position += 1
        if start < 0 or written + length + 2 > room:
            return BROKEN
        for index in range(start, start + length + 2):
            out[written] = out[index]
            written += 1
    return written


def warm_up() -> None:
    """Compile `decompress`."""
    data = np.frombuffer(bytes([0, 1]), dtype=np.uint8)
    decompress(data, np.zeros(1, dtype=np.uint8))
