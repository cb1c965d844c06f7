"""Which folders outside the system's own must be visible, so that the programs on ``PATH`` work inside."""

import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from factory.base.errors import Refused
from factory.base.files import printable

_SYSTEM = tuple(Path(path) for path in ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store"))

_PRIVATE = (
    ".local", ".cargo", ".ssh", ".config", ".gnupg", ".aws", ".azure", ".docker", ".kube", ".netrc", ".cache",
    ".claude", ".codex", ".gemini", ".mozilla", ".password-store",
)  # fmt: skip
"""Folders of the home that hold credentials: parts of them may be shown, never one as a whole."""


class TooWide(Refused):
    """A folder asked for would show what an agent must not see."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{printable(str(path))} cannot be shown to agents: {why}", "name a folder further down")
        self.path = path


@dataclass(frozen=True)
class Guarded:
    """Places that are not shown with what lies around them; of ``closed`` ones no part is shown either."""

    places: tuple[Path, ...]
    closed: tuple[Path, ...] = ()


def readable(paths: Iterable[Path], guarded: Guarded) -> tuple[Path, ...]:
    """``paths`` if all may be shown whole; raises ``TooWide`` for the first that may not."""
    shown = tuple(path.expanduser().absolute() for path in paths)
    for path in shown:
        why = _reason(path, guarded)
        if why:
            raise TooWide(path, why)
    return shown


def toolchains(search_path: str, guarded: Guarded) -> tuple[Path, ...]:
    """The folders of ``search_path`` outside the system's, what they need beside them, and this interpreter's."""
    wanted: dict[Path, None] = {}
    for folder in search_path.split(os.pathsep):
        wanted |= dict.fromkeys(_needed_by(Path(folder)))
    wanted |= dict.fromkeys((Path(sys.prefix), Path(sys.base_prefix)))
    return tuple(path for path in wanted if path.is_dir() and not _is_system(path) and not _reason(path, guarded))


def _needed_by(folder: Path) -> Iterator[Path]:
    """A folder of programs, and the virtual environment or pyenv root that its programs live in."""
    yield folder
    beside = folder.parent
    settings = beside / "pyvenv.cfg"
    if settings.is_file():
        yield beside
        yield from _base_of(settings)
    if folder.name in {"shims", "bin"} and (beside / "versions").is_dir() and (beside / "libexec" / "pyenv").exists():
        yield beside


def _base_of(settings: Path) -> Iterator[Path]:
    """The installation that a virtual environment was made from: ``home`` in its pyvenv.cfg names the bin folder."""
    for line in settings.read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name.strip() == "home" and value.strip().startswith("/"):
            yield Path(value.strip()).resolve().parent


def _is_system(path: Path) -> bool:
    return any(path.is_relative_to(place) for place in _SYSTEM)


def _reason(path: Path, guarded: Guarded) -> str:
    """Why ``path`` may not be shown whole, or nothing."""
    real = path.resolve()
    home = Path.home().resolve()
    if home.is_relative_to(real):
        return "the user's home lies in it"
    if real in {home / name for name in _PRIVATE}:
        return "it holds credentials"
    if any(place.is_relative_to(real) for place in (*guarded.places, *guarded.closed)):
        return "the repository or its worktrees lie in it"
    if any(real.is_relative_to(place) for place in guarded.closed):
        return "it is part of the repository's git directory or of the worktrees"
    return ""
