"""The one-way valve: an agent's head comes out as checked objects and a moved branch, or not at all."""

from dataclasses import dataclass
from pathlib import Path

from factory.base.ids import CommitId, TreeId
from factory.workspaces import private_git
from factory.workspaces.collecting import Broken, Collected, collect, read_head_into_index
from factory.workspaces.confinement import Confinement
from factory.workspaces.folders import reopen
from factory.workspaces.policy import BLOB_LIMIT, Unwanted, judge, parse_changes
from factory.workspaces.quarantine import Quarantine, quarantine

TOO_SLOW = -1
GONE = "the work tree is gone: somebody removed its folder"


@dataclass(frozen=True)
class Brought:
    """The work is on the agent's branch: its head, the head's tree, new commits oldest first, changed paths.

    ``left_out`` are paths of the work tree that git could not take.
    """

    head: CommitId
    tree: TreeId
    commits: tuple[CommitId, ...]
    paths: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True)
class Nothing:
    """There is no change: the tree is the base's."""


@dataclass(frozen=True)
class Admitted:
    """Objects were checked and are in the repository's store, though no ref names them yet."""

    commit: CommitId


Outcome = Brought | Nothing | Unwanted


def bring_out(place: Confinement, message: str, branch_at: CommitId) -> Outcome:
    """Commit the rest, check everything, and move the agent's branch from ``branch_at``.

    Raises ``RefMoved`` when somebody else moved the branch. A private git directory that the agent
    broke is made anew at ``branch_at``, and the work tree comes out as one commit on it.
    """
    if not place.lease.root.is_dir():
        return Unwanted(GONE)
    outcome = _attempt(place, message, branch_at)
    if isinstance(outcome, Broken) and outcome.code != TOO_SLOW:
        rebuild(place, branch_at)
        outcome = _attempt(place, message, branch_at)
    if isinstance(outcome, Broken):
        return Unwanted(broken_reason(outcome))
    return outcome


def broken_reason(broken: Broken) -> str:
    """Why nothing could be collected, in one sentence."""
    if broken.code == TOO_SLOW:
        return "collecting the work took too long"
    return f"git cannot read the work tree (step {broken.code})"


def _attempt(place: Confinement, message: str, branch_at: CommitId) -> Outcome | Broken:
    if not make_fit(place):
        return Broken(0)
    collected = collect(place, message)
    if isinstance(collected, Broken):
        return collected
    if collected.too_big:
        return Unwanted(f"a file is larger than {BLOB_LIMIT >> 20} MiB", collected.too_big)
    if collected.head == place.lease.base:
        return Nothing()
    return _import(place, collected, branch_at)


def _import(place: Confinement, collected: Collected, branch_at: CommitId) -> Outcome | Broken:
    lease, head = place.lease, collected.head
    known = known_commits(place, branch_at)
    with quarantine(place.repo, place.places.incoming) as held:
        problem = admit(place, held, head, known)
        if problem is not None:
            return problem
        if not held.descends(lease.base, head):
            return Unwanted("the history was rewritten: its base is not an ancestor any more")
        tree = held.tree_of(head)
        if tree == held.tree_of(lease.base):
            return Nothing()
        unwanted, paths = _judge(held, lease.base, head)
        if unwanted is not None:
            return unwanted
        commits = held.ask("rev-list", "--reverse", "--topo-order", f"{lease.base}..{head}").text.split()
        held.publish()
    if head != branch_at:
        place.repo.move_ref(f"refs/heads/{lease.branch}", head, branch_at, "factory: brought out")
    return Brought(head, tree, tuple(CommitId(commit) for commit in commits), paths, collected.left_out)


def known_commits(place: Confinement, *more: CommitId) -> tuple[CommitId, ...]:
    """Commits that the repository and the cage both have."""
    return tuple(dict.fromkeys((place.lease.base, place.lease.start, *more)))


def admit(
    place: Confinement, held: Quarantine, head: CommitId, known: tuple[CommitId, ...]
) -> Unwanted | Broken | None:
    """Take ``head`` into the quarantine and prove that it is whole; nothing to do when it is ``known``."""
    if head in known:
        return None
    problem = held.take_in(place, head, known)
    if problem is not None:
        return problem
    if not held.is_whole(head, known):
        return Unwanted("parts of its history are missing")
    return None


def _judge(held: Quarantine, base: CommitId, head: CommitId) -> tuple[Unwanted | None, tuple[str, ...]]:
    """The policy over base..head, and the paths that changed."""
    raw = held.ask(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none", base, head
    ).out
    changes = parse_changes(raw)
    new = sorted({change.new_id for change in changes if change.is_file or change.is_link})
    rows = held.ask(
        "cat-file", "--batch-check=%(objectname) %(objectsize)", stdin="".join(f"{i}\n" for i in new).encode()
    )
    sizes = {name: int(size) for name, size in (row.split(" ") for row in rows.text.splitlines())}
    links = {
        change.new_id: held.ask("cat-file", "blob", change.new_id).out.decode("utf-8", "surrogateescape")
        for change in changes
        if change.is_link and sizes.get(change.new_id, 0) <= BLOB_LIMIT
    }
    return judge(changes, sizes, links), tuple(change.path for change in changes)


def make_fit(place: Confinement) -> bool:
    """Undo what would keep us from looking: lost permissions, a changed config; whether that worked."""
    reopen(place.lease.root)
    reopen(place.places.git)
    if not place.sandbox.remounts:
        mend_pointer(place)
    try:
        private_git.restore_config(place.places.git, place.places.session, place.facts)
    except OSError:
        return False
    return True


def rebuild(place: Confinement, at: CommitId) -> Path:
    """Set the private git directory aside and make a fresh one at ``at``; the answer is where the old one is."""
    aside = place.places.next_aside()
    if place.places.git.exists():
        place.places.git.rename(aside)
    private_git.make(place.plan(at), place.facts, place.lease.copied)
    read_head_into_index(place)
    return aside


def mend_pointer(place: Confinement) -> None:
    """Without mounts, let the work tree's ``.git`` name the private git directory, whatever it is now."""
    write_pointer(place, place.entry_seen)


def write_pointer(place: Confinement, entry: Path) -> None:
    """Write the work tree's ``.git`` file; whatever else stands there is set aside, never followed."""
    pointer = place.lease.root / ".git"
    text = f"gitdir: {entry}\n"
    if pointer.is_symlink() or pointer.is_dir():
        pointer.rename(place.places.next_aside())
    elif pointer.is_file() and pointer.read_bytes() == text.encode("utf-8", "surrogateescape"):
        return
    fresh = place.places.session / "pointer.fresh"
    fresh.write_text(text, encoding="utf-8", errors="surrogateescape")
    fresh.replace(pointer)
