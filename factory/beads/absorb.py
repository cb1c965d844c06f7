"""What somebody else did to the branch, brought in: into the live copy, and into a commit that has both sides.

A person may merge, rebase, pull, reset or edit ``factory/beads`` with git, and another clone's beads come by
``sync``. Whatever it was, the answer is ``union``: nothing that was ever acknowledged leaves.
Every function here is called under the store's lock.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.base.files import read_plain, replace_file, sync_folder, write_all
from factory.base.ids import BlobId, CommitId
from factory.beads.branch import BRANCH, PUBLISHED, REF, make_commit, whole_lines
from factory.beads.changes import Changes
from factory.beads.union import United, bead_of, is_plain, unite
from factory.git import objects
from factory.git.candidates import changed_paths
from factory.git.objects import Objects
from factory.git.repository import Move, Repository

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
    """The beads as the plain files have them; ``odd`` are those that are there and could not be read."""

    def __init__(self, live: Path) -> None:
        self.odd: set[str] = set()
        self._live = live
        self._names: dict[str, list[str]] | None = None

    def read(self, path: str) -> bytes | None:
        """The whole lines of a file, or ``None``; the store's lock is held, so a torn tail is a dead writer's."""
        try:
            content = read_plain(self._live.parent / path)
        except FileNotFoundError:
            return None
        except OSError:
            self.odd.add(path)
            return None
        whole = whole_lines(path, content)
        if len(whole) < len(content):
            torn = content[len(whole) :]
            name = f"{path.removeprefix('beads/').replace('/', '-')}.{hashlib.sha256(torn).hexdigest()[:12]}"
            replace_file(self._live / "aside" / name, torn)
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
            found += [inside + name for name in names if not name.startswith(".")]
        return found


def _by_name(paths: Iterable[str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for path in paths:
        bead = bead_of(path)
        if bead is not None:
            names.setdefault(bead, []).append(path)
    return names


@dataclass(frozen=True)
class Merged:
    """The union of two commits: the tree's changes against ``ours``, and what came of them."""

    paths: tuple[str, ...]
    ours: BranchCopy
    theirs: BranchCopy
    united: United

    @property
    def differs(self) -> bool:
        """Whether ``ours`` lacks anything."""
        return any(content != self.ours.read(path) for path, content in self.united.files.items())

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


def merge(repo: Repository, ours: CommitId, theirs: CommitId, message: str, *, sign: bool) -> CommitId:
    """A commit that has both for parents and every line of both; one of the two if it has the other already."""
    if repo.is_ancestor(theirs, ours):
        return ours
    if repo.is_ancestor(ours, theirs):
        return theirs
    return join(repo, merged(repo, ours, theirs), (ours, theirs), message, sign=sign)


def join(repo: Repository, found: Merged, parents: tuple[CommitId, CommitId], message: str, *, sign: bool) -> CommitId:
    """The commit of a union that was found; no ref moves."""
    new = Objects(repo, like=parents[0])
    tree = new.edited(parents[0], found.changes(new)).tree
    return make_commit(repo, new, tree, parents, message, by="", sign=sign)


def catch_up(repo: Repository, live: Path, changes: Changes, *, sign: bool) -> CommitId | None:
    """Take in what somebody else did to the branch; the answer is its head, ``None`` while there is none.

    In the usual case nobody did anything, which two small files say. A branch from which commits were
    taken (reset, rebased, squashed) gets them back as the second parent of a merge. Raises ``RefMoved``.
    """
    head, published = repo.peek(REF), repo.peek(PUBLISHED)
    if head == published:
        return head
    if head is None:
        assert published is not None
        repo.move_refs([Move(REF, published, None)], "factory: the beads again")
        return published
    if published is None:
        take_in(repo, live, changes, head, BranchCopy(repo, head).paths())
        repo.move_refs([Move(PUBLISHED, head, None)], "factory: taken in")
        return head
    whole = merge(repo, head, published, "beads: keep what left the branch\n", sign=sign)
    if whole != head:
        repo.move_refs([Move(REF, whole, head)], "factory: keep what left the branch")
    paths = {*changed_paths(repo, published, head), *changed_paths(repo, head, whole)}
    take_in(repo, live, changes, whole, paths)
    if whole != published:
        repo.move_refs([Move(PUBLISHED, whole, published)], "factory: taken in")
    return whole


def take_in(repo: Repository, live: Path, changes: Changes, head: CommitId, paths: Iterable[str]) -> frozenset[str]:
    """Bring what ``head`` has in ``paths`` into the live copy, which loses nothing by it.

    The answer is the paths of which nothing is left in the live copy, because it stands elsewhere now.
    """
    mine = LiveCopy(live)
    wanted = {path for path in paths if path.startswith("beads/") and is_plain(path)}
    listed = repo.ask("ls-tree", "-z", "--name-only", head, "beads/packed/", "beads/aside/").out
    archived = {path for folder in ("packed", "aside") for path in mine.paths(folder)}
    wanted |= archived.difference(os.fsdecode(listed).split("\0"))
    branch = BranchCopy(repo, head, wanted)
    united = unite(wanted, branch, mine)
    files = {path: content for path, content in united.files.items() if content != mine.read(path)}
    files = {
        path: content for path, content in files.items() if path not in mine.odd
    }  # it may hold what nothing else has
    lacking = {path for path, content in united.files.items() if content != branch.read(path)}
    for path in sorted(lacking.union(files)):  # what the branch lacks is committed next
        changes.announce(path, "", f"{bead_of(path) or path}: taken in from {BRANCH}", replaced=True)
    try:
        put(live, files)
    finally:
        changes.settle()
    return frozenset(path for path, content in united.files.items() if content is None)


def put(live: Path, files: Mapping[str, bytes | None]) -> None:
    """Replace, make and remove live files, durably; new ones first, so that what leaves a file is elsewhere before."""
    above = live.parent
    there = {path: content for path, content in files.items() if content is not None}
    new = {path for path in there if not (above / path).exists()}
    for paths in (new, there.keys() - new):
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
