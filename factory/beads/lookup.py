"""Questions to the index of the beads, when it has everything that the files have.

A command that only reads ends here, and answers in about the time that Python takes to start: so this
module imports nothing but what is named below, has no type annotations at run time, and knows neither
the fold nor git. What the index holds, and how it comes to hold it, is ``factory.beads.index``'s.
"""

from __future__ import annotations

import fcntl
import os

try:
    import _sqlite3 as sqlite3  # the package around it imports datetime and more, for what is not needed here
except ImportError:  # another Python than CPython
    import sqlite3  # type: ignore[no-redef]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FORMAT = 1
"""The ``user_version`` of an index that this program can read; any other is made anew."""

FILE = "index.sqlite"
LOCK = "index.lock"
"""Held shared by whoever has the index open, and alone by who puts another in its place."""

SMALL = 1000
"""Up to so many files, all are looked at in each call, so that an edit by hand shows at once; 2 us each."""

_BUSY_S = 20

Signature = tuple[int, int, int]
"""Size, time of the last change in nanoseconds, inode: what tells a file from what it was."""

NOWHERE = (-1, -1, -1)
"""The signature of a file that cannot be looked at."""

_COLUMNS = (
    "number", "id", "state", "priority", "opened", "title", "agent", "note", "live",
    "blocker", "via", "reason", "until",
)  # fmt: skip
_SELECT = "SELECT " + ", ".join(f"beads.{column}" for column in _COLUMNS) + " FROM beads"  # noqa: S608 - our own


BROKEN = (sqlite3.Error, ValueError, KeyError, TypeError, IndexError, AssertionError)
"""What a database that was damaged may answer; a damaged row need not be one that SQLite notices."""


class Stale(Exception):
    """Something changed that the index does not have yet: refresh it first."""


class Unknown(Exception):
    """There is no bead with this id, or no such state."""


class Row:
    """A bead as lists show it. ``note`` is its reason as far as it alone tells; ``reason`` is why it is blocked."""

    __slots__ = _COLUMNS

    number: int
    id: str
    state: str
    priority: int
    opened: str
    title: str
    agent: str
    note: str
    live: int
    blocker: str | None
    via: str | None
    reason: str
    until: str

    def __init__(self, values: tuple[object, ...]) -> None:
        for name, value in zip(_COLUMNS, values, strict=True):
            setattr(self, name, value)

    def is_blocked(self, now: str) -> bool:
        """Whether it is live and cannot go on at ``now``, a time as events have it."""
        return bool(self.live) and (self.blocker is not None or self.until > now)

    def is_ready(self, now: str) -> bool:
        """Whether it could be worked on at ``now``."""
        return self.state == "open" and not self.is_blocked(now)

    def why(self, now: str) -> str:
        """Why it is where it is, as far as the beads tell."""
        return self.reason if self.is_blocked(now) else self.note


