"""What the generated world is made of: one file for each family of objects."""
