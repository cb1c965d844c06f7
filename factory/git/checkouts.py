"""Work trees of people in which a branch is checked out, and how their files follow when it moves.

Nobody's uncommitted work is ever touched: git's own two-tree merge decides whether the files can
follow, and when they cannot, the branch does not move.
"""

import contextlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from factory.base.ids import CommitId
from factory.git.candidates import changed_paths
from factory.git.command import clean_environment, git
from factory.git.repository import Repository

_BUSY = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply", "BISECT_LOG", "sequencer")
"""What git leaves in a work tree's git directory while something is half done there."""

_SHOWN = 5


@dataclass(frozen=True)
class Checkout:
    """A work tree at ``root`` whose own git directory is ``git_dir``."""

    root: Path
    git_dir: Path

    def git(self, *arguments: str, stdin: bytes = b"", ok: tuple[int, ...] = (0,)) -> bytes | None:
        """What git prints for this work tree; ``None`` when its exit code is in ``ok`` but not 0."""
        finished = git(
            [f"--work-tree={self.root}", *arguments],
            git_dir=self.git_dir,
            env=clean_environment(),
            stdin=stdin,
            ok=ok,
        )
        return finished.out if finished.code == 0 else None


@dataclass(frozen=True)
class InTheWay:
    """Why the files at ``root`` cannot follow: local changes in ``paths``, or something half done there."""

    root: Path
    reason: str
    paths: tuple[str, ...] = ()


def checkouts(repo: Repository, branch: str) -> list[Checkout]:
    """Every work tree that has ``branch`` checked out and is still there."""
    listing = repo.ask("worktree", "list", "--porcelain", "-z").out.decode("utf-8", "surrogateescape")
    found = []
    for block in listing.split("\0\0"):
        facts = dict(line.partition(" ")[::2] for line in block.strip("\0").split("\0"))
        root = Path(facts.get("worktree", ""))
        if facts.get("branch") == f"refs/heads/{branch}" and root.is_dir():
            found.append(Checkout(root, _git_dir_of(root)))
    return found


def _git_dir_of(root: Path) -> Path:
    pointer = root / ".git"
    if pointer.is_dir():
        return pointer
    return Path(os.path.normpath(root / pointer.read_text().removeprefix("gitdir:").strip()))


def in_the_way(repo: Repository, checkout: Checkout, old: CommitId, new: CommitId) -> InTheWay | None:
    """Whether something keeps the files of ``checkout`` from going from ``old`` to ``new``; changes nothing."""
    for name in _BUSY:
        if (checkout.git_dir / name).exists():
            return InTheWay(checkout.root, f"git is in the middle of something there ({name})")
    if (checkout.git_dir / "index.lock").exists():
        return InTheWay(checkout.root, "another git command is running there (index.lock)")
    checkout.git("update-index", "-q", "--refresh", ok=(0, 1))
    if checkout.git("read-tree", "-n", "-m", "-u", old, new, ok=(0, 128)) is not None:
        return None
    return InTheWay(checkout.root, "local changes", _local(repo, checkout, old, new))


def _local(repo: Repository, checkout: Checkout, old: CommitId, new: CommitId) -> tuple[str, ...]:
    changed = set(changed_paths(repo, old, new))
    differing = checkout.git("diff-index", "-z", "--name-only", old) or b""
    dirty = set(differing.decode("utf-8", "surrogateescape").split("\0"))
    tracked = set((checkout.git("ls-files", "-z") or b"").decode("utf-8", "surrogateescape").split("\0"))
    untracked = {path for path in changed - tracked if os.path.lexists(checkout.root / path)}
    return tuple(sorted((changed & dirty) | untracked)[:_SHOWN])


def follow(checkout: Checkout, old: CommitId, new: CommitId) -> bool:
    """Bring index and files from ``old`` to ``new``; ``False`` when git refused, and then nothing was changed."""
    return checkout.git("read-tree", "-m", "-u", old, new, ok=(0, 128)) is not None


def mend(repo: Repository, checkout: Checkout, old: CommitId, new: CommitId) -> bool:
    """Finish a ``follow`` that was killed half-way; safe to repeat, and as careful as ``follow`` itself.

    Files that already hold the new content are entered into the index first, so that git sees them as
    done; everything else is left for git's own merge to judge.
    """
    with contextlib.suppress(FileNotFoundError):
        (checkout.git_dir / "index.lock").unlink()
    rows = []
    listing = repo.ask("ls-tree", "-r", "-z", new).out.decode("utf-8", "surrogateescape").split("\0")
    wanted = {path: facts.split() for facts, path in (row.split("\t", 1) for row in listing if row)}
    for path in changed_paths(repo, old, new):
        if path not in wanted:
            if not os.path.lexists(checkout.root / path):
                rows.append(f"0 {'0' * len(old)}\t{path}\0")
            continue
        mode, _, blob = wanted[path]
        if _content(checkout, path, mode) == blob:
            rows.append(f"{mode} {blob}\t{path}\0")
    stdin = "".join(rows).encode("utf-8", "surrogateescape")
    checkout.git("update-index", "-z", "--add", "--index-info", stdin=stdin)
    checkout.git("update-index", "-q", "--refresh", ok=(0, 1))
    return follow(checkout, old, new)


def _content(checkout: Checkout, path: str, mode: str) -> str:
    """The blob id of what is on disk at ``path`` if it is of the kind that ``mode`` says, else nothing."""
    place = checkout.root / path
    try:
        kind = place.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISLNK(kind) and mode == "120000":
        said = checkout.git("hash-object", "--stdin", "--no-filters", stdin=os.fsencode(place.readlink()))
    elif stat.S_ISREG(kind) and mode == ("100755" if kind & stat.S_IXUSR else "100644"):
        said = checkout.git("hash-object", "--stdin", f"--path={path}", stdin=place.read_bytes())
    else:
        return ""
    return (said or b"").decode().strip()
