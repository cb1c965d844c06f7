"""Files written so that they are there after a crash, and opened so that no link leads elsewhere."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from factory.base.errors import Refused
from factory.base.printable import printable as printable  # noqa: PLC0414 - where everybody else takes it from


def write_all(fd: int, data: bytes) -> None:
    """Write every byte of ``data``; ``os.write`` alone may stop short on a full disk."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


def sync_folder(folder: Path) -> None:
    """Make the names in ``folder`` durable: a new file is not safe until its folder is synced."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def read_plain(path: Path) -> bytes:
    """The content of a plain file; raises ``OSError`` for a link, a folder, a pipe and whatever else is none."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(fd, "rb") as file:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            raise OSError(errno.EINVAL, "Not a plain file")
        return file.read()


def replace_file(path: Path, data: bytes, mode: int = 0o644) -> None:
    """Put ``data`` at ``path`` durably: readers see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        try:
            write_all(fd, data)
            os.fsync(fd)
        finally:
            os.close(fd)
        beside.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    sync_folder(path.parent)


class PathEscapes(Refused):
    """A path that leads out of the folder it must stay in, by its words or by a link."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"{printable(path)} is not a plain path inside the workspace",
            "use a relative path without '..' that crosses no symbolic link",
        )
        self.path = path


def relative_parts(path: str) -> tuple[str, ...]:
    """The parts of a relative path; raises ``PathEscapes`` for absolute, empty or climbing ones."""
    pure = PurePosixPath(path)
    parts = tuple(part for part in pure.parts if part != ".")
    if pure.is_absolute() or not parts or ".." in parts or "\0" in path:
        raise PathEscapes(path)
    return parts


@contextlib.contextmanager
def open_beneath(root: Path, path: str, flags: int, mode: int = 0o644) -> Iterator[int]:
    """A file descriptor for ``path`` below ``root``, reached without following any link.

    Each part is opened with ``O_NOFOLLOW`` relative to the one before, so that a link that an agent
    swaps in between check and use cannot lead out. With ``O_CREAT`` missing folders are made.
    """
    *folders, name = relative_parts(path)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            fd = _step_into(fd, folder, path, create=bool(flags & os.O_CREAT))
        try:
            leaf = os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, mode, dir_fd=fd)
        except OSError as error:
            if _is_link(fd, name):
                raise PathEscapes(path) from error
            raise
        try:
            if not stat.S_ISREG(os.fstat(leaf).st_mode):
                raise PathEscapes(path)
            yield leaf
        finally:
            os.close(leaf)
    finally:
        os.close(fd)


def _step_into(parent: int, folder: str, path: str, *, create: bool) -> int:
    """Open ``folder`` below ``parent`` and close ``parent``; the caller owns the answer."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        return os.open(folder, flags, dir_fd=parent)
    except FileNotFoundError:
        if not create:
            raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(folder, dir_fd=parent)
        return os.open(folder, flags, dir_fd=parent)
    except OSError as error:
        if _is_link(parent, folder):
            raise PathEscapes(path) from error
        raise
    finally:
        os.close(parent)


def _is_link(folder: int, name: str) -> bool:
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False
