"""The sealed file of a month: many finished files in one, byte for byte, each found without reading the others.

``beads/packed/<YYYY-MM>.<12 hex of the file's sha256>.jsonl`` is a header line, then one row a file, all of
one width and sorted by bead (so that a reader bisects), then the files' own bytes, then the seal: the sha256
of everything before it. A row carries a checksum of itself, so that a damaged one misleads nobody, and the
sha256 of its file. Nothing here raises for what a damaged pack holds: what can be read is, the rest is ``Damage``.
"""

import bisect
import contextlib
import hashlib
import itertools
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from factory.beads.events import Damage

FOLDER = "packed"
"""Where packs stand, below ``beads/``."""

_NAME = re.compile(r"\d{4}-\d{2}\.[0-9a-f]{12}\.jsonl")
_PATH = re.compile(r"beads/\d{4}-\d{2}-\d{2}/[^/\0\n]+(/[^/\0\n]+)?\.jsonl")
_MOST_HEADER = 4096
_SEAL_BYTES = len(b'{"seal":"') + 64 + len(b'"}\n')


@dataclass(frozen=True)
class Entry:
    """One file in a pack; ``start`` counts from the first byte after the rows."""

    bead: str
    path: str
    start: int
    size: int
    sha256: str


@dataclass(frozen=True)
class Kept:
    """A file as a pack gave it back; ``damage`` when these are not the bytes that were packed."""

    path: str
    data: bytes
    damage: Damage | None = None


def bead_of(path: str) -> str:
    """The bead that a file of the branch belongs to: ``beads/2026-11-21/fa-7k2m/s1.jsonl`` to ``fa-7k2m``."""
    return path.split("/")[2].removesuffix(".jsonl")


def is_ledger(path: str) -> bool:
    """Whether a file of the branch is the ledger of a session."""
    return path.count("/") == 3  # noqa: PLR2004 - beads/day/bead/session


def together(parts: Sequence[bytes]) -> bytes:
    """Several versions of a file as one: each line once, in the order in which the parts have them."""
    if len(parts) == 1:
        return parts[0]
    return b"".join(
        dict.fromkeys(line + b"\n" for part in parts for line in part.removesuffix(b"\n").split(b"\n") if part)
    )


def seal(month: str, files: Mapping[str, bytes]) -> bytes:
    """The pack of ``files`` (path on the branch to bytes) of ``month``; the same files give the same bytes."""
    ordered = sorted(files, key=lambda path: (bead_of(path), path))
    starts = itertools.accumulate((len(files[path]) for path in ordered), initial=0)
    rows = [
        _row(Entry(bead_of(path), path, start, len(files[path]), hashlib.sha256(files[path]).hexdigest()))
        for path, start in zip(ordered, starts, strict=False)
    ]
    width = max(map(len, rows), default=0) + 1
    body = b"".join(files[path] for path in ordered)
    header = _json({"pack": 1, "month": month, "files": len(rows), "row": width, "bytes": len(body)}) + b"\n"
    table = b"".join(row.ljust(width - 1) + b"\n" for row in rows)
    whole = header + table + body + (b"" if body.endswith(b"\n") else b"\n")
    return whole + _sealed(whole)


def name_of(month: str, data: bytes) -> str:
    """The name that a pack has because of what it holds."""
    return f"{month}.{hashlib.sha256(data).hexdigest()[:12]}.jsonl"


def _sealed(whole: bytes) -> bytes:
    return _json({"seal": hashlib.sha256(whole).hexdigest()}) + b"\n"


def _json(record: Mapping[str, object]) -> bytes:
    return json.dumps(record, separators=(",", ":")).encode()


def _row(entry: Entry) -> bytes:
    facts = _json(vars(entry))
    return facts[:-1] + b',"crc":"%08x"}' % zlib.crc32(facts)


def _entry(raw: bytes) -> Entry | None:
    """What a row says, or ``None`` when it is not as it was written."""
    facts, _, check = raw.rstrip().rpartition(b',"crc":"')
    facts += b"}"
    if check != b'%08x"}' % zlib.crc32(facts):
        return None
    try:
        said = json.loads(facts)
        bead, path, sha256 = (str(said[name]) for name in ("bead", "path", "sha256"))
        entry = Entry(bead, path, int(said["start"]), int(said["size"]), sha256)
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    fits = min(entry.start, entry.size) >= 0 and _PATH.fullmatch(path) is not None and bead == bead_of(path)
    return entry if fits else None


