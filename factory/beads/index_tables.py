"""The tables of the index, and how a bead stands in them: everything here follows from the bead alone.

Who waits for whom (the columns ``blocker``, ``via``, ``reason`` and ``until``) follows from all beads
together and is filled in by ``index_standing``.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from factory.beads.bead import Bead
from factory.beads.codec import encode
from factory.beads.events import Damage, Event
from factory.beads.lifecycle import LIVE, STATES

_TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files(path TEXT PRIMARY KEY, bead TEXT NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,
    inode INTEGER NOT NULL, read INTEGER NOT NULL, lines INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE packed(bead TEXT NOT NULL, pack TEXT NOT NULL, PRIMARY KEY(bead, pack)) WITHOUT ROWID;
CREATE TABLE damage(path TEXT NOT NULL, line INTEGER NOT NULL, reason TEXT NOT NULL, bead TEXT NOT NULL);
CREATE TABLE beads(number INTEGER PRIMARY KEY, id TEXT NOT NULL, state TEXT NOT NULL, priority INTEGER NOT NULL,
    opened TEXT NOT NULL, title TEXT NOT NULL, agent TEXT NOT NULL, note TEXT NOT NULL, live INTEGER NOT NULL,
    not_before TEXT NOT NULL, latest TEXT NOT NULL,
    blocker TEXT, via TEXT, reason TEXT NOT NULL DEFAULT '', until TEXT NOT NULL DEFAULT '');
CREATE TABLE stories(number INTEGER PRIMARY KEY, bead TEXT NOT NULL);
CREATE TABLE labels(label TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY(label, number)) WITHOUT ROWID;
CREATE TABLE edges(source TEXT NOT NULL, kind TEXT NOT NULL, target TEXT NOT NULL,
    PRIMARY KEY(source, kind, target)) WITHOUT ROWID;
CREATE TABLE rings(bead TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unsearched(number INTEGER PRIMARY KEY);
CREATE VIRTUAL TABLE search USING fts5(title, text, decisions);
"""

_INDICES = """
CREATE UNIQUE INDEX by_id ON beads(id);
CREATE INDEX by_order ON beads(priority, opened, id, state);
CREATE INDEX by_state ON beads(state, priority, opened, id);
CREATE INDEX live_by_order ON beads(priority, opened, id) WHERE live = 1;
CREATE INDEX ready_by_order ON beads(priority, opened, id) WHERE state = 'open' AND blocker IS NULL;
CREATE INDEX files_by_bead ON files(bead);
CREATE INDEX packed_by_pack ON packed(pack);
CREATE INDEX damage_by_bead ON damage(bead);
CREATE INDEX labels_by_number ON labels(number);
CREATE INDEX edges_by_target ON edges(target, kind, source);
"""

_DECISIONS = {
    "bead_commented": "text",
    "bead_released": "reason",
    "bead_held": "reason",
    "bead_returned": "reason",
    "bead_dropped": "reason",
    "bead_reopened": "reason",
    "change_approved": "reason",
    "change_submitted": "summary",
    "no_change_accepted": "reason",
    "no_change_reported": "reason",
    "question_asked": "reason",
    "session_failed": "reason",
}
"""What people and agents said and decided, by type of event; together with the title and the text it is searched."""

_WORDS_BYTES = 32 * 1024 * 1024
"""What FTS5 gathers in memory before it writes; with its own 1 MiB, filling the index takes half as long again."""

WORDY = frozenset({"bead_opened", "bead_edited", *_DECISIONS})
"""The events after which a bead is found by other words than before."""


class File(NamedTuple):
    """A file that was read: its signature, how many bytes and whole lines of it are in the index."""

    path: str
    bead: str
    size: int
    mtime: int
    inode: int
    read: int
    lines: int


def create(db: sqlite3.Connection) -> None:
    """Make the empty tables."""
    _run(db, _TABLES)
    db.execute("INSERT INTO search(search, rank) VALUES('hashsize', ?)", (_WORDS_BYTES,))
    db.execute("INSERT INTO meta VALUES('states', ?)", (" ".join(STATES),))


def create_indices(db: sqlite3.Connection) -> None:
    """Make the indices: of full tables, because that is several times faster than keeping them while filling."""
    _run(db, _INDICES)


def _run(db: sqlite3.Connection, script: str) -> None:
    for statement in filter(str.strip, script.split(";")):  # ``executescript`` would end the transaction
        db.execute(statement)


def note(bead: Bead) -> str:
    """Why a bead is where it is, as far as it alone tells."""
    if bead.setback and bead.state in ("open", "waiting", "dropped"):
        return bead.setback.reason.split("\n")[0]
    if bead.state == "working" and bead.run:
        if bead.run.is_claim:
            return f"{bead.run.agent} holds it until {bead.run.until[:16]}Z"
        return f"{bead.run.agent} works on it, attempt {bead.run.attempt}"
    return f"landed as {bead.landed[:10]}" if bead.landed else ""


def agent(bead: Bead) -> str:
    """Who works, or last worked, on it; else on whose hook it is."""
    return bead.run.agent if bead.run else bead.hook.agent


