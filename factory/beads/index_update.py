"""The index brought up to date: only what was appended is read, and only the beads that it concerns are asked anew."""

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.changes import Changes, Position, Since
from factory.beads.codec import decode
from factory.beads.events import Event
from factory.beads.fold import apply
from factory.beads.graph import as_node
from factory.beads.index_files import Shelf, bead_of, folded, is_of_beads, is_pack, look_at_pack, read
from factory.beads.index_fill import remember, without_collector
from factory.beads.index_standing import Change, stand
from factory.beads.index_tables import WORDY, Batch, File, forget_links
from factory.beads.lookup import SMALL, folder, walk

_FILE = "SELECT path, bead, size, mtime, inode, read, lines FROM files"


_MANY = 5000
"""Beads; when so many and a quarter of all have to be folded anew, making the whole index anew is faster."""


class TooMuch(Exception):
    """Hardly anything is as it was: make the index anew."""


class _Stored(NamedTuple):
    """A bead as the index has it."""

    number: int
    latest: str
    bead: Bead


class Update:
    """One refresh, in a transaction of its own that nobody else writes in."""

    def __init__(self, db: sqlite3.Connection, state_dir: Path) -> None:
        self._db = db
        self._state_dir = state_dir
        self._live = f"{state_dir}/live/beads"
        self._top = f"{state_dir}/live"
        self._batch = Batch(db)
        self._changes: list[Change] = []
        self._files = 0
        self._last = 0
        self._written: set[str] = set()
        self._shelf = Shelf(self._top)
        self._has_packs = db.execute("SELECT 1 FROM packed").fetchone() is not None
        self._damaged = {path for (path,) in db.execute("SELECT DISTINCT path FROM damage")}

    def run(self, *, everything: bool) -> None:
        """Bring the tables up to what the files are now; with ``everything`` every file is looked at."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            with without_collector():
                self._run(everything=everything)
        except BaseException:
            self._db.rollback()
            raise
        self._db.execute("COMMIT")

    def _run(self, *, everything: bool) -> None:
        meta = dict(self._db.execute("SELECT key, value FROM meta").fetchall())
        self._files = int(meta["files"])
        changes = Changes(self._state_dir)
        since = None if meta["folder"] != folder(self._live) else changes.since(_position(meta))
        position = since.position if since else changes.position()
        grown, other = self._noted(meta, since)
        if since is None or everything or self._files <= SMALL:
            other |= self._differing() - grown
        self._look(grown, other)
        self._batch.flush()
        stand(self._db, self._changes)
        in_flux = "\n".join(sorted(since.in_flux)) if since else ""
        now = (position, in_flux, self._files)
        if since is None or now != (_position(meta), meta["unsettled"], int(meta["files"])):
            remember(self._db, str(self._state_dir), *now)

    def _noted(self, meta: dict[str, str], since: Since | None) -> tuple[set[str], set[str]]:
        """The files that only grew since the last refresh, and those of which that is not known."""
        other = set(meta["unsettled"].split("\n"))
        grown: set[str] = set()
        if since is not None:
            other |= since.in_flux | {note.path for note in since.notes if note.replaced}
            grown = {note.path for note in since.notes} - other
        return set(filter(is_of_beads, grown)), set(filter(is_of_beads, other))

    def _differing(self) -> set[str]:
        """The files that are not what they were, are new, or are gone."""
        query = "SELECT path, size, mtime, inode FROM files"
        known = {path: (size, mtime, inode) for path, size, mtime, inode in self._db.execute(query)}
        differing = {path for path, signature in walk(self._live) if known.pop(path, None) != signature}
        return differing | known.keys()

    def _look(self, grown: Iterable[str], other: set[str]) -> None:
        if len(other) > max(_MANY, self._files // 4):
            raise TooMuch
        packs = {path for path in other if is_pack(path)}
        anew = dict.fromkeys(sorted({bead_of(path) for path in other - packs}))
        for path in sorted(packs):
            anew |= dict.fromkeys(sorted(self._pack(path)))
        if len(anew) > max(_MANY, self._files // 4):
            raise TooMuch
        for path in sorted(grown):
            bead = bead_of(path)
            if bead not in anew and not self._appended(path):
                anew[bead] = None
        for path in other - packs:
            self._known_to(path)
        for bead in anew:
            self._anew(bead)

    def _pack(self, path: str) -> set[str]:
        """Look at a pack that came, went or changed; the answer is the beads that may be otherwise now."""
        before = {bead for (bead,) in self._db.execute("SELECT bead FROM packed WHERE pack = ?", (path,))}
        self._db.execute("DELETE FROM packed WHERE pack = ?", (path,))
        self._db.execute("DELETE FROM damage WHERE path = ?", (path,))
        self._files -= self._db.execute("DELETE FROM files WHERE path = ?", (path,)).rowcount
        looked = look_at_pack(self._shelf, self._top, path)
        if looked is None:
            return before
        file, beads, problems = looked
        self._files += 1
        self._has_packs = True
        self._db.execute("INSERT INTO files VALUES(?, ?, ?, ?, ?, ?, ?)", file)
        self._db.executemany("INSERT INTO packed VALUES(?, ?)", ((bead, path) for bead in beads))
        for damage in problems:
            self._batch.damage(damage, file.bead)
        return before | beads

    def _known_to(self, path: str) -> None:
        """See to it that the file has a row, so that its bead is folded from it too."""
        if self._file(path) is None:
            self._db.execute("INSERT INTO files VALUES(?, ?, 0, 0, 0, 0, 0)", (path, bead_of(path)))
            self._files += 1

    def _file(self, path: str) -> File | None:
        row = self._db.execute(f"{_FILE} WHERE path = ?", (path,)).fetchone()
        return File(*row) if row else None

    def _appended(self, path: str) -> bool:
        """Apply what was appended to a file of a known bead; if that is not all that happened, the answer is no."""
        known = self._file(path)
        if known is None:
            self._known_to(path)
            return False
        stored = self._stored(bead_of(path))
        found = read(self._top, path, known)
        if stored is None or found is None or found.file is None or self._packs(stored.bead.id):
            return False
        if found.file.inode != known.inode or found.file.size < known.read:
            return False
        events = sorted(found.events, key=lambda event: event.id)
        ids = [stored.latest, *(event.id for event in events)]
        if any(after <= before for before, after in itertools.pairwise(ids)):
            return False
        if path in self._damaged:
            self._db.execute("DELETE FROM damage WHERE path = ? AND line > ?", (path, known.lines))
        for damage in found.damage:
            self._batch.damage(damage, stored.bead.id)
        self._batch.file(found.file)
        if events:
            bead: Bead | None = stored.bead
            for event in events:
                bead = apply(bead, event)
            self._put(stored.bead.id, stored, bead, ids[-1], wordy=any(event.type in WORDY for event in events))
        return True

    def _anew(self, bead_id: str) -> None:
        """Fold a bead from all that there is of it."""
        if self._damaged:
            self._db.execute("DELETE FROM damage WHERE bead = ?", (bead_id,))
        paths = [path for (path,) in self._db.execute("SELECT path FROM files WHERE bead = ?", (bead_id,)).fetchall()]
        kept = self._shelf.kept(bead_id, self._packs(bead_id))
        events: list[Event] = []
        for path in sorted({*paths, *kept}):
            found = read(self._top, path, packed=kept.get(path, ()))
            if found is not None and found.file is not None:
                self._batch.file(found.file)
            elif path in paths:
                self._db.execute("DELETE FROM files WHERE path = ?", (path,))
                self._files -= 1
            for damage in found.damage if found else ():
                self._batch.damage(damage, bead_id)
            events += found.events if found else ()
        latest = max((event.id for event in events), default="")
        self._put(bead_id, self._stored(bead_id), folded(events, bead_id), latest, wordy=True)

    def _packs(self, bead_id: str) -> list[str]:
        """The packs that have events of a bead."""
        if not self._has_packs:
            return []
        query = "SELECT pack FROM packed WHERE bead = ? ORDER BY pack"
        return [pack for (pack,) in self._db.execute(query, (bead_id,))]

    def _stored(self, bead_id: str) -> _Stored | None:
        if bead_id in self._written:  # a bead with two files
            self._batch.flush()
        query = "SELECT number, latest, bead FROM beads JOIN stories USING (number) WHERE id = ?"
        row = self._db.execute(query, (bead_id,)).fetchone()
        return _Stored(row[0], row[1], decode(row[2])) if row else None

    def _put(self, bead_id: str, stored: _Stored | None, bead: Bead | None, latest: str, *, wordy: bool) -> None:
        """Replace a bead's rows, and note what others may see of that."""
        if stored is None and bead is None:
            return
        number = stored.number if stored else self._next_number()
        was = stored.bead if stored else None
        if was is not None and (bead is None or (bead.edges, bead.labels) != (was.edges, was.labels)):
            forget_links(self._db, number, bead_id)
        if bead is None:
            self._db.execute("DELETE FROM beads WHERE number = ?", (number,))
            self._db.execute("DELETE FROM stories WHERE number = ?", (number,))
        else:
            self._batch.bead(number, bead, latest, was)
        if wordy or bead is None:
            self._batch.unsearched(number)
        self._written.add(bead_id)
        before, after = (as_node(one) if one else None for one in (was, bead))
        if before != after:
            self._changes.append(Change(BeadId(bead_id), before, after))

    def _next_number(self) -> int:
        if not self._last:
            self._last = self._db.execute("SELECT ifnull(max(number), 0) FROM beads").fetchone()[0]
        self._last += 1
        return self._last


