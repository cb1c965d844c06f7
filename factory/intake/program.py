"""The program that a person gave for a command agent, as a session will find it."""

from pathlib import Path

from factory.base.errors import UserError
from factory.base.files import printable
from factory.base.process import ProgramMissing
from factory.git.repository import Repository


def program(repo: Repository, target: str, words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The command line for a session, and the files outside the work tree that it needs to see.

    A word that names a file which the target does not hold (an untracked script, one from elsewhere)
    becomes an absolute path and is shown to the session, read-only; a file that the target holds is
    named from the work tree's root. Raises ``ProgramMissing`` when the program itself cannot be found.
    """
    import os
    import shutil

    argv: list[str] = []
    expose: list[str] = []
    for number, word in enumerate(words):
        path = Path(word).expanduser()
        if not path.is_file() or (number == 0 and "/" not in word):
            argv.append(word)
            continue
        inside = _inside(repo, target, path)
        argv.append(inside or str(path.resolve()))
        if not inside:
            expose.append(str(path.resolve()))
    first = words[0]
    if "/" in first:
        if not Path(first).expanduser().is_file():
            raise ProgramMissing(first)
        if not os.access(Path(first).expanduser(), os.X_OK):
            raise UserError(f"{printable(first)} is not executable", f"chmod +x {printable(first)}")
    elif shutil.which(first) is None:
        raise ProgramMissing(first)
    return tuple(argv), tuple(expose)


def _inside(repo: Repository, target: str, path: Path) -> str | None:
    """``./`` and the path from the root, when the target holds the file."""
    absolute = path.resolve()
    if not absolute.is_relative_to(repo.root.resolve()):
        return None
    relative = absolute.relative_to(repo.root.resolve()).as_posix()
    finished = repo.ask("cat-file", "-e", f"refs/heads/{target}:{relative}", ok=(0, 1, 128))
    return f"./{relative}" if finished.code == 0 else None
