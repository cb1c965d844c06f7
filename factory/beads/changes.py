"""What changed, told cheaply: a small journal of which live files grew, so that nobody has to look at all of them.

A writer that holds the store's lock announces a file before it appends to it and settles afterwards. What
stands after the last settling is in flux, or a dead writer's: readers look at it again the next time. The
journal is never synced, so after a cut of the power it proves nothing: a position names the boot it was
taken in, and whoever comes with one of another boot is told to look at everything.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from factory.base.files import write_all
from factory.base.ids import random_base32

ROTATE_BYTES = 4 * 1024 * 1024
"""Who is further behind than two journals of this size looks at all files once."""

_SETTLED = b'{"settled":1}\n'


class Position(NamedTuple):
    """How far somebody has read: in which journal, to which byte, since which start of the machine."""

    generation: str
    offset: int
    boot: str


class Note(NamedTuple):
    """The live file ``path`` (as on the branch) grew, or was ``replaced``: by whom, and what that says."""

    path: str
    by: str
    says: str
    replaced: bool


class Since(NamedTuple):
    """What was noted after a position, and the position to ask from next time; ``in_flux`` may not be whole yet."""

    notes: tuple[Note, ...]
    position: Position
    in_flux: frozenset[str]


class Changes:
    """The journal of one clone, in its state folder."""

    def __init__(self, state_dir: Path, rotate_bytes: int = ROTATE_BYTES) -> None:
        self._rotate_bytes = rotate_bytes
        self._path = state_dir / "changes.jsonl"
        self._old = state_dir / "changes.old.jsonl"

    # ------------------------------------------------------------------ writing, under the store's lock

    def announce(self, path: str, by: str, says: str, *, replaced: bool = False) -> None:
        """Say that the live file ``path`` is about to grow, or to be replaced; raises ``OSError``."""
        record: dict[str, object] = {"path": path, "by": by, "says": says}
        if replaced:
            record["replaced"] = True
        self._write(json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def in_flux(self) -> frozenset[str]:
        """The paths whose writer died before it settled; the holder of the lock asks, so nobody else is at it."""
        try:
            with self._path.open("rb") as file:
                if file.seek(0, os.SEEK_END) >= len(_SETTLED):
                    file.seek(-len(_SETTLED), os.SEEK_END)
                    if file.read() == _SETTLED:
                        return frozenset()
                file.seek(0)
                return _notes(file.read())[2]
        except FileNotFoundError:
            return frozenset()

    def settle(self) -> None:
        """Say that everything that was announced is on the disk, or was taken back."""
        with contextlib.suppress(OSError):  # then readers look at those files once more
            self._write(_SETTLED)

    def restart(self) -> None:
        """Begin anew, because the live copy was replaced as a whole: every reader looks at everything once."""
        self._path.unlink(missing_ok=True)
        self._old.unlink(missing_ok=True)
        self.settle()

    def _write(self, line: bytes) -> None:
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        try:
            size = os.fstat(fd).st_size
            if size > self._rotate_bytes and line != _SETTLED:
                os.close(fd)
                self._path.replace(self._old)
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o644)
                size = 0
            start = b"" if size else json.dumps({"generation": random_base32(16)}).encode() + b"\n"
            torn = b"\n" if size and os.pread(fd, 1, size - 1) != b"\n" else b""
            write_all(fd, start + torn + line)
        finally:
            os.close(fd)

    # ------------------------------------------------------------------ reading, at any time

    def since(self, position: Position | None) -> Since | None:
        """What was noted after ``position``; ``None`` when that cannot be told, and everything must be looked at."""
        if position is None or position.boot != boot():
            return None
        raw, generation = _read(self._path, position)
        if raw is None:
            before, old = _read(self._old, position)
            if before is None or old != position.generation:
                return None
            begun, generation = _read(self._path, None)
            if begun is None:
                return None
            found = _notes(before)[0]
            notes, settled, in_flux = _notes(begun)
            return Since((*found, *notes), Position(generation, settled, position.boot), in_flux)
        notes, settled, in_flux = _notes(raw)
        return Since(notes, Position(generation, position.offset + settled, position.boot), in_flux)

    def position(self) -> Position | None:
        """Where the journal ends, for somebody who is about to look at everything; ``None`` while there is none."""
        raw, generation = _read(self._path, None)
        if raw is None:
            return None
        return Position(generation, _notes(raw)[1], boot())

    def beginning(self) -> Position | None:
        """Where the journal begins; ``None`` while there is none."""
        raw, generation = _read(self._path, None)
        return None if raw is None else Position(generation, 0, boot())

    def stamp(self) -> tuple[int, int]:
        """A value that changes with every note; costs one look at one file."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return 0, 0
        return status.st_ino, status.st_size


def boot() -> str:
    """Which start of the machine this is; where that is not told, an empty text."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:  # noqa: PTH123 - on the path of every read command
            return file.read().strip()
    except OSError:
        return ""


def _read(path: Path, position: Position | None) -> tuple[bytes | None, str]:
    """What the journal at ``path`` holds from ``position`` on, and its generation; nothing if it is another one."""
    try:
        with path.open("rb") as file:
            first = file.readline()
            generation = _generation(first)
            size = os.fstat(file.fileno()).st_size
            if position is not None:
                if generation != position.generation or size < position.offset:
                    return None, generation
                file.seek(position.offset)
            else:
                file.seek(0)
            return file.read(), generation
    except OSError:
        return None, ""


def _generation(line: bytes) -> str:
    with contextlib.suppress(ValueError):
        record = json.loads(line)
        if isinstance(record, dict):
            return str(record.get("generation", ""))
    return ""


def _notes(raw: bytes) -> tuple[tuple[Note, ...], int, frozenset[str]]:
    """The notes, how many bytes from the start everything is settled, and the paths that are not."""
    notes: list[Note] = []
    settled = settled_at = offset = 0
    for line in _whole_lines(raw):
        offset += len(line)
        if line == _SETTLED:
            settled_at, settled = offset, len(notes)
            continue
        note = _note(line)
        if note is not None:
            notes.append(note)
        elif settled == len(notes):
            settled_at = offset
    return tuple(notes), settled_at, frozenset(note.path for note in notes[settled:])


def _whole_lines(raw: bytes) -> Iterator[bytes]:
    *lines, _ = raw.split(b"\n")
    yield from (line + b"\n" for line in lines)


def _note(line: bytes) -> Note | None:
    with contextlib.suppress(ValueError):
        record = json.loads(line)
        if isinstance(record, dict) and all(isinstance(record.get(key), str) for key in ("path", "by", "says")):
            return Note(record["path"], record["by"], record["says"], record.get("replaced") is True)
    return None
