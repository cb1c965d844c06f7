"""The victim: does what it was told to the store of the folder it stands in, and says what was acknowledged.

``writer.py BEAD WORD…``: ``open``, ``say`` (a comment on BEAD, or on what it opened last), ``record`` (a line of a
ledger), ``commit``, ``sync``. It says ``start`` when it is ready and begins when it is told a line. Then comes one
line of JSON after each word that the store acknowledged, in one write each, so that a trace of this process shows
where in its life each was said. ``writer.py factory WORD…`` is the program.
"""

import json
import os
import runpy
import sys
from pathlib import Path

from factory.base.errors import FactoryError
from factory.base.ids import BeadId, SessionId
from factory.beads.payloads import BeadCommented, BeadOpened, checked
from factory.beads.store import Store
from factory.beads.sync import Clone, sync
from factory.git.remote import choose
from factory.git.repository import Repository, find

BY = "human:ana@example.org"


def say(**facts: object) -> None:
    """One line, in one write."""
    os.write(1, json.dumps(facts).encode() + b"\n")


def do(repo: Repository, store: Store, bead: str, word: str, number: int) -> str:
    """Do one thing and acknowledge it; the answer is the bead that later words are about."""
    text = f"{os.environ.get('WRITER', 'w')}.{number}"
    if word == "open":
        bead = store.open(checked(BeadOpened, title=text), BY)
        say(did="open", bead=bead, text=text)
    elif word == "say":
        store.append(bead, checked(BeadCommented, text=text), BY)
        say(did="say", bead=bead, text=text)
    elif word == "record":
        store.record(bead, SessionId("s1"), "noted", "agent:ada", {"text": text})
        say(did="record", bead=bead, text=text)
    elif word == "sync":
        sync(Clone(repo, store), choose(repo))
        say(did="sync", bead=bead, text=text)
    elif word == "commit":
        store.commit()
        say(did="commit", bead=bead, text=text)
    else:
        raise ValueError(word)
    return bead


def main() -> int:
    """Do every word in turn."""
    os.write(1, b"start\n")
    os.read(0, 3)
    if sys.argv[1] == "factory":
        sys.argv = sys.argv[1:]
        runpy.run_module("factory", run_name="__main__", alter_sys=True)
    bead = BeadId(sys.argv[1])
    try:
        repo = find(Path.cwd())
        store = Store(repo)
        for number, word in enumerate(sys.argv[2:]):
            bead = BeadId(do(repo, store, bead, word, number))
    except FactoryError as error:
        say(failed=error.sentence)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
