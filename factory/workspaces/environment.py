"""The environment inside: built from an allow-list, so that no credential of the user passes by accident."""

import os
from collections.abc import Mapping

from factory.base.process import RUN_MARK
from factory.git.objects import Person

_PASSED = ("LANG", "LANGUAGE", "TERM", "COLORTERM", "TZ", "NO_COLOR")
_DEFAULT_PATH = "/usr/local/bin:/usr/bin:/bin"


def search_path() -> str:
    """The user's ``PATH`` without relative folders, which would mean the work tree."""
    folders = os.environ.get("PATH", _DEFAULT_PATH).split(os.pathsep)
    return os.pathsep.join(dict.fromkeys(folder for folder in folders if folder.startswith("/"))) or _DEFAULT_PATH


def identity(person: Person) -> dict[str, str]:
    """git's variables that make ``person`` author and committer."""
    return {
        "GIT_AUTHOR_NAME": person.name,
        "GIT_AUTHOR_EMAIL": person.email,
        "GIT_COMMITTER_NAME": person.name,
        "GIT_COMMITTER_EMAIL": person.email,
    }


def environment(home: str, person: Person, mark: str, given: Mapping[str, str] | None = None) -> dict[str, str]:
    """What a program of a session is started with; ``given`` is added, only the run's mark cannot be changed."""
    passed = {
        name: value for name, value in os.environ.items() if name in _PASSED or (name.startswith("LC_") and value)
    }
    own = {
        "PATH": search_path(),
        "HOME": home,
        "USER": "agent",
        "LOGNAME": "agent",
        "SHELL": "/bin/sh",
        "TMPDIR": "/tmp",  # noqa: S108 - a tmpfs of this command alone
        "PAGER": "cat",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": ":",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    return passed | own | identity(person) | dict(given or {}) | {RUN_MARK: mark}
