"""A small git world: a repository with a space and a letter outside ASCII in its path, and its workspaces."""

import asyncio
import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from factory.base import process
from factory.base.ids import CommitId, new_session_id
from factory.base.process import Finished, Limits
from factory.git.objects import Person
from factory.git.repository import Repository, find
from factory.workspaces.sandbox import Sandbox
from factory.workspaces.workspace import LeaseRequest, Workspace, lease

ADA = Person("Ada", "ada@example.org")
LIMITS = Limits(60)


def git(folder: Path, *words: str, ok: tuple[int, ...] = (0,)) -> str:
    """Plain git, as a person would call it in ``folder``."""
    finished = process.run(["git", "-C", str(folder), *words], env=dict(os.environ))
    assert finished.code in ok, (words, finished.err)
    return finished.text.strip()


def write(folder: Path, **files: str) -> None:
    """Write files; ``__`` in a name is a slash and ``_dot_`` a dot."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


@dataclass
class World:
    """One repository and where its workspaces go."""

    repo: Repository
    home: Path
    sandbox: Sandbox

    @property
    def main(self) -> Path:
        return self.repo.root

    @property
    def common(self) -> Path:
        return self.repo.common_dir

    @property
    def root(self) -> Path:
        return self.main.with_name(f"{self.main.name}.factory")

    @property
    def base(self) -> CommitId:
        found = self.repo.branch("main")
        assert found is not None
        return found

    def commit(self, **files: str) -> CommitId:
        write(self.main, **files)
        git(self.main, "add", "-A")
        git(self.main, "commit", "-qm", "more")
        return self.base

    def request(self, number: int = 1, **changes: object) -> LeaseRequest:
        facts: dict[str, object] = {
            "session": new_session_id(),
            "name": f"fa-7k2m-{number}",
            "base": self.base,
            "branch": f"factory/fa-7k2m/{number}",
            "target": "main",
            "author": ADA,
            "sandbox": self.sandbox,
        }
        return LeaseRequest(**(facts | changes))  # type: ignore[arg-type]

    def lease(self, number: int = 1, **changes: object) -> Workspace:
        return lease(self.repo, self.request(number, **changes), self.root)

    def untouchable(self) -> dict[str, bytes]:
        """Every byte an agent must not change: main checkout, refs, config, hooks, objects, other entries."""
        aside = {str(self.common / name) for name in ("factory", "refs/heads/factory", "worktrees/fa-7k2m-1", "logs")}
        found: dict[str, bytes] = {}
        for top in (self.main, self.home):
            for folder, names, files in os.walk(top):
                names[:] = [name for name in names if f"{folder}/{name}" not in aside]
                paths = [f"{folder}/{name}" for name in files]
                found |= {path: Path(path).read_bytes() for path in paths if Path(path).is_file()}
        return found

    def leftovers(self) -> list[str]:
        """What should not be there when every workspace was given back."""
        found = [str(path) for path in self.common.rglob("*.lock") if path.name != "worktrees.lock"]
        found += [str(path) for path in (self.common / "worktrees").rglob("*")]
        found += [str(path) for path in (self.common / "factory" / "sessions").rglob("*")]
        found += [str(self.root)] if self.root.exists() else []
        registered = git(self.main, "worktree", "list", "--porcelain").count("worktree ")
        return found + ([f"{registered} worktrees"] if registered != 1 else [])


def make_home(folder: Path, patch: pytest.MonkeyPatch) -> Path:
    """A user's home, with a key in it; git knows a name from it."""
    (folder / ".ssh").mkdir(parents=True)
    (folder / ".ssh" / "id").write_text("hunter2\n")
    (folder / ".gitconfig").write_text(
        "[user]\n\tname = Ana\n\temail = ana@example.org\n[init]\n\tdefaultBranch = main\n"
    )
    patch.setenv("HOME", str(folder))
    for name in ("XDG_CONFIG_HOME", "GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        patch.delenv(name, raising=False)
    patch.setenv("MODEL_API_KEY", "hunter2")
    return folder


def make_world(top: Path, home: Path, sandbox: Sandbox, *init: str) -> World:
    """A repository below ``top`` with a first commit on main."""
    main = top / "a répo"
    main.mkdir(parents=True)
    git(main, "init", "-q", *init, ".")
    for sample in (main / ".git" / "hooks").glob("*.sample"):
        sample.unlink()
    write(main, a_dot_txt="one\n", folder__b_dot_txt="two\n", _dot_gitignore="*.log\n.env\n")
    git(main, "add", "-A")
    git(main, "commit", "-qm", "first")
    return World(find(main), home, sandbox)


def copy_world(template: World, top: Path, home: Path, sandbox: Sandbox) -> World:
    """What ``make_world`` makes, from one that it made: a copy costs a fifth."""
    main = top / template.main.name
    shutil.copytree(template.main, main, symlinks=True)
    git(main, "update-index", "-q", "--refresh")
    return World(find(main), home, sandbox)


def nothing_is_broken(world: World) -> None:
    """The repository is sound, whatever was done to its workspaces."""
    assert git(world.main, "fsck", "--no-progress", "--no-dangling") == ""


def sh(workspace: Workspace, script: str, env: dict[str, str] | None = None) -> Finished:
    """Run a shell script in the workspace."""
    return asyncio.run(workspace.run(["sh", "-c", script], limits=LIMITS, env=env))


def running(words: str) -> list[str]:
    """Processes whose command line holds ``words``."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if words in line:
                found.append(line)
    return found
