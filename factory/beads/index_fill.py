"""The whole index from the files: a million events in half a minute, and memory that hardly grows with them."""

import contextlib
import gc
import os
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from factory.beads.changes import Changes, Position
from factory.beads.events import Event
from factory.beads.index_files import Shelf, bead_of, folded, is_pack, look_at_pack, read
from factory.beads.index_standing import stand_all
from factory.beads.index_tables import Batch, create, create_indices
from factory.beads.lookup import FORMAT, boot, folder, walk

_TOGETHER = 500
"""Beads written at a time."""


def fill(db: sqlite3.Connection, state_dir: Path) -> None:
    """Make the tables in the empty database ``db`` and put everything in that the files have."""
    position = Changes(state_dir).position()
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -32000", "temp_store = MEMORY"):
        db.execute(f"PRAGMA {pragma}")
    create(db)
    db.execute("BEGIN")
    with without_collector():
        _read_all(db, f"{state_dir}/live/beads")
        create_indices(db)
        stand_all(db)
    files = db.execute("SELECT count(*) FROM files").fetchone()[0]
    remember(db, str(state_dir), position, "", files)
    db.execute(f"PRAGMA user_version = {FORMAT}")
    db.execute("COMMIT")


@contextlib.contextmanager
def without_collector() -> Iterator[None]:
    """Nothing here makes cycles of objects, and looking for them among a million costs a third of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_all(db: sqlite3.Connection, live: str) -> None:
    top = os.path.dirname(live)
    batch = Batch(db)
    paths: dict[str, set[str]] = {}
    shelf = Shelf(top)
    packs: dict[str, list[str]] = {}
    for path in sorted(path for path, _ in walk(live)):
        if not is_pack(path):
            paths.setdefault(bead_of(path), set()).add(path)
            continue
        for packed in _pack(batch, shelf, top, path):
            packs.setdefault(packed, []).append(path)
    for number, name in enumerate(sorted({*paths, *packs}), start=1):
        events = _events(batch, shelf, top, name, paths.get(name, ()), packs.get(name, ()))
        bead = folded(events, name)
        if bead is not None:
            batch.bead(number, bead, max(event.id for event in events))
            batch.words(number, bead, events)
        if batch.pending >= _TOGETHER:
            batch.flush()
    batch.flush()


def _events(batch: Batch, shelf: Shelf, top: str, name: str, paths: Iterable[str], packs: Iterable[str]) -> list[Event]:
    """Everything that files and packs tell of a bead, noting what they look like."""
    kept = shelf.kept(name, packs)
    events: list[Event] = []
    for path in sorted({*paths, *kept}):
        found = read(top, path, packed=kept.get(path, ()))
        if found is None:
            continue
        if found.file is not None:
            batch.file(found.file)
        for damage in found.damage:
            batch.damage(damage, name)
        events += found.events
    return events


def _pack(batch: Batch, shelf: Shelf, top: str, path: str) -> set[str]:
    """Note a pack; the answer is the beads of which it has events."""
    looked = look_at_pack(shelf, top, path)
    if looked is None:
        return set()
    file, beads, problems = looked
    batch.file(file)
    for damage in problems:
        batch.damage(damage, file.bead)
    for bead in beads:
        batch.packed(bead, path)
    return beads


def remember(db: sqlite3.Connection, state_dir: str, position: Position | None, in_flux: str, files: int) -> None:
    """Note up to where in the journal the index has everything, what may not be whole, and of how many files."""
    head = _head(state_dir, position.generation) if position else ""
    facts: dict[str, object] = {
        "generation": position.generation if position else "",
        "offset": position.offset if position and head is not None else 0,
        "head": head or "",
        "boot": boot(),
        "folder": folder(f"{state_dir}/live/beads"),
        "unsettled": in_flux,
        "files": files,
    }
    rows = [(key, str(value)) for key, value in facts.items()]
    db.executemany("INSERT OR REPLACE INTO meta VALUES(?, ?)", rows)


def _head(state_dir: str, generation: str) -> str | None:
    """The first line of the journal, which tells it from later ones; ``None`` when another has begun already."""
    try:
        with open(f"{state_dir}/changes.jsonl", encoding="utf-8", errors="replace") as file:
            line = file.readline()
    except OSError:
        return None
    return line if generation and generation in line else None
