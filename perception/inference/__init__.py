"""Running trained networks: model cards, and one interface to every library that can compute them here."""
