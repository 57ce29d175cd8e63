"""The generated world: its scene, the sensors that see it, and recordings made of it."""
