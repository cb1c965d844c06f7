"""The demo's repository: the shipped project in a folder of its own, committed as a person would have."""

from pathlib import Path

from factory.base.errors import UserError
from factory.base.files import printable
from factory.base.settings import FILE
from factory.base.templates import template
from factory.git.command import git, sealed_environment

PROJECT = "demo/project"
BACKLOG = "demo/backlog.jsonl"
SCRIPT = "demo/script.json"

_UNCONFINED = '\n[workspaces]\nsandbox = "none"\n'
_PERSON = ("user.name=Demo", "user.email=demo@localhost")


class NotEmpty(UserError):
    """The folder for the demo holds something already."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{printable(str(folder))} is not an empty folder", "name one that does not exist yet")
        self.folder = folder


def lay_out(folder: Path, *, confined: bool) -> None:
    """Write the project's files into ``folder`` and make it a repository that has no commit yet."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise NotEmpty(folder)
        _copy(template(PROJECT), folder)
    except OSError as error:
        raise UserError(f"{printable(str(folder))} cannot be used: {error.strerror}", "name another folder") from error
    if not confined:
        with (folder / FILE).open("a", encoding="utf-8") as file:
            file.write(_UNCONFINED)
    _git(folder, "init", "--quiet")
    _git(folder, "symbolic-ref", "HEAD", "refs/heads/main")
    for setting in _PERSON:
        _git(folder, "config", *setting.split("=", 1))


def commit_all(folder: Path, subject: str) -> None:
    """Commit everything in ``folder``, without whatever the user's own configuration would add to that."""
    _git(folder, "add", "--all")
    _git(folder, "commit", "--quiet", "--no-verify", "-m", subject)


def _copy(source: Path, folder: Path) -> None:
    # File by file: an installed template may be read-only, and its folders' modes must not come along.
    for path in sorted(source.rglob("*")):
        relative = path.relative_to(source)
        if path.is_file() and "__pycache__" not in relative.parts:
            place = folder / relative
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(path.read_bytes())


def _git(folder: Path, *arguments: str) -> None:
    git(["-C", str(folder), *arguments], git_dir=folder / ".git", env=sealed_environment())
