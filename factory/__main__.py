"""``python -m factory``: the same program as ``factory``."""

from factory.cli.entry import main

if __name__ == "__main__":
    main()
