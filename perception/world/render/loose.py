"""How freely the compiler may reorder arithmetic where colours are computed."""

LOOSE = {"contract", "arcp", "afn", "reassoc", "nsz"}
"""For colours only, never where it is decided what is seen: infinities keep their meaning, the last bits do not.

The result is the same on one machine for any number of threads; another processor may differ by a grey level.
"""
