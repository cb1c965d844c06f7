"""A world sealed from the developer's own configuration: own home, own git identity, no factory settings."""

import os
from pathlib import Path

import pytest

from factory.base import process
from factory.git import repository
from factory.git.repository import Repository


@pytest.fixture
def sealed(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own; whatever git or factory would read from the developer's is gone."""
    home = tmp_path_factory.mktemp("home")
    for name in list(os.environ):
        if name.startswith(("GIT_", "FACTORY_", "XDG_", "ANTHROPIC_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    (home / ".gitconfig").write_text(
        "[user]\n\tname = Ana\n\temail = ana@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    return home


@pytest.fixture
def repo(sealed: Path, tmp_path: Path) -> Repository:  # noqa: ARG001 - its effect on the environment is what counts
    """A repository with one commit on ``main``."""
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    commit(root, {"README.md": "# A project\n", "src/a.py": "a = 1\nb = 2\nc = 3\n"})
    return repository.find(root)


def git(root: Path, *arguments: str) -> str:
    """What git prints in ``root``; any failure is an error."""
    finished = process.run(["git", "-C", str(root), *arguments], env=dict(os.environ))
    assert finished.code == 0, finished.err.decode()
    return finished.text


def commit(root: Path, files: dict[str, str], message: str = "a change") -> str:
    """Write files and commit everything; the answer is the commit."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD").strip()
