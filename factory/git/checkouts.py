"""Work trees of people in which a branch is checked out, and how their files follow when it moves.

Nobody's uncommitted work is ever touched: git's own two-tree merge decides whether the files can
follow, and when they cannot, the branch does not move. Every step works on a copy of the index while
we hold ``index.lock`` with our name in it; the real index changes in one step, at the very end.
"""

import contextlib
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from factory.base import process
from factory.base.ids import CommitId
from factory.git.candidates import scratch
from factory.git.command import ANY, git
from factory.git.desk import Desk, Entry
from factory.git.repository import Repository
from factory.git.stale import index_freed, index_locked

_BUSY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG", "sequencer")
"""What git leaves in a work tree's git directory while something is half done there."""

_RUNNING = "another git command is running there"
_SWITCHED = "it is on another branch now"
_LOST = "its .git file does not lead back here (git worktree repair mends that, git worktree prune forgets it)"
_NOWHERE = "nothing says where its files are"

_SHOWN = 5
_PAGE = 4096
"""A file whose writer was killed ends at a multiple of this, or is empty; what a person cut short rarely does."""


@dataclass(frozen=True)
class Checkout:
    """A work tree at ``root`` whose own git directory is ``git_dir``; ``busy`` says why nothing may move there."""

    root: Path
    git_dir: Path
    busy: str = ""


@dataclass(frozen=True)
class InTheWay:
    """Why the files at ``root`` cannot follow: local changes in ``paths``, or something half done there."""

    root: Path
    reason: str
    paths: tuple[str, ...] = ()


# ------------------------------------------------------------------ which there are


def checkouts(repo: Repository, branch: str) -> list[Checkout]:
    """Every work tree that has ``branch`` checked out, or is in the middle of a rebase or bisect of it."""
    ref = f"refs/heads/{branch}"
    found = []
    for root, git_dir, lost in _work_trees(repo):
        head = _head(git_dir)
        if root.is_dir() and (head == ref or (not head and ref in _set_aside(git_dir))):
            found.append(Checkout(root, git_dir, lost or _half_done(git_dir)))
    return found


def _work_trees(repo: Repository) -> Iterator[tuple[Path, Path, str]]:
    """Root and git directory of each, and what is wrong with it; read from git's files, as git may refuse to."""
    common = repo.common_dir
    said = repo.ask("config", "-z", "--get-regexp", r"^core\.(bare|worktree)$", ok=(0, 1)).out
    config = dict(row.partition("\n")[::2] for row in os.fsdecode(said).split("\0"))
    if "core.worktree" in config:
        yield Path(os.path.normpath(common / config["core.worktree"])), common, ""
    elif config.get("core.bare", "false").lower() in ("false", "no", "off", "0"):
        if repo.git_dir == common:
            yield repo.root, common, ""
        elif common.name == ".git":
            yield common.parent, common, ""
        else:
            yield common, common, _NOWHERE
    for pointer in sorted((common / "worktrees").glob("*/gitdir")):
        root = Path(os.path.normpath(pointer.parent / _line(pointer))).parent
        says = root / _line(root / ".git").removeprefix("gitdir:").strip()
        leads_back = os.path.realpath(says) == os.path.realpath(pointer.parent)
        yield root, pointer.parent, "" if leads_back else _LOST


def _line(path: Path) -> str:
    try:
        return os.fsdecode(path.read_bytes()).removesuffix("\n")
    except OSError:
        return ""


def _head(git_dir: Path) -> str:
    """The branch's full ref, or nothing on a detached head; with reftables git itself has to say it."""
    if (git_dir / "HEAD").is_symlink():
        return str((git_dir / "HEAD").readlink())
    ref = _line(git_dir / "HEAD").removeprefix("ref:").strip()
    if ref == "refs/heads/.invalid":
        ref = git(["symbolic-ref", "-q", "HEAD"], git_dir=git_dir, ok=ANY).text.strip()
    return ref if ref.startswith("refs/") else ""


def _set_aside(git_dir: Path) -> set[str]:
    """The branches that a rebase or bisect will come back to; the head is detached meanwhile."""
    rebased = {_line(git_dir / name / "head-name") for name in ("rebase-merge", "rebase-apply")}
    return rebased | {f"refs/heads/{_line(git_dir / 'BISECT_START').removeprefix('refs/heads/')}"}


def _half_done(git_dir: Path) -> str:
    names = [name for name in _BUSY if (git_dir / name).exists()]
    return f"git is in the middle of something there ({names[0]})" if names else ""


_Change = tuple[Entry | None, Entry | None]
"""What a path is in the old tree and in the new."""


# ------------------------------------------------------------------ look and follow


