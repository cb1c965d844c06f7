"""How git's objects grow with the events, before and after ``git gc``, for grouped commits and for one commit each.

Ten thousand appends to a thousand beads over ten days, fifty beads at a time; bytes are those on the
disk (``git count-objects``), and ``git gc`` runs on a copy, so that the curve goes on undisturbed.
"""

import argparse
import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.beads import plain_repository
from benchmarks.big_store import DAY_MS, FIRST_DAY_MS, HandMoved, git
from benchmarks.insides import GROUP
from benchmarks.machine import describe
from benchmarks.measure import copied, table
from benchmarks.stories import words
from factory.beads.payloads import BeadCommented, BeadOpened, checked
from factory.beads.store import Store
from factory.git.repository import find

HEADINGS = ("appends", "events MB", "loose objects", "objects MB", "MB after gc", "of the events")
AT_ONCE = 50
EACH = 10
"""Events of a bead, its opening included."""


@dataclass(frozen=True)
class Size:
    """The store after some appends: bytes of the events, loose objects and all objects' bytes, and after ``git gc``."""

    appends: int
    events: int
    loose: int
    bytes: int
    packed: int


def curve(root: Path, *, appends: int, group: int, step: int, days: int = 10) -> Iterator[Size]:
    """The sizes after every ``step`` appends, with a commit after every ``group``."""
    clock = HandMoved()
    clock.ms = FIRST_DAY_MS
    store = Store(find(root), clock)
    rng = random.Random(3)
    at_work: dict[str, int] = {}
    for number in range(1, appends + 1):
        clock.ms += days * DAY_MS // appends
        if len(at_work) < AT_ONCE:
            at_work[store.open(checked(BeadOpened, title=f"Change {number}", text=_text(rng)), "human:a")] = 1
        else:
            bead = rng.choice(list(at_work))
            store.append(bead, checked(BeadCommented, text=_text(rng)), "human:b")
            at_work[bead] += 1
            if at_work[bead] == EACH:
                del at_work[bead]
        if number % group == 0 or number % step == 0:
            store.commit()
        if number % step == 0:
            yield _size(root, number)


def _text(rng: random.Random) -> str:
    return "; ".join(words(rng) for _ in range(4))


def _size(root: Path, appends: int) -> Size:
    events = sum(path.stat().st_size for path in (root / ".git/factory/live/beads").glob("*/*.jsonl"))
    loose, total = _objects(root)
    with tempfile.TemporaryDirectory(dir=root.parent) as folder:
        copy = copied(root, Path(folder) / "copy")
        shutil.rmtree(copy / ".git/factory")
        subprocess.run(["git", "gc", "-q", "--prune=now"], cwd=copy, check=True)
        packed = _objects(copy)[1]
    return Size(appends, events, loose, total, packed)


def _objects(root: Path) -> tuple[int, int]:
    """Loose objects, and the bytes on the disk of all objects."""
    facts = dict(line.split(": ") for line in git(["count-objects", "-v"], root).splitlines())
    return int(facts["count"]), (int(facts["size"]) + int(facts["size-pack"])) * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--appends", type=int, default=10_000)
    parser.add_argument("--points", type=int, default=10, help="of the curve")
    options = parser.parse_args()
    print(describe())
    step = max(1, options.appends // options.points)
    for says, group in ((f"a commit after every {GROUP} events", GROUP), ("a commit after every event", 1)):
        print(f"\n{says}\n\n" + table(HEADINGS, []), flush=True)
        with tempfile.TemporaryDirectory() as folder:
            root = plain_repository(Path(folder) / "project")
            for size in curve(root, appends=options.appends, group=group, step=step):
                print(f"| {' | '.join(_row(size))} |", flush=True)


def _row(size: Size) -> list[str]:
    figures = (size.appends, size.events / 1e6, size.loose, size.bytes / 1e6, size.packed / 1e6)
    row = [f"{figure:.{digits}f}" for figure, digits in zip(figures, (0, 2, 0, 1, 2), strict=True)]
    row.append(f"{size.packed / size.events:.2f}")
    return [cell.ljust(len(heading)) for cell, heading in zip(row, HEADINGS, strict=True)]


if __name__ == "__main__":
    main()
