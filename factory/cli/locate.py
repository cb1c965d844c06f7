"""Which clone a command was called in, told from the files alone: starting git once costs more than all the rest.

Only the ordinary cases are told: a work tree of the caller's own, whole, and nothing in the configuration that
leads git elsewhere. For all others the answer is ``None``, and git is asked. ``GIT_DIR`` and the like lead nowhere
here, because factory takes them out of git's environment (``git.command``).
"""

import os
import stat


def state_dir(start: str) -> str | None:
    """The state folder of the clone that ``start`` lies in; ``None`` when git must be asked."""
    try:
        common = _common_dir(start)
        if common is None or not _is_ordinary(common):
            return None
    except (OSError, ValueError):
        return None
    return f"{common}/factory"


def _common_dir(start: str) -> str | None:
    """The common git folder of the work tree around ``start``."""
    here = os.path.realpath(start)
    device = os.stat(here).st_dev
    while True:
        status = os.stat(here)
        if status.st_dev != device:
            return None
        found = f"{here}/.git".replace("//", "/")
        try:
            git = os.lstat(found)
        except FileNotFoundError:
            if os.path.exists(f"{here}/HEAD") and os.path.exists(f"{here}/objects"):
                return None
            above = os.path.dirname(here)
            if above == here:
                return None
            here = above
            continue
        if status.st_uid != os.geteuid() or git.st_uid != os.geteuid():
            return None
        return _linked(found) if stat.S_ISREG(git.st_mode) else found


def _linked(file: str) -> str | None:
    """The common git folder that a linked work tree's ``.git`` file leads to."""
    with open(file, encoding="utf-8", errors="surrogateescape") as said:
        text = said.read(4096)
    if not text.startswith("gitdir: /") or text.count("\n") != 1:
        return None
    git_dir = text.removeprefix("gitdir: ").rstrip("\n")
    with open(f"{git_dir}/commondir", encoding="utf-8", errors="surrogateescape") as said:
        common = said.read(4096).rstrip("\n")
    if os.stat(git_dir).st_uid != os.geteuid():
        return None
    return os.path.realpath(common if common.startswith("/") else f"{git_dir}/{common}")


def _is_ordinary(common: str) -> bool:
    """Whether it is a git folder that git itself would take, of the caller, whole and of a work tree."""
    if os.stat(common).st_uid != os.geteuid() or not os.path.isdir(common):
        return False
    if not all(os.path.exists(f"{common}/{name}") for name in ("HEAD", "objects", "refs")):
        return False
    if os.path.exists(f"{common}/shallow"):
        return False
    return _is_plain(f"{common}/config") and _is_plain(f"{common}/config.worktree")


def _is_plain(config: str) -> bool:
    """Whether a configuration says nothing about where the work tree is, or that there is none."""
    try:
        with open(config, encoding="utf-8", errors="surrogateescape") as said:
            lines = said.read().lower().split("\n")
    except FileNotFoundError:
        return config.endswith(".worktree")
    for line in lines:
        name, _, value = line.partition("=")
        if "[include" in line or name.strip() == "worktree" or ("bare" in name and value.strip() != "false"):
            return False
    return True
