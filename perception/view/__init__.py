"""Recordings for the eyes: files for Foxglove and rerun, a live server, and a page for any browser."""
