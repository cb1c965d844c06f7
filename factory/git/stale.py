"""Lock files: those that a killed git left behind, and the one on an index while we work beside a person."""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

from factory.base.files import write_all
from factory.git.repository import Repository

_PATIENCE_S = 1.0
"""A living git holds these locks for milliseconds; one that stays this long unopened is dead."""

_POLL_S = 0.05

_OURS = b"factory: files follow a landing\n"
"""What stands in an ``index.lock`` of ours, so that after a kill it is known from that of a person's git."""

_COARSE_S = 1.0
"""File systems stamp times more coarsely than clocks tell them."""

_PLACES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_COMMON_DIR", "GIT_INDEX_FILE")


def clear_stale_locks(repo: Repository) -> list[Path]:
    """Remove the ref locks of processes that are gone; the answer is what was removed.

    Called only by the holder of the floor's lock, after a crash. A lock is left alone that is still open
    in some process, that went away or was replaced while we watched, or while any git works in this
    repository. The locks of indexes are left alone altogether: a person's git may keep one for hours.
    """
    suspects = {path: _identity(path) for path in _locks(repo)}
    if not suspects:
        return []
    time.sleep(_PATIENCE_S)
    if git_at_work(repo.common_dir, repo.root, repo.main_root, *_linked(repo)):
        return []
    open_now = set(_open_files())
    removed = []
    for path, identity in suspects.items():
        if identity is not None and _identity(path) == identity and str(path) not in open_now:
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def git_at_work(*places: Path) -> bool:
    """Whether a git runs in one of ``places`` or below, or was told of one by an argument or its environment.

    Nothing less proves that a lock is nobody's: git closes ``index.lock`` and keeps it while an editor is open.
    """
    homes = {str(place) for place in places} | {os.path.realpath(place) for place in places}
    return any(
        _is_git(entry) and any(_lies_in(word, homes) for word in _words(entry))
        for entry in Path("/proc").glob("[0-9]*")
    )


def _open_files() -> Iterator[str]:
    """Every path that a process whose descriptors may be read has open."""
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            yield str(link.readlink())


@contextlib.contextmanager
def index_locked(git_dir: Path) -> Iterator[None]:
    """Hold the index against every other git; raises ``FileExistsError`` when one holds it."""
    lock = git_dir / "index.lock"
    fd = os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        try:
            write_all(fd, _OURS)
        finally:
            os.close(fd)
        yield
    finally:
        lock.unlink(missing_ok=True)


def index_freed(git_dir: Path, root: Path, since: float) -> bool:
    """Remove an ``index.lock`` that is certainly nobody's, and say whether there is none now.

    None is while a git works at ``root``; one that only looks is waited for. One of ours is known by its
    content; any other must be of this user, not open, and not from before ``since``, in seconds of wall time.
    """
    lock = git_dir / "index.lock"
    patience = time.monotonic() + _PATIENCE_S
    while lock.exists() and git_at_work(root, git_dir):
        if time.monotonic() > patience:
            return False
        time.sleep(_POLL_S)
    try:
        status = lock.stat()
        ours = lock.read_bytes() == _OURS
        foreign = status.st_uid != os.geteuid() or status.st_mtime < since - _COARSE_S or str(lock) in _open_files()
        if not ours and foreign:
            return False
        lock.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _locks(repo: Repository) -> Iterator[Path]:
    common = repo.common_dir
    yield from (path for path in (common / "HEAD.lock", common / "packed-refs.lock") if path.exists())
    yield from (common / "refs").rglob("*.lock")
    yield from (common / "worktrees").glob("*/HEAD.lock")


def _linked(repo: Repository) -> Iterator[Path]:
    for pointer in (repo.common_dir / "worktrees").glob("*/gitdir"):
        with contextlib.suppress(OSError):
            named = os.fsdecode(pointer.read_bytes()).removesuffix("\n")
            yield Path(os.path.normpath(pointer.parent / named)).parent


def _is_git(entry: Path) -> bool:
    with contextlib.suppress(OSError):
        if (entry / "comm").read_bytes().startswith(b"git"):
            return True
        return os.path.basename((entry / "cmdline").read_bytes().split(b"\0", 1)[0]).startswith(b"git")  # noqa: PTH119
    return False


def _words(entry: Path) -> Iterator[str]:
    """Whatever of a process may name a place; what another user's process hides stays out."""
    with contextlib.suppress(OSError):
        yield str((entry / "cwd").readlink())
    with contextlib.suppress(OSError):
        for word in os.fsdecode((entry / "cmdline").read_bytes()).split("\0"):
            yield word
            yield word.partition("=")[2]
    with contextlib.suppress(OSError):
        for row in os.fsdecode((entry / "environ").read_bytes()).split("\0"):
            name, _, value = row.partition("=")
            if name in _PLACES:
                yield value


def _lies_in(word: str, homes: set[str]) -> bool:
    return any(word == home or word.startswith(f"{home}/") for home in homes)


def _identity(path: Path) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino, status.st_mtime_ns
    return None
