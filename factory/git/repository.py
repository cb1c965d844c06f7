"""Which repository this is, whether it can be worked in, and the questions asked of it by name."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from factory.base import process
from factory.base.errors import UserError
from factory.base.files import sync_folder
from factory.base.ids import BlobId, CommitId, TreeId, is_object_id
from factory.git.command import GitFailed, clean_environment, git, sealed_environment

OLDEST_GIT = (2, 39)
"""2.38 brought ``merge-tree --write-tree``; 2.39 is the oldest that the tests run on."""

ZERO = CommitId("0" * 40)
"""In a compare-and-swap: the ref must not exist. Any number of zeros says so, whatever the repository's hash."""


class NotUsable(UserError):
    """The place where factory was called cannot be worked in."""


_LOCK_TRIES = 3
"""git itself waits 100 ms for the lock of a living writer (``core.filesRefLockTimeout``)."""


@dataclass(frozen=True)
class Move:
    """One ref of a transaction: from ``old`` (``None``: there is no such ref) to ``new``."""

    ref: str
    new: CommitId
    old: CommitId | None


class RefMoved(UserError):
    """A compare-and-swap found another value than the one it named."""

    def __init__(self, ref: str) -> None:
        super().__init__(f"{ref} was moved by somebody else in the meantime", "run the command again")
        self.ref = ref


@dataclass(frozen=True)
class Repository:
    """A git repository: ``root`` is the work tree factory was called in, ``common_dir`` what all share."""

    root: Path
    common_dir: Path
    git_dir: Path = field(compare=False)

    @cached_property
    def state_dir(self) -> Path:
        """Where this clone keeps what is not committed: the live beads, locks, sessions."""
        return self.common_dir / "factory"

    @cached_property
    def main_root(self) -> Path:
        """The main work tree, beside which the worktrees of sessions are put."""
        finished = git(["worktree", "list", "--porcelain", "-z"], git_dir=self.common_dir)
        first = finished.out.split(b"\0", 1)[0]
        return Path(os.fsdecode(first.removeprefix(b"worktree ")))

    def ask(self, *arguments: str, ok: tuple[int, ...] = (0,), stdin: bytes = b"") -> process.Finished:
        """One git command on the common directory, with the user's configuration in force."""
        return git(arguments, git_dir=self.common_dir, ok=ok, stdin=stdin)

    def resolve(self, name: str) -> CommitId | None:
        """The commit that ``name`` stands for, or ``None``."""
        finished = self.ask(
            "rev-parse",
            "--verify",
            "--quiet",
            "--end-of-options",
            f"{name}^{{commit}}",
            ok=(0, 1, 128),
        )
        found = finished.text.strip()
        return CommitId(found) if finished.code == 0 and is_object_id(found) else None

    def branch(self, name: str) -> CommitId | None:
        """The head of branch ``name``, or ``None`` when there is no such branch."""
        return self.resolve(f"refs/heads/{name}")

    def current_branch(self) -> str | None:
        """The branch that the calling work tree is on; ``None`` on a detached head."""
        finished = git(["symbolic-ref", "--quiet", "--short", "HEAD"], git_dir=self.git_dir, ok=(0, 1))
        return finished.text.strip() or None

    def tree_of(self, commit: CommitId) -> TreeId:
        """The tree of a commit."""
        return TreeId(self.ask("rev-parse", "--verify", f"{commit}^{{tree}}").text.strip())

    def is_ancestor(self, older: CommitId, newer: CommitId) -> bool:
        """Whether ``newer`` is ``older`` or descends from it."""
        return self.ask("merge-base", "--is-ancestor", older, newer, ok=(0, 1)).code == 0

    def read_file(self, commit: CommitId, path: str) -> bytes | None:
        """The content of ``path`` in a commit, or ``None`` when there is no such file."""
        finished = self.ask("cat-file", "blob", f"{commit}:{path}", ok=(0, 128))
        return finished.out if finished.code == 0 else None

    def write_blob(self, content: bytes) -> BlobId:
        """Store ``content`` and return its id."""
        return BlobId(self.ask("hash-object", "-w", "--stdin", "--no-filters", stdin=content).text.strip())

    def peek(self, ref: str) -> CommitId | None:
        """What the full name ``ref`` points to, read from its file where it has one: no process in the usual case."""
        with contextlib.suppress(OSError, UnicodeDecodeError):
            found = (self.common_dir / ref).read_text(encoding="ascii").strip()
            if is_object_id(found):
                return CommitId(found)
        return self.resolve(ref)

    def move_refs(self, moves: Sequence[Move], why: str) -> None:
        """Move several refs or none, each by compare-and-swap, durably; raises ``RefMoved`` when one is elsewhere.

        Only for refs whose writers hold one lock: a lock file on such a ref is a dead writer's and is removed.
        """
        lines = [
            f"update {move.ref} {move.new} {move.old}\n" if move.old else f"create {move.ref} {move.new}\n"
            for move in moves
        ]
        for _ in range(_LOCK_TRIES):
            finished = self.ask(
                "update-ref", "-m", why, "--create-reflog", "--stdin", stdin="".join(lines).encode(), ok=(0, 128)
            )
            if finished.code == 0:
                for folder in {(self.common_dir / move.ref).parent for move in moves}:
                    with contextlib.suppress(FileNotFoundError):
                        sync_folder(folder)
                return
            for move in moves:
                if self.peek(move.ref) != move.old:
                    raise RefMoved(move.ref)
            for move in moves:
                (self.common_dir / f"{move.ref}.lock").unlink(missing_ok=True)
        raise GitFailed(["update-ref", "--stdin"], finished)

    def move_ref(self, ref: str, new: CommitId, old: CommitId, why: str = "factory") -> None:
        """Move ``ref`` from ``old`` to ``new`` by compare-and-swap; raises ``RefMoved`` when it is not at ``old``.

        An ``old`` of zeros says that the ref must not exist, which git takes as an empty word for every hash.
        """
        expected = old.strip("0") and old
        finished = self.ask("update-ref", "-m", why, "--create-reflog", ref, new, expected, ok=(0, 128))
        self._settle(ref, finished, wanted=new)

    def delete_ref(self, ref: str, old: CommitId) -> None:
        """Delete ``ref`` if it is still at ``old``; raises ``RefMoved`` otherwise."""
        finished = self.ask("update-ref", "-d", ref, old, ok=(0, 1, 128))
        self._settle(ref, finished, wanted=None)

    def _settle(self, ref: str, finished: process.Finished, wanted: CommitId | None) -> None:
        """Tell a lost race from a broken repository by reading the ref, not what git printed."""
        if finished.code == 0:
            return
        raw = self.ask("rev-parse", "--verify", "--quiet", ref, ok=(0, 1, 128)).text.strip() or None
        if raw == wanted:
            return
        lock = self.common_dir / f"{ref}.lock"
        if lock.exists():
            raise GitFailed(["update-ref", ref], finished)
        raise RefMoved(ref)

    def refs(self, prefix: str) -> dict[str, CommitId]:
        """Every ref below ``prefix`` and what it points to."""
        finished = self.ask("for-each-ref", "--format=%(objectname) %(refname)", prefix)
        rows = (line.split(" ", 1) for line in finished.text.splitlines())
        return {ref: CommitId(oid) for oid, ref in rows}

    def identity(self) -> tuple[str, str]:
        """Name and email of the person at the keyboard, as git would put them on a commit.

        Without any configuration: the login name at ``localhost``, so that an empty machine works too.
        """
        finished = git(
            ["-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"],
            git_dir=self.git_dir,
            env=_with_caller_identity(),
            ok=(0, 128),
        )
        match = re.fullmatch(r"(.*) <(.*)> \d+ [+-]\d{4}\n?", finished.text)
        if finished.code == 0 and match is not None:
            return match[1], match[2]
        return "factory", "factory@localhost"


