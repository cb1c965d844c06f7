"""Objects read in one call of git and written in process: no index, no work tree, durable before a ref may name them.

A commit of one file in a branch of 100,000 takes about a millisecond here and 40 to 200 with git's own index
(``benchmarks/``). Whoever writes calls ``Objects.flush`` before a ref moves.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from factory.base.files import sync_folder, write_all
from factory.base.ids import BlobId, CommitId, TreeId
from factory.git.command import git
from factory.git.repository import Repository

_LEVEL = 1
"""zlib's; events are small and git packs them anew in its own time."""

_LOOSE_MOST = 200
"""From here on one pack: a loose object costs an fsync each, about 0.1 to 5 ms."""

_HELD_BYTES = 32 << 20
"""What is gathered in memory before it is written as a pack."""

_TRIES = 50
"""``git gc`` removes empty fan-out folders, so the folder may be gone again before the file is in it (facts C.1)."""

_PACK_KINDS = {"commit": 1, "tree": 2, "blob": 3}

_CRUD = " .,:;<>\"\\'"
"""What git strips from both ends of a name (ident.c)."""


class Person(NamedTuple):
    """Who a commit is by."""

    name: str
    email: str


class Found(NamedTuple):
    """An object as git has it."""

    id: str
    kind: str
    content: bytes


def read(repo: Repository, names: Sequence[str]) -> list[Found | None]:
    """The object that each name (an id, ``commit:path``, a ref) stands for, or ``None``; one git process for all."""
    if not names:
        return []
    asked = [os.fsencode(name) for name in names]
    said = git(
        ["cat-file", "--batch", "--buffer", "-z"],
        git_dir=repo.common_dir,
        stdin=b"".join(name + b"\0" for name in asked),
    ).out
    answers: list[Found | None] = []
    place = 0
    for name in asked:
        if any(said.startswith(name + suffix, place) for suffix in (b" missing\n", b" ambiguous\n")):
            answers.append(None)
            place = said.index(b"\n", place + len(name)) + 1
            continue
        end = said.index(b"\n", place)
        id_, kind, size = said[place:end].decode().split(" ")
        place = end + 1 + int(size)
        answers.append(Found(id_, kind, said[end + 1 : place]))
        place += 1
    return answers


class Row(NamedTuple):
    """A line of a tree: ``mode`` as git writes it (``100644``, ``40000``), and what it names."""

    mode: bytes
    id: bytes

    @property
    def is_tree(self) -> bool:
        """Whether it names a folder."""
        return self.mode == b"40000"


def parse_tree(raw: bytes, width: int) -> dict[bytes, Row]:
    """The rows of a tree object whose ids are ``width`` bytes long (20 or 32)."""
    rows = {}
    place = 0
    while place < len(raw):
        end = raw.index(0, place)
        mode, name = raw[place:end].split(b" ", 1)
        place = end + 1 + width
        rows[name] = Row(mode, raw[end + 1 : place])
    return rows


class Edited(NamedTuple):
    """A tree that was made from another: ``before`` is that one's id, ``changed`` the paths that differ."""

    tree: TreeId
    before: TreeId | None
    changed: frozenset[str]


