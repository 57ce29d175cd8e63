"""Place recognition: bird's-eye images of scans, their descriptors, the index of places, and what proves a revisit."""
