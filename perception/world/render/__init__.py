"""Images of the generated world: rasteriser, textures, light and weather."""
