"""Exact labels of the generated world for every task."""
