"""Checks of an installation, a recording or a live graph: what is there, what will go wrong, and the remedy."""
