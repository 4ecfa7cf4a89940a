"""`python -m realcoze` is the command."""

from realcoze.app.cli import main

if __name__ == "__main__":
    main()
