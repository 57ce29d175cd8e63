"""Objects as boxes in images: preparation of the image, decoding of a network's outputs, suppression."""
