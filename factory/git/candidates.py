"""Commits built in memory: merges without a checkout, trees with a file put in, commits with a parent."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from factory.base.ids import BlobId, CommitId, TreeId
from factory.git.command import clean_environment, git, sealed_environment
from factory.git.objects import Person
from factory.git.repository import Repository

SCRATCH = "scratch-"
"""How the folders with private indexes begin, in the state folder; those of killed processes are swept."""


def sweep(repo: Repository) -> None:
    """Remove what killed processes left of their private indexes; called when no other can be at work."""
    for folder in repo.state_dir.glob(f"{SCRATCH}*"):
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Clean:
    """The merge worked; ``tree`` is its result."""

    tree: TreeId


@dataclass(frozen=True)
class Conflicted:
    """The merge did not work in ``paths``; ``tree`` is what git would leave, with conflict markers."""

    paths: tuple[str, ...]
    tree: TreeId


def merge_change(repo: Repository, onto: CommitId, head: CommitId, base: CommitId) -> Clean | Conflicted:
    """Merge the difference between ``base`` and ``head`` onto ``onto``, and nothing else.

    What ``head`` has for parents does not count: an agent that names a newer commit as a second parent
    would otherwise move the merge base, and with it undo what landed since ``base``.
    """
    nobody = Person("factory", "factory@localhost")
    single = commit(repo, repo.tree_of(head), (base,), "one change", author=nobody, committer=nobody)
    return merge(repo, onto, single)


def merge(repo: Repository, ours: CommitId, theirs: CommitId) -> Clean | Conflicted:
    """Merge two commits in memory (``merge-tree --write-tree``, about 6 ms); exit 1 alone means conflict.

    git reads attributes such as ``merge=union`` from the folder it runs in (2.39), so it runs in one that
    holds those of ``ours`` and nothing else: what a person has not committed decides nothing, and neither
    does the side that wants in.
    """
    arguments = ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs]
    with scratch(repo) as folder:
        _put_attributes(repo, ours, folder)
        finished = git(arguments, git_dir=repo.common_dir, env=sealed_environment(), ok=(0, 1), cwd=folder)
    tree, *paths = finished.text.split("\0")
    if finished.code == 0:
        return Clean(TreeId(tree))
    return Conflicted(tuple(sorted({path for path in paths if path})), TreeId(tree))


@contextlib.contextmanager
def scratch(repo: Repository) -> Iterator[Path]:
    """A folder of this call's own in the state folder, for private indexes and what must be kept for a moment."""
    import tempfile

    repo.state_dir.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=SCRATCH, dir=repo.state_dir) as folder:
        yield Path(folder)


def _put_attributes(repo: Repository, commit_id: CommitId, folder: Path) -> None:
    names = repo.ask("ls-tree", "-r", "-z", "--name-only", commit_id).out.split(b"\0")
    for name in names:
        if name == b".gitattributes" or name.endswith(b"/.gitattributes"):
            path = os.fsdecode(name)
            content = repo.read_file(commit_id, path)
            if content is not None:
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).write_bytes(content)


def with_files(repo: Repository, tree: TreeId | None, files: Mapping[str, BlobId]) -> TreeId:
    """``tree`` (or an empty one) with each path of ``files`` set to its blob; made in a private index."""
    with scratch(repo) as folder:
        env = clean_environment({"GIT_INDEX_FILE": str(folder / "index")})
        if tree is not None:
            git(["read-tree", tree], git_dir=repo.common_dir, env=env)
        rows = "".join(f"100644 {blob}\t{path}\0" for path, blob in files.items())
        git(
            ["update-index", "-z", "--add", "--index-info"],
            git_dir=repo.common_dir,
            env=env,
            stdin=rows.encode(),
        )
        return TreeId(git(["write-tree"], git_dir=repo.common_dir, env=env).text.strip())


def commit(
    repo: Repository,
    tree: TreeId,
    parents: tuple[CommitId, ...],
    message: str,
    *,
    author: Person,
    committer: Person,
    sign: bool = False,
) -> CommitId:
    """Make a commit object, if asked signed as the user's configuration says; no ref moves."""
    env = clean_environment(
        {
            "GIT_AUTHOR_NAME": author.name,
            "GIT_AUTHOR_EMAIL": author.email,
            "GIT_COMMITTER_NAME": committer.name,
            "GIT_COMMITTER_EMAIL": committer.email,
        }
    )
    arguments = [
        "commit-tree",
        *(["-S"] if sign else []),
        tree,
        *(word for parent in parents for word in ("-p", parent)),
        "-F",
        "-",
    ]
    finished = git(
        arguments,
        git_dir=repo.common_dir,
        env=env,
        stdin=message.encode("utf-8", "surrogateescape"),
    )
    return CommitId(finished.text.strip())


def kind_of(repo: Repository, tree: TreeId, path: str) -> str:
    """What ``path`` is in a tree (``blob``, ``tree``, ``commit``), or nothing when it is not there."""
    words = repo.ask("ls-tree", tree, "--", path).text.split()
    return words[1] if words else ""


def changed_paths(repo: Repository, old: TreeId | CommitId, new: TreeId | CommitId) -> tuple[str, ...]:
    """The paths in which two trees differ."""
    finished = repo.ask("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new)
    return tuple(path for path in finished.out.decode("utf-8", "surrogateescape").split("\0") if path)
