"""An agent for a test: puts one removed function back, with its tests, into whatever the work tree holds now.

Started as ``python3 restoring_agent.py pieces.json``; ``pieces`` names, for each title, what goes where.
A piece with several sources is one that its agent gets wrong in another way each time it is asked.
"""

import json
import os
import sys
from pathlib import Path


def put(file: Path, before: str, block: str, instead_of: list[str]) -> None:
    """Put ``block`` before the line that starts with ``before``, and take out what stood there ``instead_of`` it."""
    text = file.read_text()
    for earlier in instead_of:
        text = text.replace(earlier, "")
    assert text.count(f"\n{before}") == 1, before
    file.write_text(text.replace(f"\n{before}", f"\n{block}{before}"))


def main() -> None:
    """Do what the bead's title asks for."""
    pieces = json.loads(Path(sys.argv[1]).read_text())
    piece = pieces[os.environ["FACTORY_TITLE"]]
    attempt = int(os.environ["FACTORY_ATTEMPT"])
    sources = piece["sources"]
    code, tests = Path("more_itertools/more.py"), Path("tests/test_more.py")
    put(code, piece["code_before"], sources[(attempt - 1) % len(sources)], sources)
    put(code, piece["name_before"], piece["name"], [piece["name"]])
    put(tests, piece["tests_before"], piece["tests"], [piece["tests"]])
    sys.stdout.write(f"put {piece['name'].strip()} back, attempt {attempt}\n")


if __name__ == "__main__":
    main()