def make_searchable(db: sqlite3.Connection, state_dir: Path) -> None:
    """Put in what beads are found by that changed since the last search; most refreshes need not wait for that."""
    db.execute("BEGIN IMMEDIATE")
    try:
        batch = Batch(db)
        for (number,) in db.execute("SELECT number FROM unsearched").fetchall():
            db.execute("DELETE FROM search WHERE rowid = ?", (number,))
            row = db.execute(
                "SELECT id, bead FROM beads JOIN stories USING (number) WHERE number = ?", (number,)
            ).fetchone()
            if row is not None:
                batch.words(number, decode(row[1]), _events(db, f"{state_dir}/live", row[0]))
        batch.flush()
        db.execute("DELETE FROM unsearched")
    except BaseException:
        db.rollback()
        raise
    db.execute("COMMIT")


def _events(db: sqlite3.Connection, top: str, bead: str) -> Iterator[Event]:
    packs = [pack for (pack,) in db.execute("SELECT pack FROM packed WHERE bead = ?", (bead,)).fetchall()]
    kept = Shelf(top).kept(bead, packs)
    paths = [path for (path,) in db.execute("SELECT path FROM files WHERE bead = ?", (bead,)).fetchall()]
    for path in sorted({*paths, *kept}):
        found = read(top, path, packed=kept.get(path, ()))
        yield from found.events if found else ()


def _position(meta: dict[str, str]) -> Position | None:
    return Position(meta["generation"], int(meta["offset"]), meta["boot"]) if meta["generation"] else None
