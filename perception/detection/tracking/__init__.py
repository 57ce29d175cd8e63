"""Objects followed from image to image: their boxes get numbers that stay."""
