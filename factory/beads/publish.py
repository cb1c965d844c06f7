"""The live beads, committed: the branch ``factory/beads`` follows the live copy, by objects written in process.

Every function here is called under the store's lock. What was appended since the last commit is told by
the journal of changes from a cursor of our own on; where that was lost, every file is looked at. A commit
costs two git processes, one that reads the touched folders and one that moves the refs.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from factory.base.errors import TryAgain
from factory.base.files import read_plain, sync_folder
from factory.base.ids import BlobId, CommitId
from factory.beads.absorb import LiveCopy, catch_up, take_in, whole_lines
from factory.beads.branch import ATTRIBUTES, BRANCH, PUBLISHED, REF, InTheWay, make_commit
from factory.beads.changes import Changes, Note, Position
from factory.git.command import git, sealed_environment
from factory.git.objects import Objects
from factory.git.repository import Move, RefMoved, Repository

_SHOWN = 2000
"""Lines of a commit's message; an import of 100,000 beads would make one of 10 MB."""

_TRIES = 20


class Moving(TryAgain):
    """Somebody moves the branch again and again."""

    def __init__(self) -> None:
        super().__init__(
            f"the beads are written but not committed, because somebody keeps moving {BRANCH}",
            "the next command commits them",
        )


def _cursor(repo: Repository) -> Path:
    return repo.state_dir / "published.json"


def published_to(repo: Repository) -> Position | None:
    """Up to where the journal of changes is committed; ``None`` when that is not known."""
    try:
        generation, offset, boot = json.loads(_cursor(repo).read_bytes())
    except (OSError, ValueError, TypeError):
        return None
    return Position(str(generation), offset, str(boot)) if isinstance(offset, int) else None


def stamp(repo: Repository) -> tuple[int, int]:
    """A value that changes with every commit."""
    try:
        status = _cursor(repo).stat()
    except FileNotFoundError:
        return 0, 0
    return status.st_ino, status.st_mtime_ns


def publish(
    repo: Repository, live: Path, changes: Changes, *, everything: bool = False, sign: bool = False
) -> CommitId | None:
    """Commit the live files that changed; the answer is the new head of the branch, or ``None`` for no change.

    Before that it takes in what somebody else did to the branch. Raises ``NotSigned`` and ``Moving``.
    """
    for _ in range(_TRIES):
        try:
            return _publish(repo, live, changes, everything=everything, sign=sign)
        except RefMoved:  # a person merged or pulled in between
            continue
    raise Moving


def _publish(repo: Repository, live: Path, changes: Changes, *, everything: bool, sign: bool) -> CommitId | None:
    head = catch_up(repo, live, changes, sign=sign)
    since = changes.since(published_to(repo))
    everything = everything or since is None or head is None
    since = since or changes.since(changes.beginning())
    notes = since.notes if since else ()
    new = Objects(repo, like=head) if everything or notes else None
    moved = None
    if new is not None:
        grown, gone = _differing(repo, live, changes, head, new) if everything else ((), frozenset[str]())
        paths = {note.path: note.replaced for note in notes} | dict.fromkeys(grown, False)
        files = _blobs(new, live, paths) | dict.fromkeys(gone)
        if head is None:
            files["beads/.gitattributes"] = new.blob(ATTRIBUTES)
        made = new.edited(head, files)
        if made.tree != made.before:
            told = [note for note in notes if note.path in made.changed and note.by]
            actors = {note.by for note in told}
            by = actors.pop() if len(actors) == 1 else ""
            parents = (head,) if head else ()
            moved = make_commit(repo, new, made.tree, parents, _message(told, head), by=by, sign=sign)
            repo.move_refs([Move(REF, moved, head), Move(PUBLISHED, moved, head)], "factory: beads")
    if since is not None and since.position != published_to(repo):
        _remember(repo, since.position)
    return moved


def _remember(repo: Repository, position: Position) -> None:
    """Move the cursor. It need not outlive a cut of the power: after one, everything is looked at."""
    beside = _cursor(repo).with_suffix(".tmp")
    beside.write_text(json.dumps(position))
    beside.replace(_cursor(repo))


