"""Random numbers that follow from whole numbers: for patterns that must be the same in any order and any thread."""

import numba

_BITS = 0xFFFFFFFF


@numba.njit(nogil=True, cache=True, error_model="numpy")
def hash01(i, j, k):
    """A random number in [0, 1) for three whole numbers (finaliser by Wellons, "Prospecting for hash functions")."""
    h = ((i * 0x8DA6B343) ^ (j * 0xD8163841) ^ (k * 0xCB1AB31F)) & _BITS
    h = ((h ^ (h >> 16)) * 0x21F0AAAD) & _BITS
    h = ((h ^ (h >> 15)) * 0x735A2D97) & _BITS
    return ((h ^ (h >> 15)) >> 8) * (1.0 / 16777216.0)
