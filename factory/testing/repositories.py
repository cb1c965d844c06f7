"""A git repository built in code, for tests and demonstrations: files, commits, branches, and nothing else.

It is sealed from the developer's own machine: no configuration of the user or the system is in force, no
hook and no template, every commit has the same author, and the first is made at a fixed moment, each
next one a minute later. So the same calls give the same commit ids everywhere.
"""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import git

AUTHOR = ("Ada Example", "ada@example.org")
_FIRST = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
_BETWEEN = timedelta(minutes=1)


class BuiltRepository:
    """A repository at ``root``, made with ``create``; ``commit``, ``branch`` and ``switch`` build its history."""

    def __init__(self, root: Path, repo: "git.Repo") -> None:
        self.root = root
        self._repo = repo
        self._made = 0

    @classmethod
    def create(cls, root: Path, branch: str = "main") -> Self:
        """An empty repository in the folder ``root``, which is made if it is not there, on ``branch``."""
        import git

        root.mkdir(parents=True, exist_ok=True)
        root = root.resolve()
        # GitPython checks options for safety; an empty template is what keeps the user's hooks out.
        options: dict[str, Any] = {"initial_branch": branch, "template": "", "env": _sealed(root)}
        repo = git.Repo.init(root, expand_vars=False, allow_unsafe_options=True, **options)
        repo.git.update_environment(**_sealed(root))
        with repo.config_writer() as settings:
            settings.set_value("user", "name", AUTHOR[0])
            settings.set_value("user", "email", AUTHOR[1])
        return cls(root, repo)

    def commit(self, message: str, files: Mapping[str, str | bytes | None] | None = None) -> str:
        """Write ``files`` (``None`` removes one), commit them on the current branch, and return the commit's id.

        A file that begins with ``#!`` is made executable.
        """
        for name, content in (files or {}).items():
            path = self.root / name
            if content is None:
                path.unlink()
                self._repo.git.rm("--cached", "--quiet", "--", name)
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content.encode() if isinstance(content, str) else content
            path.write_bytes(data)
            path.chmod(0o755 if data.startswith(b"#!") else 0o644)
            self._repo.git.add("--force", "--", name)
        at = str(int((_FIRST + self._made * _BETWEEN).timestamp())) + " +0000"
        self._made += 1
        dates = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        self._repo.git.commit("--quiet", "--allow-empty", "--no-verify", "-m", message, env=_sealed(self.root) | dates)
        return self.head()

    def branch(self, name: str, at: str = "HEAD") -> str:
        """Make a branch at the commit that ``at`` names, stay where we are, and return that commit's id."""
        self._repo.git.branch("--no-track", "--", name, at)
        return self.head(name)

    def switch(self, name: str) -> None:
        """Check out the branch ``name``."""
        self._repo.git.switch("--quiet", "--no-guess", name)

    def head(self, name: str = "HEAD") -> str:
        """The id of the commit that ``name`` stands for."""
        return str(self._repo.git.rev_parse("--verify", "--end-of-options", f"{name}^{{commit}}"))


def _sealed(root: Path) -> dict[str, str]:
    """What git is told beside the caller's environment, so that nothing of the caller's reaches it.

    GitPython can add to the environment and not take away, so each variable that git would heed is named.
    """
    name, email = AUTHOR
    nowhere = os.devnull
    return {
        "GIT_DIR": str(root / ".git"),
        "GIT_COMMON_DIR": str(root / ".git"),
        "GIT_WORK_TREE": str(root),
        "GIT_INDEX_FILE": str(root / ".git" / "index"),
        "GIT_OBJECT_DIRECTORY": str(root / ".git" / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "",
        "GIT_NAMESPACE": "",
        "GIT_CONFIG_GLOBAL": nowhere,
        "GIT_CONFIG_SYSTEM": nowhere,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_COUNT": "0",
        "GIT_CONFIG_PARAMETERS": "",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": name,
        "GIT_AUTHOR_EMAIL": email,
        "GIT_COMMITTER_NAME": name,
        "GIT_COMMITTER_EMAIL": email,
        "LC_ALL": "C.UTF-8",
    }
