"""Triangles, hierarchies over them, and rays through them."""
