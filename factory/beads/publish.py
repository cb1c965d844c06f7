"""The live beads, committed: the branch ``factory/beads`` follows the live copy by plumbing alone.

Every function here is called under the store's lock. What was appended since the last commit stands
in a small journal; if a power cut took the journal, ``everything=True`` finds the difference itself.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from factory.base.errors import UserError
from factory.base.files import replace_file
from factory.base.ids import BlobId, CommitId, TreeId
from factory.beads.changes import Changes, Note, Position
from factory.git.candidates import Person, commit
from factory.git.command import git, sealed_environment
from factory.git.repository import ZERO, Repository

BRANCH = "factory/beads"
REF = f"refs/heads/{BRANCH}"
ATTRIBUTES = (
    b"# One event a line, each with an id of its own: a merge keeps the lines of both sides.\n"
    b"*.jsonl -text merge=union\n"
)
"""What ``beads/.gitattributes`` says; safe because events carry ids and are applied once."""

PUBLISHED = "refs/factory/published"
"""Where the branch was when it was last committed here; a branch that was deleted is made again from it."""

_SHOWN = 50


class InTheWay(UserError):
    """A branch has a name that leaves no room for the branch of the beads."""

    def __init__(self) -> None:
        super().__init__(
            f"a branch called 'factory' leaves no room for {BRANCH}, and nothing was written",
            "rename it: git branch -m factory another-name",
        )


def _cursor(repo: Repository) -> Path:
    return repo.state_dir / "published.json"


def published_to(repo: Repository) -> Position | None:
    """Up to where the journal of changes is committed; ``None`` when that is not known."""
    try:
        return Position(*json.loads(_cursor(repo).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def stamp(repo: Repository) -> tuple[int, int]:
    """A value that changes with every commit."""
    try:
        status = _cursor(repo).stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def publish(repo: Repository, live: Path, changes: Changes, *, everything: bool = False) -> CommitId | None:
    """Commit the live files that grew; the answer is the new head of the branch, or ``None`` for no change."""
    since = changes.since(published_to(repo))
    everything = everything or since is None
    since = since or changes.since(changes.beginning())
    notes = since.notes if since else ()
    head = repo.branch(BRANCH) or repo.resolve(PUBLISHED)
    paths = {note.path for note in notes}
    if everything or head is None:
        paths |= _differing(repo, live, head)
    if not (paths or everything) and head is not None:
        return None
    files = _blobs(repo, live, sorted(paths))
    if head is None:
        files["beads/.gitattributes"] = repo.write_blob(ATTRIBUTES)
    tree = _tree_with(repo, head, files)
    moved = None
    if head is None or repo.tree_of(head) != tree:
        name, email = repo.identity()
        committer = Person(name, email)
        parents = (head,) if head else ()
        # Only holders of the store's lock write this ref: a lock file on it is a dead writer's.
        (repo.common_dir / f"{REF}.lock").unlink(missing_ok=True)
        moved = commit(repo, tree, parents, _message(notes), author=_author(notes, committer), committer=committer)
        repo.move_ref(REF, moved, repo.branch(BRANCH) or ZERO, why="factory: beads")
        repo.ask("update-ref", PUBLISHED, moved)
        _remember_index(repo, moved)
    if since is not None:
        replace_file(_cursor(repo), json.dumps(since.position).encode())
    return moved


def restore(repo: Repository, live: Path) -> None:
    """Make the live copy from the branch (here or, in a fresh clone, on a remote), or an empty one."""
    head = repo.branch(BRANCH) or repo.resolve(PUBLISHED)
    if head is None and repo.branch("factory") is not None:
        raise InTheWay
    if head is None:
        remotes = repo.refs("refs/remotes/")
        head = next((commit for ref, commit in remotes.items() if ref.endswith(f"/{BRANCH}")), None)
        if head is not None:
            repo.move_ref(REF, head, ZERO, why="factory: beads of the remote")
    fresh = live.parent.with_name(f"live.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "beads").mkdir(parents=True)
    if head is not None:
        env = sealed_environment({"GIT_INDEX_FILE": str(fresh / "index")})
        git(["read-tree", head], git_dir=repo.common_dir, env=env)
        git(["checkout-index", "--all", f"--prefix={fresh}/"], git_dir=repo.common_dir, env=env)
        (fresh / "index").unlink()
    live.parent.mkdir(parents=True, exist_ok=True)
    (fresh / "beads").replace(live)
    shutil.rmtree(fresh)


def _differing(repo: Repository, live: Path, head: CommitId | None) -> set[str]:
    """Paths of live files whose size is not that of their blob on the branch."""
    sizes: dict[str, int] = {}
    if head is not None:
        rows = repo.ask("ls-tree", "-r", "-l", "-z", head, "--", "beads/").text.split("\0")
        for row in filter(None, rows):
            facts, path = row.split("\t", 1)
            sizes[path] = int(facts.split()[3])
    found = {f"beads/{path.relative_to(live).as_posix()}": path.stat().st_size for path in live.glob("**/*.jsonl")}
    return {path for path, size in found.items() if sizes.get(path) != size}


def _blobs(repo: Repository, live: Path, paths: Iterable[str]) -> dict[str, BlobId]:
    there = [path for path in paths if (live.parent / path).is_file()]
    names = "".join(f"{live.parent / path}\n" for path in there)
    said = repo.ask("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=os.fsencode(names)).text.split()
    return dict(zip(there, (BlobId(blob) for blob in said), strict=True))


def _tree_with(repo: Repository, head: CommitId | None, files: Mapping[str, BlobId]) -> TreeId:
    """The branch's tree with ``files`` put in, by way of an index that is kept between calls."""
    index = repo.state_dir / "beads.index"
    env = sealed_environment({"GIT_INDEX_FILE": str(index)})
    known = index.with_suffix(".commit")
    index.with_suffix(".index.lock").unlink(missing_ok=True)
    is_current = head is not None and index.exists() and known.exists() and known.read_text() == head
    known.unlink(missing_ok=True)
    if not is_current:
        git(["read-tree", head] if head else ["read-tree", "--empty"], git_dir=repo.common_dir, env=env)
    rows = "".join(f"100644 {blob}\t{path}\0" for path, blob in files.items())
    git(["update-index", "-z", "--add", "--index-info"], git_dir=repo.common_dir, env=env, stdin=rows.encode())
    return TreeId(git(["write-tree"], git_dir=repo.common_dir, env=env).text.strip())


def _remember_index(repo: Repository, head: CommitId) -> None:
    replace_file(repo.state_dir / "beads.commit", head.encode())


def _author(notes: Sequence[Note], committer: Person) -> Person:
    actors = {note.by for note in notes}
    if len(actors) != 1:
        return committer
    role, _, name = actors.pop().partition(":")
    if role == "human":
        return committer
    return Person(name or role, f"{role}@factory.invalid")


def _message(notes: Sequence[Note]) -> str:
    """One line an event, with its actor, so that ``git log`` on a bead's file tells its story."""
    lines = list(dict.fromkeys(f"{note.says} [{note.by}]" for note in notes))
    if not lines:
        return "beads: begin\n" if not notes else "beads: bring up to date\n"
    if len(lines) == 1:
        return f"{lines[0]}\n"
    more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([f"{lines[0]} (+{len(lines) - 1})", "", *lines[:_SHOWN], *more]) + "\n"
