"""What a confinement is: a Protocol, the cage it builds, and the launch it answers with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Bind:
    """One file or folder of the host, and where it is seen inside."""

    source: Path
    target: Path
    writable: bool = False


@dataclass(frozen=True)
class Cage:
    """All that is visible inside, apart from the system's own read-only folders.

    ``work`` is writable at its own path. ``binds`` are the session's own things (private git directory,
    objects, home, task). ``read`` is seen read-only at its own path. ``hidden`` is never seen, even
    where it lies beneath something visible. ``processes`` (threads included) and ``tmp_bytes`` bound what
    runs inside.
    """

    work: Path
    binds: tuple[Bind, ...] = ()
    read: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = False
    processes: int = 1024
    tmp_bytes: int = 1 << 30


@dataclass(frozen=True)
class Launch:
    """What to hand to ``base.process`` to run something in a cage: no other environment, no open files.

    ``processes`` is the cage's bound where the sandbox cannot keep it itself, and ``None`` where it does.
    """

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: Path
    processes: int | None = None


class Sandbox(Protocol):
    """A way to confine a program; a backend is one file, named in ``sandboxes.SANDBOXES``."""

    name: str
    remounts: bool
    """Whether it can show a folder at another path than the host's; where not, ``Bind.target`` is ignored."""

    def problem(self) -> str | None:
        """Why it does not work here, in one sentence, or ``None``; found by running one, once a process."""
        ...

    def launch(self, cage: Cage, argv: Sequence[str], env: Mapping[str, str], cwd: str) -> Launch:
        """How to run ``argv`` in ``cage`` with exactly ``env``, its working folder being ``cwd`` as seen inside."""
        ...
