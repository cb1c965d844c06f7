"""Linked worktrees: registered one at a time under one lock, and taken out again from any half-way state."""

import contextlib
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from factory.base.errors import TryAgain, UserError
from factory.base.files import printable
from factory.base.ids import CommitId
from factory.base.locks import LockBusy, held
from factory.git.command import GitFailed, clean_environment, git
from factory.git.repository import RefMoved, Repository

_LOCK_WAIT_S = 120.0
"""Registering takes about 5 ms; whoever waits this long waits for something that is stuck."""

_STALE_S = 5.0
_POLL_S = 0.02

_TRIES = 2
"""git sometimes reads the half-made entry of another worktree and dies; once more is enough (facts B.2)."""


class BranchTaken(UserError):
    """The branch of a new worktree exists already."""

    def __init__(self, branch: str) -> None:
        super().__init__(f"the branch {branch} exists already", "use the next attempt's number")
        self.branch = branch


class FolderTaken(UserError):
    """The folder of a new worktree exists already."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"the folder {printable(str(path))} is in the way", "move it elsewhere")
        self.path = path


class Stuck(TryAgain):
    """Somebody held the lock of the worktrees for too long."""

    def __init__(self) -> None:
        super().__init__("another process is making or removing worktrees", "run the command again")


@contextlib.contextmanager
def registering(repo: Repository) -> Iterator[None]:
    """Hold the one lock under which worktrees are registered and taken out."""
    try:
        with held(repo.state_dir / "worktrees.lock", timeout_s=_LOCK_WAIT_S):
            yield
    except LockBusy as error:
        raise Stuck from error


def add(
    repo: Repository,
    path: Path,
    at: CommitId,
    branch: str | None,
    *,
    why: str,
    aside: Path,
    marks: Mapping[str, str] | None = None,
) -> Path:
    """Register a worktree at ``path`` without files; the answer is its folder in ``worktrees/``.

    ``branch`` is made at ``at``, or the head is detached there. The entry is locked with ``why`` as the
    reason, so that nobody's ``git worktree prune`` takes it. ``aside`` is as for ``withdraw``. ``marks``
    go into git's environment, so that a git that outlives its killed caller can be found.
    """
    head = ["--detach"] if branch is None else ["--no-track", "-b", branch]
    words = ["worktree", "add", "--no-checkout", "--lock", "--reason", why, *head, str(path), at]
    with registering(repo):
        if branch is not None and repo.branch(branch) is not None:
            raise BranchTaken(branch)
        if path.exists():
            raise FolderTaken(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        for last in range(_TRIES):
            try:
                git(words, git_dir=repo.common_dir, env=clean_environment(marks))
                return entry_of(path)
            except GitFailed:
                withdraw(repo, path, aside)
                shutil.rmtree(path, ignore_errors=True)
                if branch is not None:
                    drop_branch(repo, branch, at)
                if last == _TRIES - 1:
                    raise
    raise AssertionError("unreachable")


def entry_of(path: Path) -> Path:
    """The administrative folder that the worktree at ``path`` names in its ``.git`` file."""
    return Path((path / ".git").read_text(encoding="utf-8").removeprefix("gitdir: ").rstrip("\n"))


def withdraw(repo: Repository, path: Path, aside: Path) -> None:
    """Take the registration of the worktree at ``path`` out, whole or half-made; call it under the lock.

    It is moved to ``aside`` in one step first, so that no git ever reads a half-removed entry.
    """
    shutil.rmtree(aside, ignore_errors=True)
    for entry in _entries(repo, path):
        aside.parent.mkdir(parents=True, exist_ok=True)
        entry.rename(aside)
        shutil.rmtree(aside)
    with contextlib.suppress(OSError):
        (repo.common_dir / "worktrees").rmdir()


def drop_branch(repo: Repository, branch: str, at: CommitId) -> bool:
    """Delete ``branch`` if it holds nothing beyond ``at``, with the lock file a killed git may have left."""
    lock = repo.common_dir / f"refs/heads/{branch}.lock"
    lock.unlink(missing_ok=True)
    if repo.branch(branch) != at:
        _drop_empty_folders(lock.parent, repo.common_dir / "refs" / "heads")
        return False
    try:
        repo.delete_ref(f"refs/heads/{branch}", at)
    except RefMoved:
        return False
    return True


def clear_stale_lock(repo: Repository) -> None:
    """Remove the lock on packed refs that a git killed while it deleted a branch may have left.

    Without that no branch could be deleted any more. One and the same lock is waited for up to five
    seconds, so that a living git's is not taken: git holds it for milliseconds. Our own waiting counts,
    since a file's time may lie in the future.
    """
    lock = repo.common_dir / "packed-refs.lock"
    seen, deadline = None, 0.0
    with contextlib.suppress(FileNotFoundError):
        while time.time() - (facts := lock.stat()).st_mtime < _STALE_S:
            if seen != (facts.st_ino, facts.st_mtime_ns):
                seen, deadline = (facts.st_ino, facts.st_mtime_ns), time.monotonic() + _STALE_S
            if time.monotonic() >= deadline:
                break
            time.sleep(_POLL_S)
        lock.unlink()


def _drop_empty_folders(folder: Path, top: Path) -> None:
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent


def _entries(repo: Repository, path: Path) -> list[Path]:
    """The entries of the worktree at ``path``: those that name it, or bear its name and name nothing yet."""
    folder = repo.common_dir / "worktrees"
    if not folder.is_dir():
        return []
    return [entry for entry in folder.iterdir() if _is_for(entry, path)]


def _is_for(entry: Path, path: Path) -> bool:
    try:
        named = (entry / "gitdir").read_text(encoding="utf-8", errors="surrogateescape").rstrip("\n")
    except OSError:
        named = ""
    return named == str(path / ".git") if named else entry.name == path.name
