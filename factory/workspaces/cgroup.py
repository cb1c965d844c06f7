"""Linux: a control group for each confined command, so that the kernel bounds its processes whoever runs it.

``prlimit --nproc`` does not bind the real root, whom containers and CI usually run as; ``pids.max`` does.
Groups are made below our own, so that every limit we are under goes on. That works with version 1 of
control groups and in the root group of version 2; elsewhere version 2 keeps processes and sub-groups
apart, so ``Launch.processes`` stays set and ``base.children`` counts instead.
"""

import contextlib
import functools
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from factory.workspaces.sandbox import Launch

_ENTER = 'echo $$ > "$0/cgroup.procs" && unset PWD OLDPWD SHLVL && exec "$@"'
"""The shell enters the group, then becomes the program; what a shell adds to an environment goes again."""

_INNER = "in"
"""Where the processes are. With nested user namespaces the real root can mount the group it sees as its own
top and raise its limit (seen on kernel 6.18, version 1); the group above, with our limit, it cannot see."""

_END_S = 1.0
_POLL_S = 0.001


@contextlib.contextmanager
def bounded(launch: Launch, mark: str) -> Iterator[Launch]:
    """``launch`` in a group that takes ``launch.processes``, and is ended and removed afterwards.

    Where nothing needs to be bounded or no group can be made, it is ``launch`` as it was.
    """
    group = _made(mark, launch.processes) if launch.processes is not None else None
    if group is None:
        yield launch
        return
    try:
        words = ("/bin/sh", "-c", _ENTER, str(group / _INNER), *launch.argv)
        yield replace(launch, argv=words, processes=None)
    finally:
        _end(group)


def clear(mark: str) -> None:
    """End and remove the groups that a killed process of ours left of the runs ``mark`` and ``mark.<more>``."""
    home = _home()
    for group in home.glob(f"factory.{mark}.*") if home is not None else ():
        _end(group)


def own_group(groups: str, mounts: str) -> Path | None:
    """The folder of our own group where processes are counted; the texts are ``/proc/self/{cgroup,mountinfo}``."""
    rows = [row.split(":", 2) for row in groups.splitlines()]
    first = [(path, "cgroup") for _, controllers, path in rows if "pids" in controllers.split(",")]
    second = [(path, "cgroup2") for number, _, path in rows if number == "0"]
    for own, kind in (*first, *second)[:1]:
        for row in mounts.splitlines():
            where, _, what = row.partition(" - ")
            root, point = where.split(" ")[3:5]
            system, _, options = what.split(" ", 2)
            counts = system == kind and (kind == "cgroup2" or "pids" in options.split(","))
            if counts and PurePosixPath(own).is_relative_to(root) and ".." not in PurePosixPath(own).parts:
                return Path(point) / PurePosixPath(own).relative_to(root)
    return None


@functools.cache
def _home() -> Path | None:
    """The group that ours go below where there is one, which does not say that we may make any in it."""
    try:
        groups, mounts = (Path("/proc/self", name).read_text(encoding="utf-8") for name in ("cgroup", "mountinfo"))
    except OSError:
        return None
    home = own_group(groups, mounts)
    if home is not None:
        with contextlib.suppress(OSError):  # version 2; refused everywhere but in its root group
            (home / "cgroup.subtree_control").write_text("+pids", encoding="ascii")
    return home


def _made(mark: str, processes: int) -> Path | None:
    home = _home()
    if home is None:
        return None
    group = home / f"factory.{mark}.{secrets.token_hex(4)}"
    try:
        (group / _INNER).mkdir(parents=True)
        (group / "pids.max").write_text(str(processes), encoding="ascii")
    except OSError:
        _end(group)
        return None
    return group


def _end(group: Path) -> None:
    """Kill whatever is in ``group`` and remove it; what will not die within a second is left to ``clear``."""
    with contextlib.suppress(OSError):
        (group / "pids.max").write_text("0", encoding="ascii")
    deadline = time.monotonic() + _END_S
    while not _removed(group) and time.monotonic() < deadline:
        for pid in _members(group):
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)


def _removed(group: Path) -> bool:
    """Whether the group and those that were made in it are gone; one with processes stays."""
    with contextlib.suppress(OSError):
        for folder, _, _ in os.walk(group, topdown=False):
            Path(folder).rmdir()
    return not group.exists()


def _members(group: Path) -> set[int]:
    """The processes in ``group`` and below; a 0 there stands for one outside of what we can see."""
    found: set[int] = set()
    for folder, _, _ in os.walk(group):
        with contextlib.suppress(OSError):
            found |= {int(pid) for pid in (Path(folder) / "cgroup.procs").read_text(encoding="ascii").split()}
    return found - {0, os.getpid()}
