"""`python -m guardkit`."""

from guardkit.cli import main

main()