def decisions(events: Iterable[Event]) -> str:
    """What was said and decided about a bead, in order of time."""
    return "\n".join(_said(events))


def _said(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        key = _DECISIONS.get(event.type)
        said = event.data.get(key) if key else None
        if said and isinstance(said, str):
            yield said


_MOST = 2**62
"""More than any priority; a line that no writer made may say a number that SQLite cannot hold."""


def _text(said: str) -> str:
    """What SQLite can hold of a text: half of a surrogate pair, which JSON can say and UTF-8 cannot, is written out."""
    return said if said.isascii() else said.encode("utf-8", "backslashreplace").decode()


class Batch:
    """Rows on their way into the tables; ``flush`` writes them all, many at a time."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._rows: dict[str, list[tuple[object, ...]]] = {statement: [] for statement in _INSERTS}
        self.pending = 0

    def bead(self, number: int, bead: Bead, latest: str, was: Bead | None = None) -> None:
        """A bead, in place of what it ``was``; ``latest`` is the last id among its events.

        What nothing changed about is not written: its labels and edges, and its place in every list.
        """
        rows = self._rows
        said = _text(bead.title), _text(agent(bead)), _text(note(bead)), _text(bead.not_before), latest
        if was is not None and _place(was) == _place(bead):
            rows[_SAME_PLACE].append((*said, number))
        else:
            rows[_BEAD].append((number, bead.id, *_place(bead), int(bead.state in LIVE), *said))
        rows[_STORY].append((number, _text(encode(bead))))
        self.pending += 1
        if was is not None and (was.labels, was.edges) == (bead.labels, bead.edges):
            return
        for label in bead.labels:
            rows[_LABEL].append((_text(label), number))
        for kind, to in bead.edges:
            rows[_EDGE].append((bead.id, kind, _text(to)))

    def words(self, number: int, bead: Bead, events: Iterable[Event]) -> None:
        """What the bead is found by."""
        self._rows[_WORDS].append((number, _text(bead.title), _text(bead.text), _text(decisions(events))))

    def file(self, file: File) -> None:
        """A file that was read, in place of what it was."""
        self._rows[_FILE].append(file)

    def damage(self, damage: Damage, bead: str) -> None:
        """A line that is not as it should be, in a file of ``bead``."""
        self._rows[_DAMAGE].append((damage.file, damage.line, damage.reason, bead))

    def packed(self, bead: str, pack: str) -> None:
        """A bead of which some events are in a pack."""
        self._rows[_PACKED].append((bead, pack))

    def unsearched(self, number: int) -> None:
        """A bead that is found by other words than before."""
        self._rows[_UNSEARCHED].append((number,))

    def flush(self) -> None:
        """Write what was gathered."""
        for statement, rows in self._rows.items():
            if rows:
                self._db.executemany(statement, rows)
                rows.clear()
        self.pending = 0


def _place(bead: Bead) -> tuple[str, int, str]:
    """What its place in every list follows from."""
    return bead.state, max(min(bead.priority, _MOST), -_MOST), bead.opened


_BEAD = (
    "INSERT INTO beads(number, id, state, priority, opened, live, title, agent, note, not_before, latest)"
    " VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(number) DO UPDATE SET id = excluded.id,"
    " state = excluded.state, priority = excluded.priority, opened = excluded.opened, live = excluded.live,"
    " title = excluded.title, agent = excluded.agent, note = excluded.note, not_before = excluded.not_before,"
    " latest = excluded.latest"
)
_SAME_PLACE = "UPDATE beads SET title = ?, agent = ?, note = ?, not_before = ?, latest = ? WHERE number = ?"
"""Of no column that an index has: SQLite writes to every index that has a column which is set, also to the same."""
_STORY = "INSERT OR REPLACE INTO stories VALUES(?, ?)"
_LABEL = "INSERT OR IGNORE INTO labels VALUES(?, ?)"
_EDGE = "INSERT OR IGNORE INTO edges VALUES(?, ?, ?)"
_WORDS = "INSERT INTO search(rowid, title, text, decisions) VALUES(?, ?, ?, ?)"
_FILE = (
    "INSERT INTO files VALUES(?, ?, ?, ?, ?, ?, ?) ON CONFLICT(path) DO UPDATE SET size = excluded.size,"
    " mtime = excluded.mtime, inode = excluded.inode, read = excluded.read, lines = excluded.lines"
)
_DAMAGE = "INSERT INTO damage VALUES(?, ?, ?, ?)"
_PACKED = "INSERT OR IGNORE INTO packed VALUES(?, ?)"
_UNSEARCHED = "INSERT OR IGNORE INTO unsearched VALUES(?)"
_INSERTS = (_BEAD, _SAME_PLACE, _STORY, _LABEL, _EDGE, _WORDS, _FILE, _DAMAGE, _PACKED, _UNSEARCHED)


def forget_links(db: sqlite3.Connection, number: int, bead: str) -> None:
    """Take out the labels and the edges of a bead."""
    db.execute("DELETE FROM labels WHERE number = ?", (number,))
    db.execute("DELETE FROM edges WHERE source = ?", (bead,))
