"""A checkout of ``main``, a commit that it should follow to, and people who get in the way."""

import os
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from factory.base.ids import CommitId
from factory.git.checkouts import Checkout, checkouts
from factory.git.repository import Repository
from tests.conftest import commit, git

OLD = {
    "changed.txt": "old\n",
    "gone/away.txt": "was here\n",
    "page.txt": "x" * 5000,
    "plain.txt": "the same\n",
    "picture.bin": "old picture\n",
}
NEW = {
    "changed.txt": "new\n",
    "fresh/sub/file.txt": "new file\n",
    "page.txt": "y" * 9000,
    "picture.bin": "new picture\n",
}
REMOVED = "gone/away.txt"
AFTER = {name: content for name, content in (OLD | NEW).items() if name != REMOVED}


@dataclass
class World:
    """``main`` is checked out at ``old``; ``new`` is a commit on top of it that no ref of a branch names."""

    repo: Repository
    old: CommitId
    new: CommitId

    @property
    def root(self) -> Path:
        return self.repo.root

    @property
    def place(self) -> Checkout:
        (found,) = checkouts(self.repo, "main")
        return found

    @property
    def lock(self) -> Path:
        return self.repo.git_dir / "index.lock"

    def files(self) -> dict[str, str]:
        """Every file of the checkout but the README and ``src``."""
        paths = [path for path in self.root.rglob("*") if path.is_file() and ".git" not in path.parts]
        found = {path.relative_to(self.root).as_posix(): path.read_text() for path in paths}
        return {name: content for name, content in found.items() if not name.startswith(("README", "src/"))}

    def folders(self) -> set[str]:
        return {path.name for path in self.root.iterdir() if path.is_dir()} - {".git", "src"}

    def status(self) -> list[str]:
        return git(self.root, "status", "--porcelain").splitlines()

    def staged_against(self, tree: str) -> str:
        """How the index differs from a tree."""
        return git(self.root, "diff-index", "--cached", "--name-status", tree)


def make(repo: Repository, attributes: str = "") -> World:
    """A world; ``attributes`` are those of the old commit and the new one."""
    files = OLD | ({".gitattributes": attributes} if attributes else {})
    old = commit(repo.root, files, "old")
    git(repo.root, "rm", "-q", REMOVED)
    new = commit(repo.root, NEW, "new")
    git(repo.root, "update-ref", "refs/keep/new", new)
    git(repo.root, "reset", "-q", "--hard", old)
    return World(repo, CommitId(old), CommitId(new))


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)


@contextmanager
def waiting_editor(root: Path, tmp_path: Path) -> Iterator[None]:
    """``git commit -a`` by a person whose editor is open: git has closed ``index.lock`` but keeps it."""
    opened, done = tmp_path / "opened", tmp_path / "done"
    os.mkfifo(opened)
    os.mkfifo(done)
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\necho open > "{opened}"\ncat "{done}" > "$1"\n')
    editor.chmod(0o755)
    person = subprocess.Popen(
        ["git", "commit", "-q", "-a"], cwd=root, env=dict(os.environ) | {"GIT_EDITOR": str(editor)}
    )
    opened.read_text()
    try:
        yield
    finally:
        done.write_text("a commit by hand\n")
        assert person.wait() == 0


@contextmanager
def adding_all_the_time(root: Path) -> Iterator[None]:
    """A person's tool that runs ``git add`` without a pause."""
    loop = "i=0; while :; do i=$((i+1)); echo $i > busy.txt; git add busy.txt; done"
    person = subprocess.Popen(["sh", "-c", loop], cwd=root, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while not (root / "busy.txt").exists():
            time.sleep(0.01)
        yield
    finally:
        os.killpg(person.pid, 9)
        person.wait()
