"""Lock files that a killed git left behind: found by asking whether anybody still has them open."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from factory.git.repository import Repository

_PATIENCE_S = 1.0
"""A living git holds these locks for milliseconds; one that stays this long unopened is dead."""


def clear_stale_locks(repo: Repository) -> list[Path]:
    """Remove the ref and index locks of processes that are gone; the answer is what was removed.

    Called only by the holder of the floor's lock, after a crash. A lock that is still open in some
    process, or that went away or was replaced while we watched, is left alone.
    """
    suspects = {path: _identity(path) for path in _locks(repo)}
    if not suspects:
        return []
    time.sleep(_PATIENCE_S)
    open_now = set(_open_files())
    removed = []
    for path, identity in suspects.items():
        if identity is not None and _identity(path) == identity and str(path) not in open_now:
            path.unlink(missing_ok=True)
            removed.append(path)
    return removed


def _locks(repo: Repository) -> Iterator[Path]:
    common = repo.common_dir
    yield from (
        path for path in (common / "HEAD.lock", common / "packed-refs.lock", common / "index.lock") if path.exists()
    )
    yield from (common / "refs").rglob("*.lock")
    yield from (common / "worktrees").glob("*/HEAD.lock")
    yield from (common / "worktrees").glob("*/index.lock")


def _identity(path: Path) -> tuple[int, int, int] | None:
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_dev, status.st_ino, status.st_mtime_ns
    return None


def _open_files() -> Iterator[str]:
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        with contextlib.suppress(OSError):
            yield str(link.readlink())
