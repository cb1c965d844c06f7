"""``python -m factory``: the same program as ``factory``."""

from factory.cli.main import main

if __name__ == "__main__":
    main()
