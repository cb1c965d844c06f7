"""Locks that end with their owner: the kernel releases them when the process dies, however it dies."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from factory.base.errors import UserError

if TYPE_CHECKING:
    from filelock import FileLock

_POLL_S = 0.004
"""How often a waiter asks again, in seconds; short, because the lock is held for about a millisecond."""


@contextlib.contextmanager
def held(path: Path, *, timeout_s: float = -1) -> Iterator[None]:
    """Hold the exclusive lock at ``path``; raises ``LockBusy`` after ``timeout_s`` (negative: wait).

    Who waits without end is woken by the kernel. ``filelock`` can only ask again and again, which took 50 writers
    half of their throughput.
    """
    if timeout_s < 0:
        fd = _wait_for(path)
        try:
            yield
        finally:
            os.close(fd)
        return
    lock = try_lock(path, timeout_s=timeout_s)
    if lock is None:
        raise LockBusy(path)
    try:
        yield
    finally:
        lock.release()


def _wait_for(path: Path) -> int:
    """A descriptor that holds the lock; like ``filelock``'s own it is ``flock``'s, so each keeps the other out."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        while True:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            fcntl.flock(fd, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(fd), path.stat()):
                    return fd
            os.close(fd)  # somebody removed the file while we waited for it
    except OSError as error:
        raise LockUnusable(path, error) from error


def try_lock(path: Path, *, timeout_s: float = 0) -> "FileLock | None":
    """Take the lock at ``path`` and return it, or ``None`` if another holds it past ``timeout_s``."""
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, thread_local=False, is_singleton=False)
        lock.acquire(timeout=timeout_s, poll_interval=_POLL_S)
    except Timeout:
        return None
    except OSError as error:
        raise LockUnusable(path, error) from error
    return lock


def is_held(path: Path) -> bool:
    """Whether some living process holds the lock at ``path``."""
    if not path.exists():
        return False
    lock = try_lock(path)
    if lock is None:
        return True
    lock.release()
    return False


class LockUnusable(UserError):
    """The disk does not let the lock be taken."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"the lock {path} cannot be taken: {error.strerror or error}",
            "check the folder's permissions, and that its disk is writable and not full",
        )
        self.path = path


class LockBusy(Exception):
    """Another process holds the lock."""

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self.path = path
