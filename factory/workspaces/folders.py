"""Folders on the host: where worktrees may stand, and taking a tree away whatever was done to its modes."""

import contextlib
import os
import shutil
import stat
from pathlib import Path

from factory.base.errors import UserError
from factory.base.files import printable
from factory.git.repository import Repository


class RootMisplaced(UserError):
    """The folder of the worktrees and the repository lie in one another."""

    def __init__(self, root: Path, repository: Path) -> None:
        super().__init__(
            f"the worktrees' folder {printable(str(root))} and the repository {printable(str(repository))}"
            " lie in one another",
            "set workspaces.root to a folder beside the repository",
        )
        self.root = root
        self.repository = repository


def worktree_root(repo: Repository, setting: str = "") -> Path:
    """Where worktrees go: ``setting`` (relative to the main work tree), or ``<repo>.factory`` beside it."""
    main = repo.main_root
    if setting:
        return main / Path(setting).expanduser()
    return main.with_name(f"{main.name}.factory")


def checked_root(repo: Repository, root: Path) -> Path:
    """``root`` without links; raises ``RootMisplaced`` when it and the repository lie in one another."""
    resolved = root.resolve()
    for place in {repo.main_root.resolve(), repo.root.resolve(), repo.common_dir.resolve()}:
        if resolved.is_relative_to(place) or place.is_relative_to(resolved):
            raise RootMisplaced(resolved, place)
    return resolved


def reopen(folder: Path) -> None:
    """Let us into ``folder`` again when an agent took our permissions away; links are left alone."""
    with contextlib.suppress(OSError):
        mode = folder.lstat().st_mode
        if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
            folder.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)


def remove_tree(path: Path) -> None:
    """Remove ``path`` and all below it, links unfollowed; folders without permissions are opened first.

    Call it when nothing that could swap a folder for a link runs any more.
    """
    if not os.path.lexists(path):  # nor where a file stands in place of a folder above
        return
    if path.is_symlink() or path.is_file():
        path.unlink()
        return
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except PermissionError:
        reopen(path)
        for folder, names, _ in os.walk(path):
            for name in names:
                reopen(Path(folder) / name)
        shutil.rmtree(path)
