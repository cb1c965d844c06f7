"""The only place that writes events: whole lines, under a lock, on the disk before they are acknowledged."""

import errno
import os
from collections.abc import Sequence
from pathlib import Path

from factory.base.errors import UserError
from factory.base.files import replace_file, sync_folder, write_all
from factory.beads.events import MAX_LINE_BYTES, Event

_SYNCS = 8
"""Syncs at once; more made it no faster."""


class TooLong(UserError):
    """An event does not fit in a line."""

    def __init__(self, bead: str, size: int) -> None:
        super().__init__(
            f"{bead}: this would be {size} bytes on one line, and {MAX_LINE_BYTES} is the most",
            "put long text into a file of the repository and name it",
        )


class NotWritten(UserError):
    """The disk did not take the event; nothing of it is left in the file."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(
            f"nothing was written: {error.strerror or error} ({path})",
            "make room on the disk"
            if error.errno in (errno.ENOSPC, errno.EDQUOT)
            else "check the folder's permissions",
        )


def append(path: Path, events: Sequence[Event], *, aside: Path) -> None:
    """Add ``events`` to the file at ``path`` durably; the caller holds the store's lock.

    A torn last line left by a crash is moved to the folder ``aside`` first. When the disk refuses, the
    file is cut back to what it was, or goes if it was not there, and ``NotWritten`` is raised.
    """
    data = b"".join(_fitting(event) for event in events)
    try:
        made = _make_folder(path.parent)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            size = _without_torn_tail(fd, path, aside)
            try:
                write_all(fd, data)
                os.fsync(fd)
                if size == 0 or made:
                    sync_folder(path.parent)
            except OSError:
                os.ftruncate(fd, size)
                if size == 0:
                    path.unlink()
                raise
        finally:
            os.close(fd)
    except OSError as error:
        raise NotWritten(path, error) from error


def begin(files: Sequence[tuple[Path, Sequence[Event]]]) -> tuple[int, NotWritten | None]:
    """Write files that are not there yet, in order, and make them durable together: how many stand, what stopped.

    The syncs run side by side, because a journaling file system commits once for many: 3,000 files took
    2 s where one after the other took 8. Nothing is left of a file that is not counted. The caller holds
    the store's lock; raises ``TooLong`` before anything is written.
    """
    from concurrent.futures import ThreadPoolExecutor

    contents = [(path, b"".join(_fitting(event) for event in events)) for path, events in files]
    fds: list[int] = []
    stopped: NotWritten | None = None
    for path, data in contents:
        try:
            fds.append(_begun(path, data))
        except OSError as error:
            stopped = NotWritten(path, error)
            break
    with ThreadPoolExecutor(_SYNCS) as pool:
        problems = list(pool.map(_synced, fds))
    try:
        for folder in {path.parent for path, _ in contents[: len(fds)]}:
            sync_folder(folder)
    except OSError as error:
        problems[:1] = [error]
    whole = next((place for place, problem in enumerate(problems) if problem), len(fds))
    for path, _ in contents[whole : len(fds)]:
        path.unlink()
    if whole < len(fds):
        return whole, NotWritten(contents[whole][0], problems[whole] or OSError())
    return whole, stopped


def _begun(path: Path, data: bytes) -> int:
    """The open descriptor of the new file at ``path`` that holds ``data``."""
    _make_folder(path.parent)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
    try:
        write_all(fd, data)
    except OSError:
        os.close(fd)
        path.unlink()
        raise
    return fd


def _synced(fd: int) -> OSError | None:
    try:
        os.fsync(fd)
    except OSError as error:
        return error
    finally:
        os.close(fd)
    return None


def heal(path: Path, *, aside: Path) -> None:
    """Move a torn last line of the file at ``path`` to ``aside``; raises ``OSError``. Under the store's lock.

    A file that then holds nothing goes: its writer died between making it and writing to it.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        if _without_torn_tail(fd, path, aside) == 0:
            path.unlink()
            sync_folder(path.parent)
    finally:
        os.close(fd)


def _fitting(event: Event) -> bytes:
    line = event.line()
    if len(line) > MAX_LINE_BYTES:
        raise TooLong(event.on, len(line))
    return line


def _make_folder(folder: Path) -> bool:
    if folder.is_dir():
        return False
    folder.mkdir(parents=True, exist_ok=True)
    sync_folder(folder.parent)
    sync_folder(folder.parent.parent)
    return True


def _without_torn_tail(fd: int, path: Path, aside: Path) -> int:
    """Make the file end with a whole line; the answer is its size then."""
    size = os.fstat(fd).st_size
    if size == 0 or os.pread(fd, 1, size - 1) == b"\n":
        return size
    content = os.pread(fd, size, 0)
    keep = content.rfind(b"\n") + 1
    replace_file(aside / name_aside(path, content[keep:]), content[keep:])
    os.ftruncate(fd, keep)
    os.fsync(fd)
    return keep


def name_aside(path: Path, content: bytes) -> str:
    """What bytes of the live file at ``path`` are called once they are set aside; by content, so that twice is once."""
    import hashlib

    return f"{path.parent.name}-{path.name}.{hashlib.sha256(content).hexdigest()[:12]}"
