"""`python -m perception`."""

from perception.cli import main

main()
