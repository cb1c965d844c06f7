"""What a reading command imports: ``-X importtime`` of ``factory bead ready``, its total and its top ten.

What ``python -c pass`` imports anyway is left out. The times are those of the run with the least, out of
several, because the interpreter's own clock counts what other processes took.
"""

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.beads import plain_repository
from benchmarks.crowd import opened
from benchmarks.machine import describe
from benchmarks.measure import factory, table

ROUNDS = 7
TOP = 10


@dataclass(frozen=True)
class Import:
    """One module: milliseconds of its own, and with all that it was the first to import."""

    name: str
    own_ms: float
    all_ms: float


def imports(argv: list[str], cwd: Path) -> list[Import]:
    """What a program imports, in the order in which the imports ended."""
    finished = subprocess.run(
        [sys.executable, "-X", "importtime", *argv], cwd=cwd, capture_output=True, text=True, check=True
    )
    found = []
    for line in finished.stderr.splitlines():
        own, _, rest = line.removeprefix("import time:").partition("|")
        whole, _, name = rest.partition("|")
        if line.startswith("import time:") and own.strip().isdigit():
            found.append(Import(name.strip(), int(own) / 1000, int(whole) / 1000))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", default=["bead", "ready"], help="the command; bead ready if none is named")
    words = parser.parse_args().words
    print(describe())
    with tempfile.TemporaryDirectory() as folder:
        root = plain_repository(Path(folder) / "project")
        opened(root, 20)
        bare = {each.name for each in imports(["-c", "pass"], root)}
        imports([*factory(), *words], root)  # the first run writes what later ones only read
        runs = [[each for each in imports([*factory(), *words], root) if each.name not in bare] for _ in range(ROUNDS)]
    best = min(runs, key=lambda run: sum(each.own_ms for each in run))
    total = sum(each.own_ms for each in best)
    ours = sum(each.name.split(".")[0] == "factory" for each in best)
    print(f"factory {' '.join(words)}: {len(best)} modules beyond Python's own ({ours} of factory), {total:.1f} ms")
    top = sorted(best, key=lambda each: -each.all_ms)[:TOP]
    print(table(("import", "own ms", "with its own imports"), [_row(each) for each in top]))


def _row(each: Import) -> tuple[str, str, str]:
    return each.name, f"{each.own_ms:.2f}", f"{each.all_ms:.2f}"


if __name__ == "__main__":
    main()
