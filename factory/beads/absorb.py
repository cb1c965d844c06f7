"""What somebody else did to the branch, brought in: into the live copy, and into a commit that has both sides.

A person may merge, rebase, pull, reset or edit ``factory/beads`` with git, and another clone's beads come by
``sync``. Whatever it was, the answer is ``union``: nothing that was ever acknowledged leaves.
Every function here is called under the store's lock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.base.files import replace_file, sync_folder, write_all
from factory.base.ids import BlobId, CommitId
from factory.beads.union import Clash, United, bead_of, is_plain, unite
from factory.git import objects
from factory.git.candidates import changed_paths
from factory.git.objects import Objects
from factory.git.repository import Repository

_FEW = 32
"""Up to here each file is synced by itself; beyond, all disks at once, which costs the same for any number."""


class BranchCopy:
    """The beads as a commit has them; ``paths`` are read ahead in one call."""

    def __init__(self, repo: Repository, commit: CommitId | None, paths: Iterable[str] = ()) -> None:
        self._repo = repo
        self._commit = commit
        self._read: dict[str, bytes | None] = {}
        self._names: dict[str, list[str]] | None = None
        self.expect(paths)

    def expect(self, paths: Iterable[str]) -> None:
        """Read ``paths`` ahead."""
        new = sorted(set(paths) - self._read.keys())
        names = [f"{self._commit}:{path}" for path in new] if self._commit else []
        found = objects.read(self._repo, names) if names else [None] * len(new)
        for path, item in zip(new, found, strict=True):
            self._read[path] = item.content if item and item.kind == "blob" else None

    def read(self, path: str) -> bytes | None:
        """The content of a file, or ``None``."""
        if path not in self._read:
            self.expect([path])
        return self._read[path]

    def named(self, bead: str) -> Iterable[str]:
        """The files of beads of this name."""
        if self._names is None:
            self._names = _by_name(self.paths())
        return self._names.get(bead, ())

    def paths(self) -> list[str]:
        """Every file."""
        if self._commit is None:
            return []
        listed = self._repo.ask("ls-tree", "-r", "-z", "--name-only", self._commit).out
        return [os.fsdecode(name) for name in listed.split(b"\0") if name]


class LiveCopy:
    """The beads as the plain files have them."""

    def __init__(self, live: Path, aside: Path) -> None:
        self._live = live
        self._aside = aside
        self._names: dict[str, list[str]] | None = None

    def read(self, path: str) -> bytes | None:
        """The whole lines of a file, or ``None``; a torn tail was never acknowledged and is set aside."""
        try:
            content = (self._live.parent / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        whole = whole_lines(path, content)
        if len(whole) < len(content):
            replace_file(self._aside / f"{path.rpartition('/')[2]}.{len(whole)}.torn", content[len(whole) :])
        return whole

    def named(self, bead: str) -> Iterable[str]:
        """The files of beads of this name."""
        if self._names is None:
            self._names = _by_name(self.paths())
        return self._names.get(bead, ())

    def paths(self, below: str = "") -> list[str]:
        """Every file below a folder of the live copy."""
        found = []
        for folder, _, names in os.walk(self._live / below):
            inside = f"beads/{Path(folder).relative_to(self._live).as_posix()}/".replace("/./", "/")
            found += [inside + name for name in names]
        return found


def _by_name(paths: Iterable[str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for path in paths:
        bead = bead_of(path)
        if bead is not None:
            names.setdefault(bead, []).append(path)
    return names


def whole_lines(path: str, content: bytes) -> bytes:
    """What of a live file may be committed: a last line without its newline is a write that was cut short."""
    if not path.endswith(".jsonl") or path.startswith("beads/aside/"):
        return content
    return content[: content.rfind(b"\n") + 1]


@dataclass(frozen=True)
class Merged:
    """The union of two commits: the tree's changes against ``ours``, and what came of them."""

    paths: tuple[str, ...]
    ours: BranchCopy
    theirs: BranchCopy
    united: United

    def changes(self, new: Objects) -> dict[str, BlobId | None]:
        """What must be set on top of ``ours``."""
        return {
            path: None if content is None else new.blob(content)
            for path, content in self.united.files.items()
            if content != self.ours.read(path)
        }


def merged(repo: Repository, ours: CommitId, theirs: CommitId) -> Merged:
    """The union of two commits of the branch, whatever their histories have to do with each other."""
    paths = changed_paths(repo, ours, theirs)
    mine, other = BranchCopy(repo, ours, paths), BranchCopy(repo, theirs, paths)
    return Merged(paths, mine, other, unite(paths, mine, other))


@dataclass(frozen=True)
class Absorbed:
    """The live files that were replaced, and the ids that two beads shared."""

    paths: frozenset[str] = frozenset()
    clashes: tuple[Clash, ...] = ()


def absorb(repo: Repository, live: Path, head: CommitId, paths: Iterable[str]) -> tuple[dict[str, bytes | None], United]:
    """What the live copy must get so that it holds all that ``head`` has in ``paths`` and all that it has itself."""
    mine = LiveCopy(live, repo.state_dir / "aside")
    wanted = {path for path in paths if path.startswith("beads/") and is_plain(path)}
    wanted.update(path for folder in ("packed", "aside") for path in mine.paths(folder))
    branch = BranchCopy(repo, head, wanted)
    united = unite(wanted, branch, mine)
    return {path: content for path, content in united.files.items() if content != mine.read(path)}, united


def put(live: Path, files: Mapping[str, bytes | None]) -> None:
    """Replace, make and remove live files, durably; what only grows comes before what loses lines to it."""
    above = live.parent
    there = {path: content for path, content in files.items() if content is not None}
    first = [path for path in there if not (above / path).exists()]
    for paths in (first, [path for path in there if path not in set(first)]):
        if len(paths) <= _FEW:
            for path in paths:
                replace_file(above / path, there[path])
        else:
            _put_many({above / path: there[path] for path in paths})
    for path in files.keys() - there.keys():
        (above / path).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (above / path).parent.rmdir()


def _put_many(files: Mapping[Path, bytes]) -> None:
    beside = {path: path.with_name(f".{path.name}.{os.getpid()}.tmp") for path in files}
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(beside[path], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            write_all(fd, content)
        finally:
            os.close(fd)
    os.sync()
    for path, made in beside.items():
        made.replace(path)
    for folder in {path.parent for path in files} | {path.parent.parent for path in files}:
        sync_folder(folder)
