"""Run-length codes of masks, as COCO and YouTube-VIS files hold them.

A mask (H, W) is read column by column; its counts are the lengths of the runs of 0 and 1 in turn, beginning with 0
(a first count of 0 says that the mask begins with 1). In the compressed form each count from the fourth on is written
as its difference to the count two before it, in groups of five bits, lowest group first, each group as one character:
48 + group + 32 where another group of the same number follows. The last group is extended by its sign. Format: the
mask API of T.-Y. Lin and P. Dollar, "Microsoft COCO", ECCV 2014.
"""

import numpy as np
from numba import njit

FIRST_CHARACTER = 48
GROUP_BITS = 5
MORE, SIGN, LOW = 0x20, 0x10, 0x1F  # flags and value bits of one group
DELTA_FROM = 3  # counts before it are written as they are
MAX_GROUPS = 7  # of one count: 35 bits, a run is shorter than 2^32
BROKEN = -1


def encode(mask: np.ndarray) -> np.ndarray:
    """Counts (K,) int64 of a mask (H, W) bool or of any integers, 0: outside."""
    flat = (np.asarray(mask).T != 0).ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    bounds = np.concatenate([[0], changes, [flat.size]])
    counts = np.diff(bounds)
    starts_inside = flat.size > 0 and flat[0]
    return np.concatenate([[0], counts] if starts_inside else [counts]).astype(np.int64)


def decode(counts: np.ndarray, height: int, width: int) -> np.ndarray | None:
    """The mask (height, width) bool of its counts; None where they are negative or do not fill it exactly."""
    counts = np.asarray(counts, dtype=np.int64)
    if (counts < 0).any() or (counts > height * width).any() or counts.sum() != height * width:
        return None
    inside = np.arange(len(counts)) % 2 == 1
    return np.repeat(inside, counts).reshape(width, height).T


