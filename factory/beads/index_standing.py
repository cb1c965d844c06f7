"""Who waits for whom, kept in the index: asked of ``graph`` anew for the beads that a change concerns."""

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from factory.base.ids import BeadId
from factory.beads.graph import Blocked, Node, Ring, View, cycles, standings
from factory.beads.lifecycle import LIVE

_MANY = 2000
"""From so many beads on, reading the whole graph at once is faster than asking for each bead: about 1 s per 100,000."""


class InIndex:
    """A view of the beads in the index; what was asked once is remembered."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[BeadId, Node | None] = {}

    def node(self, bead: BeadId) -> Node | None:
        """The bead, or ``None`` when there is none."""
        if bead not in self._known:
            self._known[bead] = self._asked(bead)
        return self._known[bead]

    def _asked(self, bead: BeadId) -> Node | None:
        row = self._db.execute("SELECT state, not_before FROM beads WHERE id = ?", (bead,)).fetchone()
        if row is None:
            return None
        needs = self._db.execute("SELECT target FROM edges WHERE source = ? AND kind = 'needs'", (bead,))
        parents = self._db.execute("SELECT target FROM edges WHERE source = ? AND kind = 'part_of'", (bead,))
        return Node(row[0], tuple(to for (to,) in needs), tuple(to for (to,) in parents), row[1])


class Loaded:
    """A view of all beads, read at once."""

    def __init__(self, nodes: Mapping[BeadId, Node]) -> None:
        self._nodes = nodes

    def node(self, bead: BeadId) -> Node | None:
        """The bead, or ``None`` when there is none."""
        return self._nodes.get(bead)


def loaded(db: sqlite3.Connection) -> tuple[Loaded, list[BeadId]]:
    """All beads, and the ids of those that are live."""
    edges: dict[str, dict[BeadId, list[BeadId]]] = {"needs": {}, "part_of": {}}
    for source, kind, target in db.execute(
        "SELECT source, kind, target FROM edges WHERE kind IN ('needs', 'part_of') ORDER BY source, kind, target"
    ):
        edges[kind].setdefault(source, []).append(target)
    needs, parents = edges["needs"], edges["part_of"]
    nodes: dict[BeadId, Node] = {}
    live = []
    for bead, state, not_before in db.execute("SELECT id, state, not_before FROM beads"):
        nodes[bead] = Node(state, tuple(needs.get(bead, ())), tuple(parents.get(bead, ())), not_before)
        if state in LIVE:
            live.append(bead)
    return Loaded(nodes), live


def stand_all(db: sqlite3.Connection) -> None:
    """Fill in who waits for whom for every bead."""
    view, live = loaded(db)
    rings = cycles(view, live)
    db.execute("DELETE FROM rings")
    db.executemany("INSERT INTO rings VALUES(?)", ((bead,) for bead in rings))
    found = standings(view, live, rings)
    db.execute("UPDATE beads SET blocker = NULL, via = NULL, reason = '', until = '' WHERE reason <> ''")
    _write(db, ((bead, blocked) for bead, blocked in found.items() if blocked is not None))


class Change(NamedTuple):
    """A bead that others may depend on, as it was and as it is; ``None`` where it was not, or is no more."""

    bead: BeadId
    was: Node | None
    now: Node | None


def stand(db: sqlite3.Connection, changes: Sequence[Change]) -> None:
    """Fill in who waits for whom, after ``changes``: for those beads, for all whom they concern, and no other."""
    if not changes:
        return
    known = {BeadId(bead) for (bead,) in db.execute("SELECT bead FROM rings")}
    if len(changes) + len(known) > _MANY:
        stand_all(db)
        return
    view = InIndex(db)
    rings = cycles(view, known | {change.bead for change in changes if _may_close(db, change)})
    db.executemany("DELETE FROM rings WHERE bead = ?", ((bead,) for bead in known - rings.keys()))
    db.executemany("INSERT INTO rings VALUES(?)", ((bead,) for bead in rings.keys() - known))
    concerned = _concerned(db, {change.bead for change in changes}, known | rings.keys())
    if concerned is None:
        stand_all(db)
        return
    _write(db, _stood(view, concerned, rings))


def _may_close(db: sqlite3.Connection, change: Change) -> bool:
    """Whether a bead may be in a cycle now: it leads somewhere new, or lives anew, and somebody waits for it."""
    before, now = change.was, change.now
    if now is None or now.state not in LIVE or not (now.needs or now.parents):
        return False
    if (
        before is not None
        and before.state in LIVE
        and not ({*now.needs, *now.parents} - {*before.needs, *before.parents})
    ):
        return False
    query = "SELECT 1 FROM edges WHERE target = ? AND kind IN ('needs', 'part_of')"
    return db.execute(query, (change.bead,)).fetchone() is not None


def _concerned(db: sqlite3.Connection, moved: set[BeadId], rings: set[BeadId]) -> set[BeadId] | None:
    """The moved beads, who needs them, the members of cycles, and all parts of these; ``None``: too many to ask for."""
    found = moved | rings
    for bead in moved:
        found |= _sources(db, bead, "needs")
    waiting = list(found)
    while waiting:
        parts = _sources(db, waiting.pop(), "part_of") - found
        found |= parts
        waiting += parts
        if len(found) > _MANY:
            return None
    return found


def _sources(db: sqlite3.Connection, bead: BeadId, kind: str) -> set[BeadId]:
    return {source for (source,) in db.execute("SELECT source FROM edges WHERE target = ? AND kind = ?", (bead, kind))}


def _stood(view: View, beads: set[BeadId], rings: Mapping[BeadId, Ring]) -> Iterator[tuple[BeadId, Blocked | None]]:
    found = standings(view, beads, rings)
    return ((bead, found.get(bead)) for bead in beads)


def _write(db: sqlite3.Connection, found: Iterable[tuple[BeadId, Blocked | None]]) -> None:
    free = Blocked(None, None, "")
    db.executemany(
        "UPDATE beads SET blocker = ?, via = ?, reason = ?, until = ? WHERE id = ?",
        (
            (blocked.blocker, blocked.via, blocked.reason, blocked.until, bead)
            for bead, blocked in ((bead, blocked or free) for bead, blocked in found)
        ),
    )