def in_the_way(
    repo: Repository,
    checkout: Checkout,
    old: CommitId,
    new: CommitId,
) -> InTheWay | None:
    """Whether something keeps the files of ``checkout`` from going from ``old`` to ``new``.

    Changes nothing and takes no lock, so it never makes a person's own git fail, nor fails because of it.
    """
    root = checkout.root
    busy = checkout.busy or _half_done(checkout.git_dir)
    if busy:
        return InTheWay(root, busy)
    if (checkout.git_dir / "index.lock").exists():
        return InTheWay(root, f"{_RUNNING} (index.lock)")
    try:
        with scratch(repo) as folder:
            desk = Desk.at(checkout.root, checkout.git_dir, folder)
            desk.refresh()
            finished = desk.move(old, new, "-n")
            if finished.code == 0:
                return None
            paths = _local(desk, old, new)
            return InTheWay(root, "local changes" if paths else _last_words(finished), paths)
    except (OSError, process.ProgramMissing) as error:
        return InTheWay(root, str(error))


def _local(desk: Desk, old: CommitId, new: CommitId) -> tuple[str, ...]:
    changed = set(_changes(desk, old, new))
    dirty = desk.names("diff-index", "-z", "--name-only", old)
    tracked = desk.names("ls-files", "-z")
    untracked = {path for path in changed - tracked if os.path.lexists(desk.root / path)}
    return tuple(sorted((changed & dirty) | untracked)[:_SHOWN])


def _last_words(finished: process.Finished) -> str:
    said = (finished.err or finished.out).decode("utf-8", "replace").strip()
    return said.splitlines()[-1] if said else f"git ended with {finished.code}"


def _changes(desk: Desk, old: CommitId, new: CommitId) -> dict[str, _Change]:
    """Each path that differs, with what it is in ``old`` and in ``new``."""
    said = desk.run(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none", old, new
    )
    words = os.fsdecode(said.out).split("\0")
    changes: dict[str, _Change] = {}
    for facts, path in zip(words[::2], words[1::2], strict=False):
        mode_before, mode_after, before, after, _ = facts.removeprefix(":").split()
        changes[path] = (
            Entry(mode_before, before) if before.strip("0") else None,
            Entry(mode_after, after) if after.strip("0") else None,
        )
    return changes


def follow(repo: Repository, checkout: Checkout, branch: str, old: CommitId, new: CommitId) -> InTheWay | None:
    """Bring index and files from ``old`` to ``new``; when that fails half-way, everything is taken back."""
    root, ref = checkout.root, f"refs/heads/{branch}"
    busy = checkout.busy or _half_done(checkout.git_dir)
    if busy:
        return InTheWay(root, busy)
    try:
        with index_locked(checkout.git_dir), scratch(repo) as folder:
            if _head(checkout.git_dir) != ref:
                return InTheWay(root, _SWITCHED)
            desk = Desk.at(checkout.root, checkout.git_dir, folder)
            desk.refresh()
            kept = _keep(desk, _changes(desk, old, new), folder / "kept")
            try:
                finished = desk.move(old, new)
                if finished.code == 0 and _head(checkout.git_dir) == ref:
                    desk.install()
                    return None
            except BaseException:
                _take_back(desk, kept, folder)
                raise
            _take_back(desk, kept, folder)
            return InTheWay(root, _last_words(finished) if finished.code else _SWITCHED)
    except FileExistsError:
        return InTheWay(root, f"{_RUNNING} (index.lock)")
    except (OSError, process.ProgramMissing) as error:
        return InTheWay(root, str(error))


_Seen = tuple[int, int, int, int]


@dataclass(frozen=True)
class _Kept:
    """What was there before: copies of the files, how they looked, and which folders existed."""

    changes: dict[str, _Change]
    copies: dict[str, tuple[Path, _Seen]]
    folders: set[Path]


def _keep(desk: Desk, changes: dict[str, _Change], aside: Path) -> _Kept:
    """Copies, for what wrote these files once need not work any more: a filter, a disk with room."""
    aside.mkdir()
    copies: dict[str, tuple[Path, _Seen]] = {}
    folders = set()
    for number, path in enumerate(changes):
        place = desk.root / path
        folders |= {folder for folder in _folders(desk, place) if folder.is_dir()}
        seen = _seen(place)
        if seen is not None and not _through_link(desk, place):
            shutil.copy2(place, aside / str(number), follow_symlinks=False)
            copies[path] = aside / str(number), seen
    return _Kept(changes, copies, folders)


def _seen(place: Path) -> _Seen | None:
    """What changes when somebody writes or replaces a file or a link; nothing for anything else."""
    with contextlib.suppress(OSError):
        status = place.lstat()
        if stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode):
            return status.st_ino, status.st_mtime_ns, status.st_size, status.st_mode
    return None


def _folders(desk: Desk, place: Path) -> list[Path]:
    """The folders between a path and the root, the innermost first."""
    return [folder for folder in place.parents if folder.is_relative_to(desk.root)][:-1]


def _through_link(desk: Desk, place: Path) -> bool:
    return any(folder.is_symlink() for folder in _folders(desk, place))


