"""How git is called: fixed options, a scrubbed environment, errors that carry the facts."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from factory.base import process
from factory.base.errors import FactoryError

HARDENED = (
    "-c", "core.hooksPath=/dev/null",
    "-c", "core.fsmonitor=false",
    "-c", "core.untrackedCache=false",
    "-c", "core.fsync=committed,loose-object",
    "-c", "gc.auto=0",
    "-c", "maintenance.auto=false",
    "-c", "safe.bareRepository=explicit",
    "-c", "protocol.allow=never",
    "-c", "submodule.recurse=false",
    "-c", "diff.ignoreSubmodules=all",
    "-c", "commit.gpgSign=false",
    "-c", "core.quotePath=false",
    "-c", "advice.detachedHead=false",
)  # fmt: skip
"""Options of every call. ``core.fsync``: git's default lost up to 43 acknowledged commits in a power cut."""


ANY = range(-64, 256)
"""Every exit code, for a question whose failure is an answer."""


class GitFailed(FactoryError):
    """A git command that had no business failing did; what it said is part of the sentence."""

    def __init__(self, argv: Sequence[str], finished: process.Finished) -> None:
        said = (finished.err or finished.out).decode("utf-8", "replace").strip()
        last = said.splitlines()[-1] if said else "it said nothing"
        super().__init__(f"git {_subcommand(argv)} failed with {finished.code}: {last}")
        self.argv = tuple(argv)
        self.code = finished.code
        self.said = said


def _subcommand(argv: Sequence[str]) -> str:
    """The first word that is neither an option before the subcommand nor the value of one."""
    words = iter(argv)
    for word in words:
        if word in ("-c", "-C"):
            next(words, None)
        elif not word.startswith("-"):
            return word
    return ""


_KEPT = ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM")
"""Which configuration files are the caller's; who sets these has the name and the filters there."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for git: the caller's without ``GIT_*``, with a fixed language and no prompts.

    Only what says where the configuration stands is kept. A path is a path: ``:(bad)`` is only a file.
    """
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_") or name in _KEPT}
    env |= {
        "LC_ALL": "C.UTF-8",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_LITERAL_PATHSPECS": "1",
    }
    return env | dict(extra or {})


def sealed_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """``clean_environment`` that also reads no configuration of the user or the system.

    For every call that touches a folder an agent may have written: a filter or a diff driver that the
    user's own configuration defines must not run on what an agent's attributes ask for.
    """
    nothing = {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
    }
    return clean_environment(nothing | dict(extra or {}))


def git(
    arguments: Sequence[str],
    *,
    git_dir: Path,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    ok: Sequence[int] = (0,),
    cwd: Path | None = None,
) -> process.Finished:
    """Run git on ``git_dir``; any exit code outside ``ok`` raises ``GitFailed``."""
    finished = process.run(
        ["git", f"--git-dir={git_dir}", *HARDENED, *arguments],
        env=clean_environment() if env is None else env,
        stdin=stdin,
        cwd=cwd,
    )
    if finished.code not in ok:
        raise GitFailed(arguments, finished)
    return finished


def converse(arguments: Sequence[str], *, git_dir: Path, env: Mapping[str, str], timeout_s: float) -> process.Finished:
    """Run git where another machine may have to answer: every exit code is an answer, and nothing outlives the time."""
    argv = ["git", f"--git-dir={git_dir}", *HARDENED, *arguments]
    return process.run(argv, env=env, timeout_s=timeout_s, whole_group=True)
