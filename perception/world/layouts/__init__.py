"""Plans of the generated worlds: one file for each family of routes."""
