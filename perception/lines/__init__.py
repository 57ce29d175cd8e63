"""Straight line segments in images: maps of a network or gradients of the image, regions grown in them, segments."""
