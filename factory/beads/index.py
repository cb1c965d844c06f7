"""The index of the beads: a SQLite database beside the live copy, derived from it and from nothing else.

Whoever asks gets it as it should be. Missing, stale, damaged, or of another version: it is brought up to
date or made anew; where the disk takes no index, one in memory answers. Start reading at ``index_tables``
(what stands in it), then ``index_update``; ``lookup`` asks it.
"""

import contextlib
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from factory.beads.index_fill import fill
from factory.beads.index_update import TooMuch, Update, make_searchable
from factory.beads.lookup import BROKEN, FILE, LOCK, Lookup, connect, join, let_go, signature

_ATTEMPTS = 3
_MAPPED = 1 << 30
"""Bytes of the index that are read without a system call each; a refresh looks at many places, far from each other."""

_PATIENCE_S = 10
"""How long who made a new index waits for those who have the old one open."""
_BUILDS_S = 120
"""How long who needs a new index waits for somebody else who is making one."""


class Index:
    """The index of the clone whose state is at ``state_dir``; any number of processes may use it at once."""

    def __init__(self, state_dir: Path) -> None:
        self._state_dir = state_dir
        self._path = state_dir / FILE
        self._live = f"{state_dir}/live/beads"

    def refreshed(self, *, everything: bool = False, searchable: bool = False, anew: bool = False) -> Lookup:
        """The index with all that the files have at this moment; close it soon.

        ``everything`` looks at every file, not only at those that a writer named; ``searchable`` is for
        questions about words; ``anew`` takes nothing over from the index that is there.
        """
        for attempt in range(_ATTEMPTS):
            before = self._which()
            with contextlib.suppress(OSError, TooMuch, *BROKEN):
                found = None
                if not (anew and attempt == 0):
                    found = self._brought_up(everything=everything, searchable=searchable)
                if found is not None:
                    return found
            try:
                self._replace(before)
            except (OSError, sqlite3.Error):
                break
        return self._in_memory()

    def _brought_up(self, *, everything: bool, searchable: bool) -> Lookup | None:
        joined = join(str(self._state_dir))
        if joined is None:
            return None
        db, lock = joined
        try:
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute(f"PRAGMA mmap_size = {_MAPPED}")
            Update(db, self._state_dir).run(everything=everything)
            if searchable:
                make_searchable(db, self._state_dir)
            db.execute("BEGIN")
            return Lookup(db, self._live, lock)
        except BaseException:
            db.close()
            let_go(lock)
            raise

    def _replace(self, before: int) -> None:
        """Put a new index in the place of the one whose inode was ``before``, unless somebody else has."""
        with self._alone("index.rebuild.lock", _BUILDS_S):
            if self._which() != before:
                return
            for left in self._state_dir.glob(f"{FILE}.*.tmp*"):  # by one that was killed
                left.unlink(missing_ok=True)
            made = self._path.with_name(f"{FILE}.{os.getpid()}.tmp")
            try:
                self._make(made)
                with self._alone(LOCK, _PATIENCE_S):  # what SQLite keeps beside an old one must not meet the new one
                    for suffix in ("-wal", "-shm", "-journal"):
                        self._path.with_name(FILE + suffix).unlink(missing_ok=True)
                    if self._path.is_dir() and not self._path.is_symlink():
                        self._path.rename(self._path.with_name(f"{FILE}.{time.time_ns()}.aside"))
                    made.replace(self._path)
            finally:
                made.unlink(missing_ok=True)

    def _make(self, path: Path) -> None:
        with contextlib.closing(connect(str(path))) as db:
            fill(db, self._state_dir)
            db.execute("PRAGMA journal_mode = WAL")
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def _alone(self, name: str, patience_s: float) -> Iterator[None]:
        """While nobody else holds the lock ``name``; raises ``OSError`` when that takes too long."""
        fd = os.open(self._state_dir / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            end = time.monotonic() + patience_s
            while True:
                try:
                    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > end:
                        raise
                    time.sleep(0.005)
            yield
        finally:
            os.close(fd)

    def _in_memory(self) -> Lookup:
        db = connect(":memory:")
        fill(db, self._state_dir)
        return Lookup(db, self._live)

    def _which(self) -> int:
        return signature(str(self._path))[2]
