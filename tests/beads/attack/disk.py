"""The disk as it may be after a power cut, rebuilt from the trace of what a writer asked for.

What it assumes. Before the trace everything is on the disk. A write or a truncation is certain once an ``fsync`` or
``fdatasync`` of that file came after it (``sync_file_range`` proves nothing). What is not certain may be gone, whole,
there up to some byte, or there as NULs (a size that reached the disk before its blocks). A name is certain

- ``journal`` (ext4, XFS: names reach the disk in the order of a journal): once any ``fsync`` came after it; later
  names are there up to some moment and gone from then on;
- ``names`` (what POSIX promises, and ext4 for a new file): once its folder was synced after it or, for a file that
  was made, the file itself; each of the others is there or not, whatever its neighbours do. A rename is one step.

Either way nothing that happened after the cut is there. Writes through ``mmap`` are not seen: the writer has none
but SQLite's shared memory, which a start throws away. A call this model does not know is an error, not a guess.
"""

import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Literal

from .tracing import Call

Model = Literal["journal", "names"]
MODELS: tuple[Model, ...] = ("journal", "names")


@dataclass(frozen=True)
class Names:
    """A step in folders: entries that appear (``inode``) or go (``None``), all at once, at the ``at``-th call."""

    at: int
    entries: tuple[tuple[int, str, int | None], ...]


@dataclass(frozen=True)
class Bytes:
    """A step in a file: ``data`` at ``offset``, or, with ``data`` ``None``, a cut to ``offset`` bytes."""

    at: int
    inode: int
    offset: int
    data: bytes | None

    def applied(self, content: bytes) -> bytes:
        """What the file is after it."""
        if self.data is None:
            return content[: self.offset].ljust(self.offset, b"\0")
        return content[: self.offset].ljust(self.offset, b"\0") + self.data + content[self.offset + len(self.data) :]


