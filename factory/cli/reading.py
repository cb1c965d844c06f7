"""One way to every answer about beads: from the index as it stands, else from the index brought up to date.

An answer is a function of a ``Lookup``. It gathers what it needs, raises ``Stale`` when it meets a file that
somebody changed behind the index's back, and returns what prints it.
"""

from __future__ import annotations

import os
import sys

from factory.base.printable import printable
from factory.beads.lookup import BROKEN, Stale, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from factory.beads.lookup import Lookup

    Answer = Callable[[Lookup], Callable[[], None]]
    Damage = list[tuple[str, int, str]]

_MOST = 50
"""Damaged lines that are named; who mends a file looks at the first ones first."""

DEGRADED = 1
"""The exit code of an answer that was given although some lines of some files could not be read."""


def told(state_dir: str, answer: Answer, *, searchable: bool = False) -> int:
    """Print ``answer`` and, on standard error, what could not be read; gives the exit code."""
    say, damage = asked(state_dir, answer, searchable=searchable)
    say()
    if not damage:
        return 0
    degraded(damage)
    return DEGRADED


def degraded(damage: Damage) -> None:
    """Say on standard error which lines could not be read."""
    sys.stdout.flush()
    for path, line, reason in damage[:_MOST]:
        sys.stderr.write(f"factory: {printable(path)}:{line}: {reason}\n")
    if len(damage) > _MOST:
        sys.stderr.write(f"factory: and {len(damage) - _MOST} more lines that cannot be read\n")
    sys.stderr.write("hint: factory doctor --repair\n")


def asked(state_dir: str, answer: Answer, *, searchable: bool = False) -> tuple[Callable[[], None], Damage]:
    """What prints the answer, and what could not be read, both of one moment."""
    for lookup in _lookups(state_dir, searchable=searchable):
        try:
            return answer(lookup), lookup.damage()
        except (Stale, *BROKEN):
            if lookup.is_last:
                raise
        finally:
            lookup.close()
    raise AssertionError("the last lookup answers or raises")


def look_at_everything(state_dir: str) -> None:
    """Have the index look at every file, also at those that nobody announced."""
    from pathlib import Path

    from factory.beads.index import Index

    Index(Path(state_dir)).refreshed(everything=True).close()


def _lookups(state_dir: str, *, searchable: bool) -> Iterator[Lookup]:
    """The index as it stands if it is fresh, then brought up to date, then after a look at every file, then anew."""
    if _is_behind(state_dir):
        _catch_up(state_dir)
    lookup = opened(state_dir)
    if lookup is not None:
        if not searchable or lookup.is_searchable():
            yield lookup
        lookup.close()
    from pathlib import Path

    from factory.beads.index import Index

    index = Index(Path(state_dir))
    yield index.refreshed(searchable=searchable)
    lookup = index.refreshed(searchable=searchable, everything=True)
    lookup.is_looked_at = True
    yield lookup
    lookup = index.refreshed(searchable=searchable, anew=True)
    lookup.is_looked_at = lookup.is_last = True
    yield lookup


def _is_behind(state_dir: str) -> bool:
    """Whether somebody else moved the branch of the beads, as far as two small files tell: packed refs do not."""
    refs = f"{os.path.dirname(state_dir)}/refs"
    try:
        with open(f"{refs}/heads/factory/beads") as head, open(f"{refs}/factory/published") as published:
            return head.read() != published.read()
    except OSError:
        return False


def _catch_up(state_dir: str) -> None:
    """Take in what the branch has; where that cannot be done, the answer is of what is here."""
    from pathlib import Path

    from factory.base.errors import FactoryError
    from factory.beads.store import Store
    from factory.git.repository import Repository

    common = Path(state_dir).parent
    try:
        store = Store(Repository(common, common, common))
        with store.locked():
            store.catch_up()
    except (FactoryError, OSError):
        return
