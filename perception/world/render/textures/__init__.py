"""Procedural textures: looks of every surface of the generated world, baked into one bank with mip chains."""