@dataclass
class Disk:
    """What was asked of the disk below ``root``, in order; ``cut`` says what may be left of it."""

    root: Path
    folders: dict[int, dict[str, int]] = field(default_factory=dict)
    contents: dict[int, bytes] = field(default_factory=dict)
    steps: list[Names | Bytes] = field(default_factory=list)
    syncs: list[tuple[int, int | None]] = field(default_factory=list)
    _now: dict[int, dict[str, int]] = field(default_factory=dict)
    _sizes: dict[int, int] = field(default_factory=dict)
    _offsets: dict[tuple[int, int], int] = field(default_factory=dict)
    _next: int = 1

    def __post_init__(self) -> None:
        """Read what is there before the writer begins."""
        self._read(self.root, 0)
        self._now = {inode: dict(entries) for inode, entries in self.folders.items()}
        self._sizes = {inode: len(content) for inode, content in self.contents.items()}

    def _read(self, folder: Path, inode: int) -> None:
        self.folders[inode] = {}
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            child = self._new()
            self.folders[inode][entry.name] = child
            if entry.is_dir(follow_symlinks=False):
                self._read(Path(entry.path), child)
            else:
                self.contents[child] = Path(entry.path).read_bytes()

    def _new(self) -> int:
        self._next += 1
        return self._next - 1

    # ------------------------------------------------------------------ what was asked

    def ask(self, at: int, call: Call) -> None:
        """Take one call in; ``at`` grows from call to call."""
        if call.result < 0 or not call.is_to_write:
            return
        kind = call.name.removesuffix("2").removesuffix("at") if call.name != "truncate" else "truncate"
        known = getattr(self, f"_{kind}", None)
        inside = [path for path in (call.path, *call.paths) if path.startswith(f"{self.root}{os.sep}")]
        if known is not None:
            known(at, call)
        elif inside:
            raise NotImplementedError(f"this model of a disk does not know {call}")

    def _open(self, at: int, call: Call) -> None:
        place = self._place(call.path)
        if place is None:
            return
        parent, name = place
        inode = self._now[parent].get(name)
        if inode is None:
            inode = self._new()
            self.contents[inode] = b""
            self._sizes[inode] = 0
            self._rename_to(at, [(parent, name, inode)])
        elif "O_TRUNC" in call.words:
            self._cut_to(at, inode, 0)
        self._offsets[call.process, call.result] = -1 if "O_APPEND" in call.words else 0

    def _write(self, at: int, call: Call) -> None:
        inode = self._inode(call.path)
        if inode is None or call.fd is None:
            return
        key = (call.process, call.fd)
        offset = self._offsets.get(key, -1)
        start = self._sizes[inode] if offset < 0 else offset
        self._put(at, inode, start, call.texts[0][: call.result])
        if offset >= 0:
            self._offsets[key] = start + call.result

    def _pwrite64(self, at: int, call: Call) -> None:
        inode = self._inode(call.path)
        if inode is not None:
            self._put(at, inode, int(call.words.rpartition(", ")[2]), call.texts[0][: call.result])

    def _ftruncate(self, at: int, call: Call) -> None:
        inode = self._inode(call.path)
        if inode is not None:
            self._cut_to(at, inode, int(call.words.rpartition(", ")[2]))

    def _truncate(self, at: int, call: Call) -> None:
        inode = self._inode(call.paths[0])
        if inode is not None:
            self._cut_to(at, inode, int(call.words.rpartition(", ")[2]))

    def _mkdir(self, at: int, call: Call) -> None:
        place = self._place(call.paths[0])
        if place is not None:
            inode = self._new()
            self.folders[inode] = {}
            self._now[inode] = {}
            self._rename_to(at, [(*place, inode)])

    def _link(self, at: int, call: Call) -> None:
        old, place = self._inode(call.paths[0]), self._place(call.paths[1])
        if old is not None and place is not None:
            self._rename_to(at, [(*place, old)])

    def _unlink(self, at: int, call: Call) -> None:
        place = self._place(call.paths[0])
        if place is not None:
            self._rename_to(at, [(*place, None)])

    _rmdir = _unlink

    def _rename(self, at: int, call: Call) -> None:
        old, new = self._place(call.paths[0]), self._place(call.paths[1])
        if old is not None and new is not None:
            self._rename_to(at, [(*old, None), (*new, self._now[old[0]][old[1]])])

    def _fsync(self, at: int, call: Call) -> None:
        inode = self._inode(call.path)
        if inode is not None:
            self.syncs.append((at, inode))

    _fdatasync = _fsync

    def _sync(self, at: int, _: Call) -> None:
        self.syncs.append((at, None))

    _syncfs = _sync

    def _sync_file_range(self, at: int, call: Call) -> None:
        """Proves nothing."""

    def _rename_to(self, at: int, entries: list[tuple[int, str, int | None]]) -> None:
        self.steps.append(Names(at, tuple(entries)))
        _enter(self._now, tuple(entries))

    def _put(self, at: int, inode: int, offset: int, data: bytes) -> None:
        self.steps.append(Bytes(at, inode, offset, data))
        self._sizes[inode] = max(self._sizes[inode], offset + len(data))

    def _cut_to(self, at: int, inode: int, size: int) -> None:
        self.steps.append(Bytes(at, inode, size, None))
        self._sizes[inode] = size

    def _place(self, path: str) -> tuple[int, str] | None:
        """The folder and name of a path below the root."""
        if not path.startswith(f"{self.root}{os.sep}"):
            return None
        *folders, name = Path(path).relative_to(self.root).parts
        inode = 0
        for folder in folders:
            inode = self._now[inode][folder]
        return inode, name

    def _inode(self, path: str) -> int | None:
        if path == str(self.root):
            return 0
        place = None if path.endswith(" (deleted)") else self._place(path)
        return None if place is None else self._now[place[0]].get(place[1])

    # ------------------------------------------------------------------ what is left

    def cut(self, at: int, model: Model, chance: Random, into: Path) -> None:
        """Write into the empty folder ``into`` what may be on the disk if the power goes before call ``at``."""
        past = [step for step in self.steps if step.at < at]
        syncs = [(when, inode) for when, inode in self.syncs if when < at]
        folders = {inode: dict(entries) for inode, entries in self.folders.items()}
        for step in self._names_left([step for step in past if isinstance(step, Names)], syncs, model, chance):
            _enter(folders, step.entries)
        contents = dict(self.contents)
        for inode in {step.inode for step in past if isinstance(step, Bytes)}:
            steps = [step for step in past if isinstance(step, Bytes) and step.inode == inode]
            synced = max((when for when, which in syncs if which in (inode, None)), default=-1)
            contents[inode] = _left(self.contents[inode], steps, synced, chance)
        _lay_out(folders, contents, 0, into)

    def _names_left(
        self, steps: list[Names], syncs: list[tuple[int, int | None]], model: Model, chance: Random
    ) -> list[Names]:
        if model == "journal":
            last = max((when for when, _ in syncs), default=-1)
            later = [step.at for step in steps if step.at > last]
            until = chance.choice([last, *later, *later[-1:]])
            return [step for step in steps if step.at <= until]
        share = chance.choice([0.0, 0.5, 1.0])
        return [step for step in steps if self._is_certain(step, syncs) or chance.random() < share]

    def _is_certain(self, step: Names, syncs: list[tuple[int, int | None]]) -> bool:
        parent, _, made = step.entries[-1]
        own = {parent, None} | ({made} if len(step.entries) == 1 and made in self.contents else set())
        return any(when > step.at and inode in own for when, inode in syncs)


def _enter(folders: dict[int, dict[str, int]], entries: tuple[tuple[int, str, int | None], ...]) -> None:
    for parent, name, inode in entries:
        if inode is None:
            folders[parent].pop(name, None)
        else:
            folders[parent][name] = inode


def _left(content: bytes, steps: list[Bytes], synced: int, chance: Random) -> bytes:
    """What may be left of one file: all that was synced, and of the rest nothing, all, a part, or NULs."""
    for step in steps:
        if step.at < synced:
            content = step.applied(content)
    rest = [step for step in steps if step.at > synced]
    how = chance.choice(["nothing", "all", "part", "part", "nuls"])
    if how == "nothing" or not rest:
        return content
    if how == "all":
        kept, torn = rest, None
    else:
        number = chance.randrange(len(rest))
        kept, torn = rest[:number], rest[number]
    for step in kept:
        content = step.applied(content)
    if torn is None or torn.data is None:
        return content
    length = chance.randrange(len(torn.data) + 1)
    data = torn.data[:length] if how == "part" else bytes(length)
    return Bytes(torn.at, torn.inode, torn.offset, data).applied(content)


def _lay_out(folders: dict[int, dict[str, int]], contents: dict[int, bytes], inode: int, into: Path) -> None:
    into.mkdir(exist_ok=True)
    for name, child in folders[inode].items():
        if child in folders:
            _lay_out(folders, contents, child, into / name)
        else:
            (into / name).write_bytes(contents[child])
