"""Reading the beads of a clone: live files and sealed packs together, folded, and cheap to ask again."""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from factory.base.errors import UserError
from factory.base.files import read_plain
from factory.base.ids import BeadId, is_bead_id
from factory.beads.bead import Bead
from factory.beads.changes import Changes, Position
from factory.beads.events import Damage, Event, parse_lines
from factory.beads.fold import apply, fold
from factory.beads.graph import Node, as_node
from factory.beads.packs import Entry, Pack, Packs, together

_FEW = 1000
"""Files; in a store of no more than these every look is a look at all, so that an edit by hand is seen at once."""

_DAY = "2026-11-21"

_REMEMBERED = 64
"""Files of which the bytes stay in memory, so that of one that grew only what is new is read."""

_STORY = re.compile(r"beads/\d{4}-\d{2}-\d{2}/[^/]+\.jsonl")


class NoSuchBead(UserError):
    """There is no bead with this id."""

    def __init__(self, bead: str) -> None:
        super().__init__(f"there is no bead {bead}", "factory bead list shows what there is")
        self.bead = bead


class Unreadable(UserError):
    """A bead's file is there and cannot be read."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be read: {error.strerror or error}", "factory doctor says what to do")
        self.path = path


class Snapshot(NamedTuple):
    """Every bead as it is now, and every line that is not as it should be."""

    beads: Mapping[BeadId, Bead]
    damage: tuple[Damage, ...]


class _Seen(NamedTuple):
    signature: tuple[int, int, int]
    bead: Bead | None
    damage: tuple[Damage, ...]


class Stories:
    """The beads below ``live``; ``changes`` tells which of its files grew."""

    def __init__(self, live: Path, changes: Changes) -> None:
        self.live = live
        self.changes = changes
        self.packs = Packs(live)
        self._seen: dict[str, _Seen] = {}
        self._position: Position | None = None
        self._packed: Mapping[str, list[tuple[Pack, Entry]]] = {}
        self._places: dict[str, Path] = {}
        self._read: dict[str, tuple[bytes, Bead]] = {}

    def snapshot(self) -> Snapshot:
        """Fold what is new since the last call and return everything."""
        self._notice_packs()
        since = self.changes.since(self._position)
        if since is None or len(self._seen) <= _FEW:
            self._position = self.changes.position()
            self._seen = {path: self._look(path) for path in sorted({*self._paths(), *self._packed})}
        else:
            self._position = since.position
            for path in {note.path for note in since.notes if _STORY.fullmatch(note.path)}:
                self._seen[path] = self._look(path)
        beads: dict[BeadId, Bead] = {}
        for path, seen in self._seen.items():
            if seen.bead is not None:
                beads[seen.bead.id] = self._both(path, seen.bead) if seen.bead.id in beads else seen.bead
        damage = (damage for seen in self._seen.values() for damage in seen.damage)
        return Snapshot(beads, (*self.packs.damage(), *damage))

    def beads(self) -> Mapping[BeadId, Bead]:
        """Every bead as it is now."""
        return self.snapshot().beads

    def bead(self, bead: str) -> Bead:
        """One bead; raises ``NoSuchBead`` and ``Unreadable``."""
        self._notice_packs()
        path = self.relative(self.path(bead))
        seen = self._seen[path] = self._look(path)
        if seen.bead is None:
            self.raw(bead)
            raise NoSuchBead(bead)
        return seen.bead

    def _notice_packs(self) -> None:
        """Forget what was read when a pack came or went."""
        stories = self.packs.stories()
        if self._packed is not stories:
            self._packed, self._seen, self._position = stories, {}, None

    def _grew(self, path: Path, bead: Bead) -> None:
        """Remember what a live file that grew under the lock tells now, without reading it again."""
        known = self._seen[self.relative(path)]
        self._seen[self.relative(path)] = known._replace(signature=_signature(path.lstat()), bead=bead)

    def raw(self, bead: str) -> bytes:
        """The bytes of a bead's file, whatever they are, after those that are packed; raises ``NoSuchBead``."""
        path = self.path(bead)
        packed = [kept.data for kept in self.packs.events_of(bead)]
        try:
            return together([*packed, read_plain(path)])
        except FileNotFoundError as error:
            if packed:
                return together(packed)
            raise Unreadable(path, error) from error
        except OSError as error:
            raise Unreadable(path, error) from error

    def events(self, bead: str) -> list[Event]:
        """The events of one bead in file order; raises ``NoSuchBead``."""
        return [event for event in parse_lines(self.raw(bead), f"{bead}.jsonl") if isinstance(event, Event)]

    def ledger(self, bead: str) -> list[Event]:
        """The fine-grained records of every session of a bead, by time."""
        folder = self.path(bead).with_suffix("")
        files = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
        parts = [*(kept.data for kept in self.packs.ledgers_of(bead)), *(file.read_bytes() for file in files)]
        events = (item for data in parts for item in parse_lines(data, bead) if isinstance(item, Event))
        return [event for _, event in sorted({event.id: event for event in events}.items())]

    def path(self, bead: str) -> Path:
        """The live file of a bead, which is not there while all of it is packed; raises ``NoSuchBead``."""
        known = self._places.get(bead)
        if known is not None and os.path.lexists(known):
            return known
        if is_bead_id(bead):
            for day in reversed(self.days()):
                path = self.live / day / f"{bead}.jsonl"
                if os.path.lexists(path):
                    self._places[bead] = path
                    return path
            packed = self.packs.day_of(bead)
            if packed is not None:
                return self.live / packed / f"{bead}.jsonl"
        raise NoSuchBead(bead)

    def node(self, bead: BeadId) -> Node | None:
        """A bead as the graph sees it, read from its file; ``None`` when there is none."""
        try:
            return as_node(self.bead(bead))
        except (NoSuchBead, Unreadable):
            return None

    def days(self) -> list[str]:
        """The folders of days, in order."""
        try:
            names = [entry.name for entry in os.scandir(self.live)]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if len(name) == len(_DAY) and name[:1].isdigit())

    def _paths(self) -> Iterator[str]:
        for day in self.days():
            with contextlib.suppress(OSError):
                names = sorted(entry.name for entry in os.scandir(self.live / day))
                yield from (f"beads/{day}/{name}" for name in names if name.endswith(".jsonl"))

    def _look(self, path: str) -> _Seen:
        file = self.live.parent / path
        packed = [pack.kept(entry) for pack, entry in self._packed.get(path, ())]
        signature, raw = (0, 0, 0), [kept.data for kept in packed]
        try:
            signature = _signature(file.lstat())
            known = self._seen.get(path)
            if known is not None and known.signature == signature:
                return known
            raw.append(read_plain(file))
        except FileNotFoundError:
            pass
        except OSError as error:
            return _Seen((-1, -1, -1), None, (Damage(path, 0, error.strerror or "unreadable"),))
        if raw and not packed and (grown := self._further(path, raw[0])) is not None:
            return _Seen(signature, _named(grown, file.stem), ())
        items = list(parse_lines(together(raw), path)) if raw else []
        damage = [item for item in items if isinstance(item, Damage)]
        damage += [kept.damage for kept in packed if kept.damage is not None]
        bead = fold(item for item in items if isinstance(item, Event))
        if bead is not None and not damage and not packed:
            self._read.pop(path, None)
            self._read[path] = raw[0], bead
            if len(self._read) > _REMEMBERED:
                self._read.pop(next(iter(self._read)))
        return _Seen(signature, _named(bead, file.stem), tuple(damage))

    def _further(self, path: str, raw: bytes) -> Bead | None:
        """The bead of a file that begins with what was read of it before, if only later events came to that."""
        before, bead = self._read.get(path, (b"", None))
        if bead is None or not raw.startswith(before):
            return None
        for item in parse_lines(raw[len(before) :], path) if raw != before else ():
            if isinstance(item, Damage) or item.id <= bead.last:
                return None
            bead = apply(bead, item) or bead
        self._read[path] = raw, bead
        return bead

    def _both(self, path: str, bead: Bead) -> Bead:
        """What all files of one name tell, for the day that a bead was written down under two days."""
        name = PurePosixPath(path).name
        lines = [read_plain(self.live.parent / other) for other in self._paths() if PurePosixPath(other).name == name]
        lines += [kept.data for kept in self.packs.events_of(bead.id)]
        events = (item for item in parse_lines(together(lines), path) if isinstance(item, Event))
        return _named(fold(events), bead.id) or bead

    def relative(self, path: Path) -> str:
        """The path of a live file as it stands on the branch, e.g. ``beads/2026-11-21/fa-7k2m.jsonl``."""
        return f"beads{os.fspath(path)[len(os.fspath(self.live)) :]}"


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _named(bead: Bead | None, name: str) -> Bead | None:
    """The bead that a file tells of. Its name is the id: a bead that lost its id to another keeps its events."""
    return bead if bead is None or bead.id == name else replace(bead, id=BeadId(name))