@dataclass(frozen=True)
class _Shape:
    """Where the rows and the files of a pack begin; ``whole`` when the header and the size say the same."""

    rows: int
    row: int
    first_row: int
    body: int
    whole: bool


class Pack:
    """One sealed file, open for reading. It is never changed, so what was read once stays true."""

    def __init__(self, name: str, source: "int | bytes") -> None:
        self._source = source
        self._size = len(source) if isinstance(source, bytes) else os.fstat(source).st_size
        self.name = name
        self.file = f"beads/{FOLDER}/{name}"
        self._shape = self._look()

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open the pack at ``path``; raises ``OSError`` alone, when the file cannot be opened at all."""
        return cls(path.name, os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW))

    @classmethod
    def of(cls, data: bytes, name: str) -> Self:
        """The pack that these bytes are: one that stands on the branch and on no disk."""
        return cls(name, data)

    def __del__(self) -> None:
        source, self._source = getattr(self, "_source", b""), b""
        if isinstance(source, int):
            os.close(source)

    # ------------------------------------------------------------------ reading

    def paths(self) -> list[str]:
        """Every path whose row can be read, sorted by bead."""
        return [entry.path for entry in self.entries()]

    def entries(self) -> Iterator[Entry]:
        """Every row that can be read."""
        shape = self._shape
        table = self._bytes(shape.first_row, shape.body - shape.first_row)
        for start in range(0, len(table), shape.row or 1):
            entry = _entry(table[start : start + shape.row])
            if entry is not None:
                yield entry

    def find(self, bead: str) -> list[Entry]:
        """The rows of one bead, in about log2(rows) small reads."""
        try:
            first = bisect.bisect_left(range(self._shape.rows), bead, key=lambda index: self._at(index).bead)
            found = []
            for index in range(first, self._shape.rows):
                entry = self._at(index)
                if entry.bead != bead:
                    break
                found.append(entry)
        except _Unreadable:
            return [entry for entry in self.entries() if entry.bead == bead]
        return found

    def read(self, path: str) -> bytes:
        """The bytes of one file, as far as they are there; raises ``KeyError`` when the pack has no such file."""
        for entry in self.find(bead_of(path)):
            if entry.path == path:
                return self.kept(entry).data
        raise KeyError(path)

    def kept(self, entry: Entry) -> Kept:
        """The file of a row, with a ``Damage`` when the bytes are not those that were packed."""
        data = self._bytes(self._shape.body + entry.start, entry.size)
        if hashlib.sha256(data).hexdigest() == entry.sha256:
            return Kept(entry.path, data)
        return Kept(entry.path, data, Damage(self.file, 0, f"{entry.path} in it is not as it was packed"))

    # ------------------------------------------------------------------ proof

    def damage(self) -> list[Damage]:
        """What a look at the header and the size tells; cheap, and enough to see a pack that was cut short."""
        return [] if self._shape.whole else [Damage(self.file, 0, "this sealed file is damaged or cut short")]

    def check(self) -> list[Damage]:
        """Everything that is wrong with the pack: its name, its seal, its rows and each of its files."""
        problems = self.damage()
        data = self._bytes(0, self._size)
        if not _NAME.fullmatch(self.name) or name_of(self.name[:7], data) != self.name:
            problems.append(Damage(self.file, 0, "its name is not that of its content"))
        if data[-_SEAL_BYTES:] != _sealed(data[:-_SEAL_BYTES]):
            problems.append(Damage(self.file, 0, "its seal is broken"))
        entries = list(self.entries())
        if len(entries) != self._shape.rows or entries != sorted(entries, key=lambda entry: (entry.bead, entry.path)):
            problems.append(Damage(self.file, 0, "its table of contents is damaged"))
        kept = (self.kept(entry) for entry in entries)
        return [*problems, *(item.damage for item in kept if item.damage is not None)]

    # ------------------------------------------------------------------ bytes

    def _bytes(self, start: int, size: int) -> bytes:
        if isinstance(self._source, bytes):
            return self._source[start : start + size]
        parts = []
        size = min(size, self._size - start)
        with contextlib.suppress(OSError):
            while size > 0 and (part := os.pread(self._source, size, start)):
                parts.append(part)
                start, size = start + len(part), size - len(part)
        return b"".join(parts)

    def _at(self, index: int) -> Entry:
        entry = _entry(self._bytes(self._shape.first_row + index * self._shape.row, self._shape.row))
        if entry is None:
            raise _Unreadable
        return entry

    def _look(self) -> _Shape:
        line, newline, _ = self._bytes(0, _MOST_HEADER).partition(b"\n")
        try:
            said = json.loads(line)
            files, row, body = int(said["files"]), int(said["row"]), int(said["bytes"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return self._guess(len(line) + len(newline))
        if min(files, row, body) < 0:
            return self._guess(len(line) + len(newline))
        first = len(line) + 1
        start = first + files * row
        end = self._size - _SEAL_BYTES - start
        return _Shape(files, row, first, start, end in {body, body + 1})

    def _guess(self, first: int) -> _Shape:
        """The shape of a pack whose header is not readable, from the rows that are."""
        line, _, _ = self._bytes(first, _MOST_HEADER).partition(b"\n")
        width = len(line) + 1
        rows = 0
        while _entry(self._bytes(first + rows * width, width)) is not None:
            rows += 1
        return _Shape(rows, width, first, first + rows * width, whole=False)


class _Unreadable(Exception):
    """A row is damaged: whoever bisects must read them all."""


class Packs:
    """Every pack of a live copy; looks at the folder's list each time it is asked, and at a pack when it is new."""

    def __init__(self, live: Path) -> None:
        self._folder = live / FOLDER
        self._open: dict[str, tuple[tuple[int, int], Pack]] = {}
        self._stories: dict[str, list[tuple[Pack, Entry]]] | None = None
        self._damage: list[Damage] = []

    def stories(self) -> Mapping[str, list[tuple[Pack, Entry]]]:
        """Where the packed files of events are, by path; the same mapping again while no pack came or went."""
        packs = self.all()
        if self._stories is None:
            self._stories = {}
            for pack in packs:
                for entry in pack.entries():
                    if not is_ledger(entry.path):
                        self._stories.setdefault(entry.path, []).append((pack, entry))
        return self._stories

    def beads(self) -> frozenset[str]:
        """Every bead whose events are packed, some or all."""
        return frozenset(map(bead_of, self.stories()))

    def events_of(self, bead: str) -> list[Kept]:
        """The packed files of a bead's events: none, one, or several when it went on after it was packed."""
        return [kept for kept in self._of(bead) if not is_ledger(kept.path)]

    def ledgers_of(self, bead: str) -> list[Kept]:
        """The packed ledgers of a bead's sessions."""
        return [kept for kept in self._of(bead) if is_ledger(kept.path)]

    def day_of(self, bead: str) -> str | None:
        """The folder that a packed bead's own file stood in, and stands in again if the bead goes on."""
        return next((entry.path.split("/")[1] for pack in self.all() for entry in pack.find(bead)), None)

    def damage(self) -> list[Damage]:
        """What is wrong with the packs, as far as a look at each tells; ``Pack.check`` looks at every byte."""
        return [*(item for pack in self.all() for item in pack.damage()), *self._damage]

    def all(self) -> list[Pack]:
        """Every pack that can be opened, by name."""
        found: dict[str, tuple[tuple[int, int], Pack]] = {}
        self._damage = []
        for name, signature in self._listing():
            known = self._open.get(name)
            if known is not None and known[0] == signature:
                found[name] = known
                continue
            try:
                found[name] = (signature, Pack.open(self._folder / name))
            except OSError as error:
                self._damage.append(Damage(f"beads/{FOLDER}/{name}", 0, error.strerror or "unreadable"))
        if found.keys() != self._open.keys() or any(found[name] is not self._open[name] for name in found):
            self._stories = None
        self._open = found
        return [pack for _, pack in found.values()]

    def _of(self, bead: str) -> Iterator[Kept]:
        for pack in self.all():
            for entry in pack.find(bead):
                yield pack.kept(entry)

    def _listing(self) -> list[tuple[str, tuple[int, int]]]:
        rows = []
        with contextlib.suppress(OSError), os.scandir(self._folder) as entries:
            for entry in entries:
                if entry.name.endswith(".jsonl") and not entry.name.startswith("."):
                    with contextlib.suppress(OSError):
                        status = entry.stat(follow_symlinks=False)
                        rows.append((entry.name, (status.st_size, status.st_mtime_ns)))
        return sorted(rows)