def encode_instances(instances: np.ndarray, ids: np.ndarray) -> list[np.ndarray]:
    """Counts of the mask of every id (N,) in a map (H, W) int32: the same as `encode(instances == id)` for each."""
    instances = np.ascontiguousarray(instances, dtype=np.int32)
    ids = np.asarray(ids, dtype=np.int32)
    order = np.argsort(ids, kind="stable").astype(np.int64)
    lengths = np.zeros(len(ids), dtype=np.int64)
    last = np.zeros(len(ids), dtype=np.int64)
    _runs(instances, ids[order], lengths, last, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
    ends = np.cumsum(lengths)
    counts = np.zeros(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    last[:] = 0
    _runs(instances, ids[order], np.zeros(len(ids), dtype=np.int64), last, ends - lengths, counts)
    parts: list[np.ndarray] = [np.zeros(0, dtype=np.int64)] * len(ids)
    for place, row in enumerate(order):
        parts[row] = counts[ends[place] - lengths[place] : ends[place]]
    return parts


@njit(nogil=True, cache=True)
def _place(value, ids):  # type: ignore[no-untyped-def]
    """Row of `value` in the sorted `ids`, or BROKEN."""
    low, high = 0, len(ids)
    while low < high:
        middle = (low + high) // 2
        if ids[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < len(ids) and ids[low] == value else BROKEN


@njit(nogil=True, cache=True)
def _runs(instances, ids, lengths, last, starts, counts):  # type: ignore[no-untyped-def]
    """Count the numbers of each code to `lengths`; where `counts` has room, write those of id k from starts[k] on.

    `ids` are sorted and appear once; `last` (zeros) is work space: where the latest run of each id ended.
    """
    height, width = instances.shape
    total = height * width
    writes = len(counts) > 0
    place, begin, previous = BROKEN, 0, np.int32(0)
    for position in range(total + 1):
        at_end = position == total
        value = np.int32(0) if at_end else instances[position % height, position // height]
        if position > 0 and value == previous and not at_end:
            continue
        if position > 0 and place != BROKEN:
            if writes:
                counts[starts[place] + lengths[place]] = begin - last[place]
                counts[starts[place] + lengths[place] + 1] = position - begin
            lengths[place] += 2
            last[place] = position
        if not at_end:
            place, begin, previous = _place(value, ids), position, value
    for place in range(len(ids)):
        if last[place] < total or total == 0:
            if writes:
                counts[starts[place] + lengths[place]] = total - last[place]
            lengths[place] += 1


def compress(counts: np.ndarray) -> str:
    """The compressed form of counts (K,)."""
    counts = np.ascontiguousarray(counts, dtype=np.int64)
    out = np.empty(len(counts) * MAX_GROUPS + 1, dtype=np.uint8)
    return out[: _compress(counts, out)].tobytes().decode("ascii")


def decompress(code: str | bytes) -> np.ndarray | None:
    """Counts (K,) int64 of a compressed code; None where it is no such code."""
    try:
        raw = np.frombuffer(code.encode("ascii") if isinstance(code, str) else code, dtype=np.uint8)
    except UnicodeEncodeError:
        return None
    out = np.empty(len(raw), dtype=np.int64)
    size = int(_decompress(raw, out))
    return None if size == BROKEN else out[:size]


def compress_reference(counts: np.ndarray) -> str:
    """What `compress` computes, in plain Python."""
    values = [int(count) for count in counts]
    text = []
    for row, value in enumerate(values):
        left = value - values[row - 2] if row >= DELTA_FROM else value
        while True:
            group, left = left & LOW, left >> GROUP_BITS
            is_last = left == (-1 if group & SIGN else 0)
            text.append(chr(FIRST_CHARACTER + group + (0 if is_last else MORE)))
            if is_last:
                break
    return "".join(text)


def decompress_reference(code: str) -> list[int] | None:
    """What `decompress` computes, in plain Python."""
    counts: list[int] = []
    value = shift = 0
    for character in code:
        group = ord(character) - FIRST_CHARACTER
        if not 0 <= group <= MORE + LOW or shift >= MAX_GROUPS * GROUP_BITS:
            return None
        value |= (group & LOW) << shift
        shift += GROUP_BITS
        if group & MORE:
            continue
        value -= (1 << shift) if group & SIGN else 0
        value += counts[-2] if len(counts) >= DELTA_FROM else 0
        if value < 0:
            return None
        counts.append(value)
        value = shift = 0
    return None if shift else counts


@njit(nogil=True, cache=True)
def _compress(counts, out):  # type: ignore[no-untyped-def]
    written = 0
    for row in range(len(counts)):
        left = counts[row]
        if row >= DELTA_FROM:
            left -= counts[row - 2]
        while True:
            group = left & LOW
            left >>= GROUP_BITS
            is_last = left == (-1 if group & SIGN else 0)
            out[written] = FIRST_CHARACTER + group + (0 if is_last else MORE)
            written += 1
            if is_last:
                break
    return written


@njit(nogil=True, cache=True)
def _decompress(raw, out):  # type: ignore[no-untyped-def]
    size, value, shift = 0, np.int64(0), 0
    for character in raw:
        group = np.int64(character) - FIRST_CHARACTER
        if group < 0 or group > MORE + LOW or shift >= MAX_GROUPS * GROUP_BITS:
            return BROKEN
        value |= (group & LOW) << shift
        shift += GROUP_BITS
        if group & MORE:
            continue
        if group & SIGN:
            value -= np.int64(1) << shift
        if size >= DELTA_FROM:
            value += out[size - 2]
        if value < 0:
            return BROKEN
        out[size] = value
        size += 1
        value, shift = np.int64(0), 0
    return BROKEN if shift else size


def warm_up() -> None:
    """Compile the kernels."""
    encode_instances(np.ones((2, 2), dtype=np.int32), np.ones(1, dtype=np.int32))
    decompress(compress(np.array([1, 2], dtype=np.int64)))
