"""A crowd: many processes that do the same to one store at once, each in a worktree of its own.

``crowd.py HOW_MANY KIND BEADS FOLDER…`` forks, because one warm start is cheaper than fifty cold ones; all wait at
one line until the last is there. Each then says one line of JSON: what it did.
"""

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from factory.base.errors import Refused
from factory.base.ids import SessionId
from factory.beads.holding import NothingReady, claim, claim_next
from factory.beads.payloads import BeadCommented, BeadOpened, SessionStarted
from factory.beads.store import Store
from factory.git.repository import find

EACH = 4
"""What one process of a crowd appends to the bead that all share, and how many beads it opens."""

OID = "1" * 40


def append(store: Store, me: int, beads: Sequence[str]) -> list[str]:
    """Comment on the shared bead, open beads of its own, commit now and then."""
    done = []
    for number in range(EACH):
        store.append(beads[0], BeadCommented(text=f"{me}.{number}"), f"human:{me}")
        store.open(BeadOpened(title=f"{me}.{number}"), f"human:{me}")
        done.append(f"{me}.{number}")
    store.commit()
    return done


def take(store: Store, me: int, beads: Sequence[str]) -> list[str]:
    """Claim every bead, in an order of its own; the answer is what it got."""
    got = []
    for bead in Random(me).sample(beads, len(beads)):
        try:
            claim(store, bead, f"human:{me}", 3600)
        except Refused:
            continue
        got.append(bead)
    return got


def take_next(store: Store, me: int, beads: Sequence[str]) -> list[str]:
    """Claim what is next until nothing is left; at most its share and one more."""
    got = []
    for _ in beads:
        try:
            got.append(str(claim_next(store, lambda bead: claim(store, bead, f"human:{me}", 3600)).id))
        except NothingReady:
            break
    return got


def start(store: Store, me: int, beads: Sequence[str]) -> list[str]:
    """Start a session on every bead, as a floor that believes it is alone."""
    got = []
    for bead in beads:
        said = SessionStarted(
            agent="ada", runtime="command", model="", attempt=1, base=OID, branch=f"factory/{bead}/1", target="main"
        )
        try:
            store.append(bead, said, f"floor:{me}", SessionId(f"s{me}"))
        except Refused:
            continue
        got.append(bead)
    return got


KINDS: dict[str, Callable[[Store, int, Sequence[str]], list[str]]] = {
    "append": append,
    "take": take,
    "take_next": take_next,
    "start": start,
}


def main() -> int:
    """Fork, let all go at once, wait for all."""
    how_many, kind, beads = int(sys.argv[1]), sys.argv[2], sys.argv[3].split(",")
    folders = sys.argv[4:]
    ready, ready_in = os.pipe()
    line, line_in = os.pipe()
    children = []
    for me in range(how_many):
        child = os.fork()
        if child:
            children.append(child)
            continue
        os.close(line_in)
        os.chdir(folders[me % len(folders)])
        store = Store(find(Path.cwd()))
        os.write(ready_in, b".")
        os.read(line, 1)
        done = KINDS[kind](store, me, beads)
        os.write(1, json.dumps({"me": me, "done": done}).encode() + b"\n")
        os._exit(0)
    for _ in children:
        os.read(ready, 1)
    os.close(line)
    os.close(line_in)
    return sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0 for child in children)


if __name__ == "__main__":
    sys.exit(main())
