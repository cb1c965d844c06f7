"""Ignored files that a work tree needs (``.env`` and the like), as ``.worktreeinclude`` asks for them."""

import os
from pathlib import Path

from factory.base.errors import Refused
from factory.base.files import open_beneath, write_all
from factory.git.command import clean_environment, git
from factory.git.repository import Repository

NAME = ".worktreeinclude"
_CHUNK = 1 << 20


def wanted(repo: Repository) -> tuple[str, ...]:
    """Files of the main work tree that git ignores and that match ``.worktreeinclude`` (gitignore syntax)."""
    main = repo.main_root
    patterns = main / NAME
    if not patterns.is_file() or patterns.is_symlink():
        return ()
    matching = _ask(repo, main, ["ls-files", "-z", "--others", "--ignored", f"--exclude-from={patterns}"])
    if not matching:
        return ()
    # check-ignore knows no literal paths; after "./" none is taken for pathspec magic, such as ":(x)"
    asked = b"".join(b"./" + name + b"\0" for name in matching.split(b"\0") if name)
    ignored = _ask(repo, main, ["check-ignore", "-z", "--stdin"], stdin=asked)
    return tuple(name.removeprefix("./") for name in _names(ignored))


def copy_in(repo: Repository, work: Path) -> tuple[str, ...]:
    """Copy what is ``wanted`` into ``work`` and return what was copied; links are never followed or copied."""
    main = repo.main_root
    copied = []
    for path in wanted(repo):
        try:
            with open_beneath(main, path, os.O_RDONLY) as source:
                mode = os.fstat(source).st_mode & 0o777
                with open_beneath(work, path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode) as target:
                    while chunk := os.read(source, _CHUNK):
                        write_all(target, chunk)
        except (Refused, OSError):
            continue
        copied.append(path)
    return tuple(copied)


def _ask(repo: Repository, main: Path, words: list[str], stdin: bytes = b"") -> bytes:
    return git(
        ["-C", str(main), f"--work-tree={main}", *words],
        git_dir=repo.common_dir,
        env=clean_environment({"GIT_LITERAL_PATHSPECS": "0"}),
        stdin=stdin,
        ok=(0, 1),
    ).out


def _names(listing: bytes) -> tuple[str, ...]:
    return tuple(name for name in listing.decode("utf-8", "surrogateescape").split("\0") if name)
