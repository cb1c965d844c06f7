"""The files of the live copy as the index reads them: whole, or only what was appended."""

import errno
import os
import stat
from dataclasses import replace
from typing import NamedTuple

from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.events import Damage, Event, parse_lines
from factory.beads.fold import fold
from factory.beads.index_tables import File
from factory.beads.lookup import is_folder_of_beads, signature


class Read(NamedTuple):
    """What was read of a file, and what it looked like at that moment."""

    file: File
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


def read(top: str, path: str, known: File | None = None) -> Read | None:
    """The file at ``path`` below ``top``, from where ``known`` ends; ``None`` when it is gone.

    What cannot be read at all is one ``Damage`` on line 0.
    """
    bead = bead_of(path)
    try:
        raw, status = _bytes(f"{top}/{path}", known.read if known else 0)
    except OSError as error:
        if not os.path.lexists(f"{top}/{path}"):
            return None
        nothing = File(path, bead, *signature(f"{top}/{path}"), 0, 0)
        return Read(nothing, [], [Damage(path, 0, error.strerror or "unreadable")])
    lines, done = (known.lines, known.read) if known else (0, 0)
    whole = raw.rfind(b"\n") + 1
    file = File(
        path, bead, status.st_size, status.st_mtime_ns, status.st_ino, done + whole, lines + raw.count(b"\n", 0, whole)
    )
    if known is not None and not raw:
        return Read(file, [], [])
    events, damage = parsed(raw, path)
    return Read(file, events, [item._replace(line=item.line + lines) for item in damage] if lines else damage)


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