class Lookup:
    """The index at one moment. Close it soon: who wants to put another index in its place waits for that."""

    def __init__(self, db: sqlite3.Connection, live: str, lock: int = -1) -> None:
        self.db = db
        self._live = live
        self._lock = lock
        self.is_looked_at = self.is_last = False
        self.meta = dict(db.execute("SELECT key, value FROM meta").fetchall())

    def close(self) -> None:
        """Let go of the file; may be called twice."""
        self.db.close()
        lock, self._lock = self._lock, -1
        let_go(lock)

    # ------------------------------------------------------------------ is it all there

    def is_fresh(self, state_dir: str) -> bool:
        """Whether nothing was written since it was refreshed, and no write was under way then."""
        said = self.meta
        if said.get("unsettled") or said.get("boot") != boot() or said.get("folder") != folder(self._live):
            return False
        if not _is_unchanged(f"{state_dir}/changes.jsonl", said.get("head", ""), int(said.get("offset", -1))):
            return False
        return int(said["files"]) > SMALL or self._is_as_recorded()

    def require_unchanged(self, beads: Iterable[str]) -> None:
        """Raise ``Stale`` if a file of one of ``beads`` is not what it was; small stores were looked at already."""
        if self.is_looked_at or int(self.meta["files"]) <= SMALL:
            return
        parent = os.path.dirname(self._live)
        for bead in beads:
            for path, *known in self.db.execute("SELECT path, size, mtime, inode FROM files WHERE bead = ?", (bead,)):
                if signature(f"{parent}/{path}") != tuple(known):
                    raise Stale

    def _is_as_recorded(self) -> bool:
        known = {path: tuple(sig) for path, *sig in self.db.execute("SELECT path, size, mtime, inode FROM files")}
        return known == dict(walk(self._live))

    # ------------------------------------------------------------------ questions

    def ready(self, now: str, limit: int | None = None) -> list[Row]:
        """The open beads that nothing blocks, by priority and then age."""
        return self._rows("state = 'open' AND blocker IS NULL AND until <= ?", [now], limit)

    def blocked(self, now: str, limit: int | None = None) -> list[Row]:
        """The open beads that are not ready, in the same order."""
        return self._rows("state = 'open' AND (blocker IS NOT NULL OR until > ?)", [now], limit)

    def listed(self, states: Iterable[str], label: str | None, limit: int | None, *, finished: bool) -> list[Row]:
        """The beads in one of ``states`` (none named: all live ones, or with ``finished`` all), by priority and age.

        Raises ``Unknown`` for what is no state.
        """
        wanted = list(states)
        if not set(wanted) <= set(self.meta["states"].split()):
            raise Unknown(*wanted)
        terms: list[str] = []
        if wanted:
            terms.append(f"state IN ({', '.join('?' * len(wanted))})")
        elif not finished:
            terms.append("live = 1")
        values = list(wanted)
        if label is not None:
            terms.append("number IN (SELECT number FROM labels WHERE label = ?)")
            values.append(label)
        return self._rows(" AND ".join(terms) or "1", values, limit)

    def row(self, bead: str) -> Row:
        """One bead; raises ``Unknown``."""
        found = self.db.execute(f"{_SELECT} WHERE id = ?", (bead,)).fetchone()
        if found is None:
            raise Unknown(bead)
        return Row(found)

    def story(self, number: int) -> str:
        """The whole bead with this number, as ``factory.beads.codec`` writes it."""
        return str(self.db.execute("SELECT bead FROM stories WHERE number = ?", (number,)).fetchone()[0])

    def found(self, words: str, limit: int | None = None) -> list[tuple[Row, str]]:
        """The beads whose title, text or decisions have all of ``words``, best first, with the place that has them."""
        wanted = _query(words)
        if not wanted:
            return []
        columns = _SELECT.replace(" FROM beads", ", snippet(search, -1, '', '', '…', 12) FROM search, beads")
        statement = (
            f"{columns} WHERE search MATCH ? AND beads.number = search.rowid ORDER BY rank, beads.opened LIMIT ?"
        )
        hits = self.db.execute(statement, (wanted, _most(limit))).fetchall()
        return [(Row(hit[:-1]), hit[-1]) for hit in hits]

    def is_searchable(self) -> bool:
        """Whether the words of every bead stand in the index as the bead is now."""
        return self.db.execute("SELECT 1 FROM unsearched").fetchone() is None

    def counts(self) -> dict[str, int]:
        """How many beads are in each state."""
        return dict(self.db.execute("SELECT state, count(*) FROM beads GROUP BY state").fetchall())

    def parts(self) -> list[tuple[str, str]]:
        """Every ``part_of`` edge, as child and parent."""
        return self.db.execute("SELECT source, target FROM edges WHERE kind = 'part_of'").fetchall()

    def damage(self) -> list[tuple[str, int, str]]:
        """Every line that is not as a writer leaves it: file, line, what is wrong."""
        return self.db.execute("SELECT path, line, reason FROM damage ORDER BY path, line").fetchall()

    def _rows(self, where: str, values: list[str], limit: int | None) -> list[Row]:
        statement = f"{_SELECT} WHERE {where} ORDER BY priority, opened, id LIMIT ?"
        return [Row(found) for found in self.db.execute(statement, [*values, _most(limit)])]


def opened(state_dir: str) -> Lookup | None:
    """The index of the clone whose state is at ``state_dir``; ``None``: it must be refreshed first."""
    lookup = None
    try:
        lookup = attach(state_dir)
        if lookup is not None and lookup.is_fresh(state_dir):
            return lookup
    except (OSError, *BROKEN):  # whatever is wrong with it, a refresh mends it
        pass
    if lookup is not None:
        lookup.close()
    return None


