"""Types, geometry, time, configuration and errors shared by every part. Imports NumPy and the standard library only."""
