"""The files of the live copy as the index reads them: whole, or only what was appended."""

import errno
import os
import stat
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.events import Damage, Event, parse_lines
from factory.beads.fold import fold
from factory.beads.index_tables import File
from factory.beads.lookup import NOWHERE, is_folder_of_beads, signature
from factory.beads.packs import Kept, Pack, is_ledger, together


class Read(NamedTuple):
    """What was read of a file, and what it looked like at that moment: ``None`` when only packs have it."""

    file: File | None
    events: list[Event]
    damage: list[Damage]


def is_of_beads(path: str) -> bool:
    """Whether a path on the branch is a file with events of a bead, or a pack: not a ledger, not set aside."""
    parts = path.split("/")
    return len(parts) == 3 and is_folder_of_beads(parts[1]) and path.endswith(".jsonl")  # noqa: PLR2004 - beads/day/bead


def is_pack(path: str) -> bool:
    """Whether a path on the branch is a pack."""
    return path.startswith("beads/packed/")


def bead_of(path: str) -> str:
    """The bead that a path on the branch is named after."""
    return path.rpartition("/")[2].removesuffix(".jsonl")


def read(top: str, path: str, known: File | None = None, packed: Sequence[Kept] = ()) -> Read | None:
    """The file at ``path`` below ``top``, from where ``known`` ends; ``None`` when it is gone.

    ``packed`` is what packs have of it: that is read with it, or instead of it. What cannot be read at all
    is one ``Damage`` on line 0.
    """
    bead = bead_of(path)
    parts = [kept.data for kept in packed]
    try:
        raw, status = _bytes(f"{top}/{path}", known.read if known else 0)
    except OSError as error:
        if os.path.lexists(f"{top}/{path}"):
            nothing = File(path, bead, *signature(f"{top}/{path}"), 0, 0)
            return Read(nothing, [], [Damage(path, 0, error.strerror or "unreadable")])
        if not parts:
            return None
        file = None
    else:
        lines, done = (known.lines, known.read) if known else (0, 0)
        whole = raw.rfind(b"\n") + 1
        signed = status.st_size, status.st_mtime_ns, status.st_ino
        file = File(path, bead, *signed, done + whole, lines + raw.count(b"\n", 0, whole))
        if known is not None and not raw:
            return Read(file, [], [])
        parts.append(raw)
    events, damage = parsed(together(parts), path)
    damage += [kept.damage for kept in packed if kept.damage is not None]
    return Read(file, events, [item._replace(line=item.line + known.lines) for item in damage] if known else damage)


class Shelf:
    """The packs below ``top``, each opened when it is asked for."""

    def __init__(self, top: str) -> None:
        self._top = Path(top)
        self._open: dict[str, Pack | None] = {}

    def kept(self, bead: str, packs: Iterable[str]) -> dict[str, list[Kept]]:
        """What ``packs`` have of the events of ``bead``, by the path that it had."""
        found: dict[str, list[Kept]] = {}
        for name in packs:
            pack = self.pack(name)
            for entry in pack.find(bead) if pack else ():
                if not is_ledger(entry.path):
                    found.setdefault(entry.path, []).append(pack.kept(entry))  # type: ignore[union-attr]
        return found

    def pack(self, path: str) -> Pack | None:
        """The pack at a path on the branch; ``None`` when it is gone or cannot be opened."""
        if path not in self._open:
            try:
                self._open[path] = Pack.open(self._top / path)
            except OSError:
                self._open[path] = None
        return self._open[path]


def look_at_pack(shelf: Shelf, top: str, path: str) -> tuple[File, set[str], list[Damage]] | None:
    """A pack as a file, the beads of which it has events, and what is wrong with it; ``None`` when it is gone."""
    signed = signature(f"{top}/{path}")
    if signed == NOWHERE:
        return None
    file = File(path, bead_of(path), *signed, 0, 0)
    pack = shelf.pack(path)
    if pack is None:
        return file, set(), [Damage(path, 0, unreadable(f"{top}/{path}"))]
    beads = {entry.bead for entry in pack.entries() if not is_ledger(entry.path)}
    return file, beads, pack.damage()


def unreadable(path: str) -> str:
    """Why a file cannot be opened, in the system's words."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK))
    except OSError as error:
        return error.strerror or "unreadable"
    return "unreadable"


def parsed(raw: bytes, path: str) -> tuple[list[Event], list[Damage]]:
    """The events of a file's bytes, and what is wrong with its lines."""
    events: list[Event] = []
    damage: list[Damage] = []
    for item in parse_lines(raw, path):
        if type(item) is Event:
            events.append(item)
        elif isinstance(item, Damage):
            damage.append(item)
    return events, damage


def folded(events: list[Event], name: str) -> Bead | None:
    """The bead that the events of a file tell of. The file's name is the id, also of a bead that lost its own."""
    bead = fold(events)
    return bead if bead is None or bead.id == name else replace(bead, id=BeadId(name))


def _bytes(path: str, start: int) -> tuple[bytes, os.stat_result]:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "Not a plain file")
        size = status.st_size - start
        raw = os.pread(fd, max(size, 1), start)
        while len(raw) < size and (more := os.pread(fd, size - len(raw), start + len(raw))):
            raw += more
        return raw[: max(size, 0)], status
    finally:
        os.close(fd)