def attach(state_dir: str) -> Lookup | None:
    """The index as it stands, in a transaction; ``None`` when there is none of this program's format."""
    held = join(state_dir)
    if held is None:
        return None
    db, lock = held
    try:
        db.execute("BEGIN")
        return Lookup(db, f"{state_dir}/live/beads", lock)
    except BaseException:
        db.close()
        let_go(lock)
        raise


def join(state_dir: str) -> tuple[sqlite3.Connection, int] | None:
    """A connection to the index and the lock that goes with it; ``None`` when there is none of this format."""
    path = f"{state_dir}/{FILE}"
    if not os.path.isfile(path):
        return None
    lock = hold(state_dir)
    db = None
    try:
        db = connect(path)
        try:
            version = db.execute("PRAGMA user_version").fetchone()[0]
        except sqlite3.OperationalError:
            if os.access(state_dir, os.W_OK) or os.path.exists(f"{path}-wal"):
                raise
            db.close()
            db = _connect_read_only(path)
            version = db.execute("PRAGMA user_version").fetchone()[0]
        if version == FORMAT:
            found = db, lock
            db, lock = None, -1
            return found
        return None
    finally:
        if db is not None:
            db.close()
        let_go(lock)


def connect(path: str) -> sqlite3.Connection:
    """A connection that waits for others, and opens and ends transactions only when told."""
    return sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)


def _connect_read_only(path: str) -> sqlite3.Connection:
    """On a disk that nobody can write, where SQLite can make none of the files that readers share."""
    quoted = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    return sqlite3.connect(f"file:{quoted}?immutable=1", uri=True, isolation_level=None)


def hold(state_dir: str) -> int:
    """A share of the lock that says that the index is open, as a file descriptor; -1 where the disk gives none."""
    try:
        fd = os.open(f"{state_dir}/{LOCK}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(fd, fcntl.LOCK_SH)
    except OSError:
        return -1
    return fd


def let_go(lock: int) -> None:
    """Give back what ``hold`` gave."""
    if lock >= 0:
        os.close(lock)


def walk(live: str) -> Iterator[tuple[str, Signature]]:
    """Every file that may hold events of beads, by its path on the branch, with its signature."""
    for day in _entries(live):
        if is_folder_of_beads(day.name):
            for entry in _entries(day.path):
                if entry.name.endswith(".jsonl"):
                    yield f"beads/{day.name}/{entry.name}", _signed(entry)


def _entries(path: str) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(path))
    except OSError:
        return []


def is_folder_of_beads(name: str) -> bool:
    """Whether a folder of the live copy has the files of a day's beads, or the packs."""
    return name == "packed" or (len(name) == len("2026-11-21") and name[:1].isdigit())


def _signed(entry: os.DirEntry[str]) -> Signature:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError:
        return NOWHERE
    return status.st_size, status.st_mtime_ns, status.st_ino


def signature(path: str) -> Signature:
    """What the file at ``path`` is told by now."""
    try:
        status = os.lstat(path)
    except OSError:
        return NOWHERE
    return status.st_size, status.st_mtime_ns, status.st_ino


def folder(live: str) -> str:
    """What tells the live folder from one that was made in its place."""
    return str(signature(live)[2])


def boot() -> str:
    """What tells this run of the machine from others: after a power cut, a file may be shorter than it was."""
    try:
        fd = os.open("/proc/sys/kernel/random/boot_id", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(fd, 64).decode().strip()
    finally:
        os.close(fd)


def _is_unchanged(path: str, head: str, size: int) -> bool:
    """Whether the file still begins with ``head`` and is ``size`` bytes long; none there is as an empty one."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return size == 0
    try:
        begin = head.encode()
        return os.fstat(fd).st_size == size and os.pread(fd, len(begin), 0) == begin
    finally:
        os.close(fd)


def _query(words: str) -> str:
    """``words`` as an FTS5 query for all of them, whatever quotes and operators stand in them; the last may go on."""
    wanted = [word.replace("\0", "").replace('"', '""') for word in words.split()]
    kept = [word for word in wanted if any(letter.isalnum() for letter in word)]
    return " AND ".join(f'"{word}"' for word in kept) + "*" * bool(kept)


def _most(limit: int | None) -> int:
    return -1 if limit is None else limit