def _take_back(desk: Desk, kept: _Kept, folder: Path) -> None:
    """Put back what git changed, and nothing that a person changed; the real index never moved."""
    wrong = [path for path, change in kept.changes.items() if _is_changed(desk, kept, path, change)]
    for path in wrong:
        if _seen(desk.root / path) is not None:
            (desk.root / path).unlink()
    for path in wrong:
        for parent in _folders(desk, desk.root / path):
            if parent not in kept.folders:
                with contextlib.suppress(OSError):
                    parent.rmdir()
    for path in wrong:
        if path in kept.copies:
            (desk.root / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(kept.copies[path][0], desk.root / path, follow_symlinks=False)
    (folder / "before").mkdir()
    before = Desk.at(desk.root, desk.git_dir, folder / "before")
    if wrong and before.index.exists() and before.refresh():
        before.install()


def _is_changed(desk: Desk, kept: _Kept, path: str, change: _Change) -> bool:
    """Whether git has written or removed ``path`` since it was kept, and nobody has touched it after that."""
    seen = _seen(desk.root / path)
    if path in kept.copies and seen == kept.copies[path][1]:
        return False
    return _on_disk(desk, path, change, page=1) in ("new", "half", "gone")


# ------------------------------------------------------------------ after a kill


def mend(
    repo: Repository,
    checkout: Checkout,
    branch: str,
    old: CommitId,
    new: CommitId,
    *,
    back: bool,
    since: float = 0.0,
) -> bool:
    """Finish a ``follow`` that was killed half-way, or take it back; safe to repeat, ``False`` for not now.

    Files that a person changed since stay as they are; the index then has what the branch has there, so
    that they show as local changes. ``since`` is when the landing began, in seconds of wall time: an
    ``index.lock`` from before that is not its own.
    """
    if checkout.busy or _half_done(checkout.git_dir) or _head(checkout.git_dir) != f"refs/heads/{branch}":
        return False
    if not index_freed(checkout.git_dir, checkout.root, since):
        return False
    try:
        with index_locked(checkout.git_dir), scratch(repo) as folder:
            desk = Desk.at(checkout.root, checkout.git_dir, folder)
            if not _mended(desk, old, new, back=back):
                return False
            desk.install()
            return True
    except (OSError, process.ProgramMissing):
        return False


def _mended(desk: Desk, old: CommitId, new: CommitId, *, back: bool) -> bool:
    """Tell the index what is on disk, and let git's own merge do the rest; what somebody staged is kept."""
    known = desk.entries()
    rows: dict[str, Entry | None] = {}
    staged: dict[str, Entry | None] = {}
    for path, change in _changes(desk, old, new).items():
        before, after = change
        wanted, other = (before, after) if back else (after, before)
        entry = known.get(path)
        if entry is not None and entry.skipped:
            continue
        if not (_equal(entry, before) or _equal(entry, after)):
            staged[path] = entry
        state = _on_disk(desk, path, change)
        if state == "half":
            (desk.root / path).unlink()
        there = wanted if state in ("theirs", "old" if back else "new") else other
        if not _equal(entry, there):
            rows[path] = there
    origin, goal = (new, old) if back else (old, new)
    zero = "0" * len(old)
    entered = desk.enter(rows, zero) and desk.refresh()
    return entered and desk.move(origin, goal).code == 0 and desk.enter(staged, zero)


def _equal(one: Entry | None, other: Entry | None) -> bool:
    return one is other if one is None else one.is_same(other)


def _on_disk(
    desk: Desk, path: str, change: _Change, *, page: int = _PAGE
) -> Literal["old", "new", "gone", "half", "theirs"]:
    """Whose content is on disk: of one side, of none, the beginning of one in whole pages, or a person's."""
    old, new = change
    place = desk.root / path
    if _through_link(desk, place):
        return "theirs"
    try:
        mode = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "gone" if old and new else ("old" if new else "new")
    if stat.S_ISDIR(mode) and not _has_mode(change, "160000"):
        return "theirs" if old and new else ("old" if new else "new")
    if stat.S_ISLNK(mode):
        kind, content = "120000", os.fsencode(place.readlink())
    elif stat.S_ISREG(mode):
        kind, content = "100755" if mode & stat.S_IXUSR else "100644", place.read_bytes()
    else:
        return "theirs"
    if _is(desk, path, new, kind, content):
        return "new"
    if _is(desk, path, old, kind, content):
        return "old"
    stopped = kind != "120000" and len(content) % page == 0
    return "half" if stopped and any(_begins(desk, path, side, content) for side in (new, old)) else "theirs"


def _has_mode(change: _Change, mode: str) -> bool:
    return any(side is not None and side.mode == mode for side in change)


def _is(desk: Desk, path: str, side: Entry | None, kind: str, content: bytes) -> bool:
    """Whether ``content`` is that of ``side``, as it stands or after the filters that lead into git."""
    if side is None or side.mode != kind:
        return False
    digest = hashlib.sha1 if len(side.blob) == hashlib.sha1().digest_size * 2 else hashlib.sha256  # noqa: S324 - git's id
    if digest(b"blob %d\0" % len(content) + content).hexdigest() == side.blob:
        return True
    if kind == "120000":
        return False
    return desk.run("hash-object", "--stdin", f"--path={path}", stdin=content).text.strip() == side.blob


def _begins(desk: Desk, path: str, side: Entry | None, content: bytes) -> bool:
    if side is None or not side.mode.startswith("100"):
        return False
    whole = desk.run("cat-file", "--filters", f"--path={path}", side.blob)
    return whole.code == 0 and whole.out != content and whole.out.startswith(content)