class Objects:
    """New objects, gathered until ``flush`` writes them durably. Cheap to make, for one thread."""

    def __init__(self, repo: Repository, like: str | None = None) -> None:
        self._repo = repo
        self._folder = repo.common_dir / "objects"
        self._algorithm = _algorithm(repo, like)
        self._new: dict[str, tuple[str, bytes]] = {}
        self._size = 0

    @property
    def width(self) -> int:
        """The bytes of an id: 20 or 32."""
        return 20 if self._algorithm == "sha1" else 32

    def blob(self, content: bytes) -> BlobId:
        """A file's content."""
        return BlobId(self._add("blob", content))

    def tree(self, rows: Mapping[bytes, Row]) -> TreeId:
        """A folder; the order is git's: a folder's name sorts as if it ended with a slash."""
        ordered = sorted(rows.items(), key=lambda item: item[0] + b"/" if item[1].is_tree else item[0])
        return TreeId(self._add("tree", b"".join(row.mode + b" " + name + b"\0" + row.id for name, row in ordered)))

    def commit(
        self, tree: TreeId, parents: Iterable[CommitId], message: str, *, author: Person, committer: Person
    ) -> CommitId:
        """A commit made now."""
        now = time.time()
        minutes = time.localtime(now).tm_gmtoff // 60
        sign, (hours, rest) = "-" if minutes < 0 else "+", divmod(abs(minutes), 60)
        moment = f"{int(now)} {sign}{hours:02d}{rest:02d}"
        lines = [
            f"tree {tree}",
            *(f"parent {parent}" for parent in parents),
            f"author {_ident(author)} {moment}",
            f"committer {_ident(committer)} {moment}",
            "",
            message.replace("\0", ""),
        ]
        return CommitId(self._add("commit", "\n".join(lines).encode("utf-8", "surrogateescape")))

    def edited(
        self,
        base: CommitId | None,
        changes: Mapping[str, BlobId | None],
        may: Callable[[str, str], bool] = lambda _, __: True,
    ) -> Edited:
        """The tree of ``base`` with each path set to its blob, or taken out; reads the touched folders in one call.

        A file stays as it is for which ``may``, asked with its path and its present blob, says no.
        """
        folders = {""}
        for path in changes:
            parts = path.split("/")[:-1]
            folders.update("/".join(parts[: depth + 1]) for depth in range(len(parts)))
        ordered = sorted(folders)
        found = read(self._repo, [f"{base}:{folder}" for folder in ordered]) if base else [None] * len(ordered)
        trees = {
            folder: parse_tree(item.content, self.width) if item and item.kind == "tree" else {}
            for folder, item in zip(ordered, found, strict=True)
        }
        changed = set()
        for path, blob in changes.items():
            folder, _, name = path.rpartition("/")
            row = Row(b"100644", bytes.fromhex(blob)) if blob else None
            old = trees[folder].get(os.fsencode(name))
            if old != row and (old is None or may(path, old.id.hex())):
                _put(trees[folder], os.fsencode(name), row)
                changed.add(path)
        for folder in sorted(folders - {""}, key=lambda folder: -folder.count("/")):
            above, _, name = folder.rpartition("/")
            rows = trees[folder]
            _put(trees[above], os.fsencode(name), Row(b"40000", bytes.fromhex(self.tree(rows))) if rows else None)
        return Edited(self.tree(trees[""]), TreeId(found[0].id) if found[0] else None, frozenset(changed))

    def flush(self) -> None:
        """Make everything that was gathered durable; a few as loose objects, many as one pack."""
        new, self._new, self._size = self._new, {}, 0
        if len(new) > _LOOSE_MOST:
            self._write_pack(new)
            return
        touched = {self._write_loose(id_, kind, content) for id_, (kind, content) in new.items()}
        for folder in touched:
            with contextlib.suppress(FileNotFoundError):  # gc packed what was in it
                sync_folder(folder)
        if touched:
            sync_folder(self._folder)

    def id_of(self, kind: str, content: bytes) -> str:
        """The id that an object has or would have."""
        return hashlib.new(self._algorithm, _header(kind, content) + content, usedforsecurity=False).hexdigest()

    def _add(self, kind: str, content: bytes) -> str:
        id_ = self.id_of(kind, content)
        if id_ not in self._new:
            self._new[id_] = (kind, content)
            self._size += len(content)
            if self._size > _HELD_BYTES:
                gathered, self._new, self._size = self._new, {}, 0
                self._write_pack(gathered)
        return id_

    def _write_loose(self, id_: str, kind: str, content: bytes) -> Path:
        path = self._folder / id_[:2] / id_[2:]
        if _is_there(path):
            return path.parent
        packed = zlib.compress(_header(kind, content) + content, _LEVEL)
        beside = path.parent / f"tmp_obj_{os.urandom(8).hex()}"
        for last in range(_TRIES):
            try:
                path.parent.mkdir(exist_ok=True)
                fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                try:
                    write_all(fd, packed)
                    os.fchmod(fd, 0o444)
                    os.fsync(fd)
                finally:
                    os.close(fd)
                beside.replace(path)
                break
            except FileNotFoundError:
                if last == _TRIES - 1:
                    raise
            except BaseException:
                with contextlib.suppress(OSError):
                    beside.unlink()
                raise
        return path.parent

    def _write_pack(self, objects: Mapping[str, tuple[str, bytes]]) -> None:
        parts = [b"PACK" + struct.pack(">II", 2, len(objects))]
        for kind, content in objects.values():
            parts += [_pack_header(_PACK_KINDS[kind], len(content)), zlib.compress(content, _LEVEL)]
        body = b"".join(parts)
        trailer = hashlib.new(self._algorithm, body, usedforsecurity=False).digest()
        git(["index-pack", "--stdin"], git_dir=self._repo.common_dir, stdin=body + trailer)


def _algorithm(repo: Repository, like: str | None) -> str:
    """The hash by which the repository names objects; told from the length of a known id where there is one."""
    if like:
        return "sha1" if len(like) == 40 else "sha256"  # noqa: PLR2004 - the hex digits of a SHA-1
    return repo.ask("rev-parse", "--show-object-format").text.strip()


def _header(kind: str, content: bytes) -> bytes:
    return f"{kind} {len(content)}".encode() + b"\0"


def _pack_header(kind: int, size: int) -> bytes:
    """Type and size of a pack's entry: four bits of size, then seven a byte (gitformat-pack(5))."""
    octets = bytearray([kind << 4 | size & 15])
    size >>= 4
    while size:
        octets[-1] |= 0x80
        octets.append(size & 0x7F)
        size >>= 7
    return bytes(octets)


def _is_there(path: Path) -> bool:
    """Whether a loose object stands at ``path``, made durable and young again, so that no ``gc`` prunes it now.

    An empty one is what a power cut left of another git's; it counts as absent.
    """
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.fstat(fd).st_size > 0:
                os.fsync(fd)
                with contextlib.suppress(PermissionError):
                    os.utime(path)
                return True
        finally:
            os.close(fd)
    return False


def _put(rows: dict[bytes, Row], name: bytes, row: Row | None) -> None:
    if row is None:
        rows.pop(name, None)
    else:
        rows[name] = row


def _ident(person: Person) -> str:
    """``Name <email>`` without what would break the line, as git itself writes it."""
    name, email = (
        "".join(letter for letter in text if letter not in "<>\n\0").strip(_CRUD)
        for text in (person.name, person.email)
    )
    return f"{name or 'factory'} <{email}>"
