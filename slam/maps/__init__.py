"""Maps on the disk: keyframes, pose graph, journal; what is derived from them."""
