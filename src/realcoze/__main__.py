"""`python -m realcoze` is the command."""

from realcoze.app.cli import main

main()
