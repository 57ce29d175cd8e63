"""The commands of `perception`, by what they are about. `perception/cli.py` puts them together."""