def _blobs(new: Objects, live: Path, paths: dict[str, bool]) -> dict[str, BlobId | None]:
    """What the branch must have of the live files: whole lines. A file that is gone leaves only if that was announced.

    One that cannot be read stays on the branch as it was.
    """
    files: dict[str, BlobId | None] = {}
    for path, replaced in paths.items():
        try:
            files[path] = new.blob(whole_lines(path, read_plain(live.parent / path)))
        except FileNotFoundError:
            if replaced:
                files[path] = None
        except OSError:
            continue
    return files


def _differing(
    repo: Repository, live: Path, changes: Changes, head: CommitId | None, new: Objects
) -> tuple[Sequence[str], frozenset[str]]:
    """The live files that are not as on the branch, byte for byte, and those that the branch should not have.

    A file of the branch that the live copy lacks comes back, unless all its lines stand elsewhere.
    """
    listed: dict[str, str] = {}
    if head is not None:
        for row in os.fsdecode(repo.ask("ls-tree", "-r", "-z", head, "--", "beads/").out).split("\0"):
            if row:
                facts, path = row.split("\t", 1)
                listed[path] = facts.split(" ")[2]
    found = LiveCopy(live).paths()
    missing = {path for path in listed.keys() - set(found) if path.endswith(".jsonl")}
    missing = {path for path in missing if not os.path.lexists(live.parent / path)}
    gone = take_in(repo, live, changes, head, missing) & missing if head is not None and missing else frozenset[str]()
    return [path for path in found if _is_other(live, path, listed.get(path), new)], gone


def _is_other(live: Path, path: str, listed: str | None, new: Objects) -> bool:
    if not path.endswith(".jsonl") and not path.startswith("beads/aside/"):
        return False
    try:
        return new.id_of("blob", whole_lines(path, read_plain(live.parent / path))) != listed
    except OSError:
        return False


def _message(notes: Iterable[Note], head: CommitId | None) -> str:
    """One line an event, with its actor, so that ``git log`` on a bead's file tells its story."""
    lines = list(dict.fromkeys(f"{note.says} [{note.by}]" for note in notes))
    if not lines:
        return "beads: bring up to date\n" if head else "beads: begin\n"
    if len(lines) == 1:
        return f"{lines[0]}\n"
    more = [f"... and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([f"{lines[0]} (+{len(lines) - 1})", "", *lines[:_SHOWN], *more]) + "\n"


def restore(repo: Repository, live: Path) -> None:
    """Make the live copy from the branch (here or, in a fresh clone, on a remote), or an empty one."""
    head = repo.branch(BRANCH) or repo.resolve(PUBLISHED)
    if head is None and repo.branch("factory") is not None:
        raise InTheWay
    if head is None:
        remotes = repo.refs("refs/remotes/")
        head = next((commit for ref, commit in remotes.items() if ref.endswith(f"/{BRANCH}")), None)
        if head is not None:
            repo.move_refs([Move(REF, head, None)], "factory: beads of the remote")
    fresh = live.parent.with_name(f"live.{os.getpid()}.tmp")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "beads").mkdir(parents=True)
    if head is not None:
        env = sealed_environment({"GIT_INDEX_FILE": str(fresh / "index")})
        git(["read-tree", head], git_dir=repo.common_dir, env=env)
        git(["checkout-index", "--all", f"--prefix={fresh}/"], git_dir=repo.common_dir, env=env)
        (fresh / "index").unlink()
        if repo.peek(PUBLISHED) is None:
            repo.move_refs([Move(PUBLISHED, head, None)], "factory: beads")
    live.parent.mkdir(parents=True, exist_ok=True)
    os.sync()  # the files must be on the disk before the name that says they are whole
    (fresh / "beads").replace(live)
    sync_folder(live.parent)  # an event that is synced in a folder whose name is not may still be lost
    shutil.rmtree(fresh)
