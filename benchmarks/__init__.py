"""Measurements that `perception bench NAME` runs from a checkout: one file per benchmark, one form for all results."""