def _with_caller_identity() -> dict[str, str]:
    kept = ("GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL")
    return clean_environment({name: os.environ[name] for name in kept if name in os.environ})


def find(start: Path) -> Repository:
    """The repository that ``start`` lies in; raises ``NotUsable`` with the reason when it cannot be worked in."""
    _check_git()
    if not start.is_dir():
        raise NotUsable(f"there is no folder {start}", "give the folder of a git repository")
    finished = _rev_parse(
        start, "--is-bare-repository", "--is-shallow-repository", "--is-inside-work-tree", "--absolute-git-dir"
    )
    if finished.code != 0:
        said = finished.err.decode("utf-8", "replace")
        if "dubious ownership" in said:
            raise NotUsable(
                f"{start} belongs to another user, and git refuses to work in it",
                "if you trust it, add it to git's safe.directory setting",
            )
        raise NotUsable(
            f"{start} is not in a git repository",
            "run factory inside a repository, or `git init` first",
        )
    bare, shallow, inside, git_dir = os.fsdecode(finished.out).split("\n", 3)
    if bare == "true":
        raise NotUsable("this repository is bare, and factory needs a work tree", "run it in an ordinary clone")
    if inside != "true":
        raise NotUsable("this is inside a .git folder", "run factory from the work tree")
    if shallow == "true":
        raise NotUsable(
            "this clone is shallow, and factory needs the whole history",
            "run `git fetch --unshallow` first",
        )
    common = _rev_parse(start, "--git-common-dir")
    top = _rev_parse(start, "--show-toplevel")
    return Repository(_path(top.out), _path(common.out), _path(os.fsencode(git_dir)))


def _rev_parse(start: Path, *questions: str) -> process.Finished:
    """Answers one a line; a path may contain line breaks, so it is asked for alone or last."""
    argv = ["git", "-C", str(start), "rev-parse", "--path-format=absolute", *questions]
    return process.run(argv, env=clean_environment())


def _path(said: bytes) -> Path:
    return Path(os.fsdecode(said.removesuffix(b"\n")))


def require_commit(repo: Repository) -> None:
    """Raise ``NotUsable`` when the repository has no commit yet."""
    if repo.resolve("HEAD") is None and not repo.refs("refs/heads/"):
        raise NotUsable("this repository has no commit yet", "make a first commit: agents start from one")


def git_version() -> tuple[int, ...] | None:
    """The version of the git on the path, or ``None`` when there is none."""
    try:
        finished = process.run(["git", "--version"], env=sealed_environment())
    except process.ProgramMissing:
        return None
    found = re.search(r"(\d+)\.(\d+)(?:\.(\d+))?", finished.text)
    return tuple(int(part) for part in found.groups() if part) if found else None


def _check_git() -> None:
    version = git_version()
    if version is None:
        raise NotUsable("git is not installed", "install git 2.39 or later")
    if version < OLDEST_GIT:
        shown = ".".join(str(part) for part in version)
        raise NotUsable(f"git {shown} is too old", "install git 2.39 or later")
