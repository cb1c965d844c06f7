"""Two copies of the beads made one: pure, by whole lines, with nothing lost, whatever the two went through.

A copy is a set of files. The union of two holds every line of both, each once, the first copy's in front.
There is no need for a common ancestor: lines never change, and they leave a bead's file only for
``packed/``, ``aside/`` or the file of an alias, where they are found again.

A bead is known by its ``bead_opened`` event. Where two share an id, the one whose event id is smaller keeps
it and the other gets an ``alias`` that every clone computes alike; its lines, and the ledgers of its
sessions, stand under the name of the alias, byte for byte. (Packs are not looked into for that: an id that a
packed bead has is known to whoever synced since, and is not drawn again.)
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from factory.base.ids import BASE32, BeadId, EventId, is_bead_id, is_event_id
from factory.beads.events import parse_line

_ALIAS_LENGTH = 10
_ASIDE = "beads/aside/"
_ARCHIVES = ("beads/packed/", _ASIDE)
_BEAD_PARTS = 3


class Copy(Protocol):
    """One side of a union."""

    def read(self, path: str) -> bytes | None:
        """The content of a file, or ``None`` when there is none; ``path`` as on the branch."""
        ...

    def named(self, bead: str) -> Iterable[str]:
        """The paths of all files of a bead of this name, whatever the day."""
        ...


@dataclass(frozen=True)
class Clash:
    """Two beads had one id: ``kept`` (its ``bead_opened``) kept it, ``moved`` is called ``alias`` now."""

    bead: BeadId
    kept: EventId
    moved: EventId
    alias: BeadId


@dataclass(frozen=True)
class United:
    """The files that the union must set (``None``: it has no such file), and the ids that two beads shared."""

    files: Mapping[str, bytes | None]
    clashes: tuple[Clash, ...] = ()


def alias(bead: str, opened: str) -> BeadId:
    """The name of a bead that lost ``bead`` to another: from its own ``bead_opened``, so the same everywhere."""
    number = int.from_bytes(hashlib.sha256(opened.encode()).digest()[:8], "big")
    letters = "".join(BASE32[(number >> (5 * place)) & 31] for place in range(_ALIAS_LENGTH))
    return BeadId(f"{bead.partition('-')[0]}-{letters}")


def bead_of(path: str) -> BeadId | None:
    """The bead whose file ``path`` is, or ``None`` for any other file."""
    parts = path.split("/")
    name = parts[-1].removesuffix(".jsonl")
    if len(parts) == _BEAD_PARTS and not path.startswith(_ARCHIVES) and path.endswith(".jsonl") and is_bead_id(name):
        return BeadId(name)
    return None


def is_plain(path: str) -> bool:
    """Whether ``path`` may be written below a folder: no part of it leads elsewhere."""
    return all(part not in ("", ".", "..") and part.lower() != ".git" for part in path.split("/")) and "\0" not in path


def lines(raw: bytes | None) -> list[bytes]:
    """The lines of a file, each with its newline; a last one without gets one."""
    rows = (raw or b"").split(b"\n")
    return [row + b"\n" for row in (rows if rows[-1] else rows[:-1])]


def key(line: bytes) -> bytes:
    """What makes two lines the same: their bytes, whichever end of line a text merge gave them.

    Not the event's id alone: where one id has two contents, both stay, so that the damage is seen in every clone.
    """
    return line.rstrip(b"\r\n")


def joined(first: Iterable[bytes], second: Iterable[bytes]) -> list[bytes]:
    """The lines of ``first`` and then those that only ``second`` has."""
    rows = list(first)
    known = {key(row) for row in rows}
    return [*rows, *(row for row in second if key(row) not in known)]


def opened(line: bytes) -> EventId | None:
    """The id of the ``bead_opened`` event in a line, or ``None``."""
    if b'"bead_opened"' not in line:
        return None
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if isinstance(record, dict) and record.get("type") == "bead_opened":
        id_ = record.get("id")
        return EventId(id_) if isinstance(id_, str) and is_event_id(id_) else None
    return None


def split(rows: Iterable[bytes]) -> list[tuple[EventId | None, list[bytes]]]:
    """The beads in a file's lines, by position: from a second ``bead_opened`` on, the lines are that one's.

    Lines before the first are its too. ``None`` stands for a file that opens no bead: what is left of a packed one.
    """
    parts: dict[EventId | None, list[bytes]] = {}
    current: EventId | None = None
    before: list[bytes] = []
    for row in rows:
        current = opened(row) or current
        (parts.setdefault(current, []) if current else before).append(row)
    if not parts:
        return [(None, before)] if before else []
    first = next(iter(parts))
    parts[first] = before + parts[first]
    return list(parts.items())


def unite(paths: Iterable[str], ours: Copy, theirs: Copy) -> United:
    """The union of two copies that differ in ``paths`` at most; only what must be set or may differ is answered."""
    return _Union(ours, theirs).of({path for path in paths if is_plain(path)})


@dataclass
class _Bead:
    """The lines of one bead so far, under the path where they were found first."""

    path: str
    rows: list[bytes]


@dataclass
class _Union:
    ours: Copy
    theirs: Copy
    files: dict[str, bytes | None] = field(default_factory=dict)
    clashes: list[Clash] = field(default_factory=list)
    gone: set[bytes] = field(default_factory=set)

    def of(self, paths: set[str]) -> United:
        names: dict[BeadId, set[str]] = {}
        for path in sorted(paths):
            name = bead_of(path)
            if name is not None:
                names.setdefault(name, set()).add(path)
            elif path.startswith(_ARCHIVES):
                self._archive(path)
        for path in sorted(paths):
            if bead_of(path) is None and not path.startswith(_ARCHIVES):
                self.files[path] = self._plain(path)
        moves = [move for name, found in names.items() for move in self._name(name, found)]
        for clash, bead in moves:
            self._move(clash, bead)
        return United(self.files, tuple(self.clashes))

    def _archive(self, path: str) -> None:
        """A pack, or what was set aside, is named by its content; its lines leave the files of beads."""
        mine, other = self.ours.read(path), self.theirs.read(path)
        if mine is None or other is None:
            content = other if mine is None else mine
            self.files[path] = content
            rows = (content or b"").split(b"\n")[:-1]
            if path.startswith(_ASIDE):  # never events: an event there is a second copy of one that counts
                rows = [row for row in rows if isinstance(parse_line(row), str)]
            self.gone.update(key(row) for row in rows)
        else:
            self.files[path] = mine if mine == other else b"".join(joined(lines(mine), lines(other)))

    def _plain(self, path: str) -> bytes | None:
        """The union of one file by itself: a ledger, what is left of a packed bead, or a file of no known kind."""
        mine, other = self.ours.read(path), self.theirs.read(path)
        if path.endswith(".jsonl"):
            return self._without_gone(joined(lines(mine), lines(other)))
        if mine is None or other is None:
            return other if mine is None else mine
        return b"".join(joined(lines(mine), lines(other)))

    def _without_gone(self, rows: Iterable[bytes]) -> bytes | None:
        return b"".join(row for row in rows if key(row) not in self.gone) or None

    def _name(self, name: BeadId, paths: set[str]) -> list[tuple[Clash, _Bead]]:
        """Settle who is called ``name``; the answer is who no longer is."""
        if any(self.ours.read(path) is None or self.theirs.read(path) is None for path in paths):
            paths = paths.union(self.ours.named(name), self.theirs.named(name))
        found = self._found(paths)
        known = sorted(id_ for id_ in found if id_ is not None)
        if not known:
            self.files.update((path, self._plain(path)) for path in paths)
            return []
        self.files.update((path, None) for path in paths)
        keeper = found[known[0]]
        if None in found:  # what is left of a packed bead cannot say whose it is
            keeper.rows = joined(keeper.rows, found[None].rows)
        self.files[keeper.path] = self._without_gone(keeper.rows)
        return [(Clash(name, known[0], moved, alias(name, moved)), found[moved]) for moved in known[1:]]

    def _found(self, paths: Iterable[str]) -> dict[EventId | None, _Bead]:
        found: dict[EventId | None, _Bead] = {}
        for path in sorted(paths):
            for copy in (self.ours, self.theirs):
                for id_, rows in split(lines(copy.read(path))):
                    if id_ in found:
                        found[id_].rows = joined(found[id_].rows, rows)
                    else:
                        found[id_] = _Bead(path, rows)
        return found

    def _move(self, clash: Clash, bead: _Bead) -> None:
        folder = bead.path.rpartition("/")[0]
        path = f"{folder}/{clash.alias}.jsonl"
        self.files[path] = self._without_gone(joined(lines(self._now(path)), bead.rows))
        for session in sorted(_sessions(bead.rows)):
            ledger, to = f"{folder}/{clash.bead}/{session}.jsonl", f"{folder}/{clash.alias}/{session}.jsonl"
            told = self._now(ledger)
            if told is not None:
                self.files[to] = self._without_gone(joined(lines(self._now(to)), lines(told)))
                self.files[ledger] = None
        self.clashes.append(clash)

    def _now(self, path: str) -> bytes | None:
        """The union's file as it is so far."""
        return self.files[path] if path in self.files else self._plain(path)


def _sessions(rows: Iterable[bytes]) -> set[str]:
    found = set()
    for row in rows:
        try:
            record = json.loads(row)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and isinstance(record.get("session"), str) and "/" not in record["session"]:
            found.add(record["session"])
    return found
