"""Keeping what did not land: everything in a workspace goes onto a ref, or aside as it is; nothing is lost."""

import errno
from dataclasses import dataclass
from pathlib import Path

from factory.base.ids import CommitId, SessionId
from factory.git.repository import Repository
from factory.workspaces.collecting import Broken, collect_all
from factory.workspaces.confinement import Confinement
from factory.workspaces.leases import Lease
from factory.workspaces.policy import parse_changes
from factory.workspaces.quarantine import Quarantine, quarantine
from factory.workspaces.valve import GONE, TOO_SLOW, admit, known_commits, make_fit, rebuild

_GITLINK = "160000"


@dataclass(frozen=True)
class Kept:
    """What was kept of a session: a commit on ``ref``, a folder moved aside, both, or neither.

    Neither means that there was nothing that is not on the agent's branch already.
    """

    ref: str | None = None
    commit: CommitId | None = None
    folder: Path | None = None
    why_folder: str = ""

    @property
    def where(self) -> str:
        """The ref and the folder that hold what was kept, for the record; nothing when nothing was kept."""
        places = [self.ref if self.commit else "", str(self.folder) if self.folder else ""]
        return " and ".join(place for place in places if place)


def kept_ref(session: SessionId) -> str:
    """The ref that what was kept of ``session`` is on."""
    return f"refs/factory/kept/{session}"


def kept_folder(repo: Repository, session: SessionId) -> Path:
    """Where what could not be put on a ref is moved."""
    return repo.state_dir / "kept" / session


def keep(place: Confinement, branch_at: CommitId) -> Kept:
    """Put all of the work tree, staged or not, and the agent's other branches onto the session's kept ref.

    What git cannot take whole (a nested repository, a file too large, a work tree that it cannot read)
    makes the folder move aside instead; the workspace is only good for giving back then. Where somebody
    removed the work tree, the private git directory with the agent's commits is moved aside.
    """
    if not place.lease.root.is_dir():
        return move_aside(place, Kept(), GONE) if place.places.git.exists() else aside_already(place.repo, place.lease)
    before = place.repo.resolve(kept_ref(place.lease.session))
    asides = []
    outcome = _attempt(place, branch_at, before)
    if isinstance(outcome, Broken) and outcome.code != TOO_SLOW:
        asides.append(rebuild(place, branch_at))
        outcome = _attempt(place, branch_at, before)
    if isinstance(outcome, Broken):
        outcome = _Partly(None, "git could not read the work tree")
    commit = outcome.commit
    kept = Kept(kept_ref(place.lease.session), commit) if commit is not None else Kept()
    if outcome.why_not_all:
        return move_aside(place, kept, outcome.why_not_all)
    if asides:
        return _with_folder(place, kept, asides, "the agent's git directory was broken")
    return kept


@dataclass(frozen=True)
class _Partly:
    """What reached the ref, and why that is not all there is, if it is not."""

    commit: CommitId | None
    why_not_all: str = ""


def _attempt(place: Confinement, branch_at: CommitId, before: CommitId | None) -> _Partly | Broken:
    if not make_fit(place):
        return Broken(0)
    collected = collect_all(place, f"kept: the work of session {place.lease.session}", before)
    if isinstance(collected, Broken):
        return collected
    if collected.too_big:
        return _Partly(None, "a file is too large for git")
    known = known_commits(place, branch_at, *((before,) if before else ()))
    with quarantine(place.repo, place.places.incoming) as held:
        problem = admit(place, held, collected.head, known)
        if isinstance(problem, Broken):
            return problem
        if problem is not None:
            return _Partly(None, problem.reason)
        why = "some files could not be read" if collected.left_out else _nested(held, place.lease.base, collected.head)
        if collected.head in known:
            return _Partly(before, why)
        held.publish()
    _point_at(place, collected.head, before)
    return _Partly(collected.head, why)


def _nested(held: Quarantine, base: CommitId, head: CommitId) -> str:
    raw = held.ask(
        "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", "--ignore-submodules=none", base, head
    )
    nested = any(change.new_mode == _GITLINK for change in parse_changes(raw.out))
    return "there is a git repository inside the work tree" if nested else ""


def _point_at(place: Confinement, commit: CommitId, before: CommitId | None) -> None:
    """Move the kept ref and read it back from the repository's own store."""
    ref = kept_ref(place.lease.session)
    place.repo.move_ref(ref, commit, before or CommitId("0" * len(commit)), "factory: kept")
    found = place.repo.resolve(ref)
    place.repo.ask("rev-list", "--objects", "--quiet", commit, "--not", place.lease.base)
    assert found == commit, f"{ref} is at {found} right after it was moved to {commit}"


def aside_already(repo: Repository, lease: Lease) -> Kept:
    """What an earlier ``keep`` of a work tree that is not there any more moved aside, if it did."""
    folder = kept_folder(repo, lease.session)
    return Kept(folder=folder) if folder.exists() else Kept()


def move_aside(place: Confinement, kept: Kept, why: str) -> Kept:
    """Move the work tree and the private git directory out of the way as they are."""
    return _with_folder(place, kept, [place.lease.root, place.places.git, *place.places.set_aside()], why)


def _with_folder(place: Confinement, kept: Kept, things: list[Path], why: str) -> Kept:
    folder = kept_folder(place.repo, place.lease.session)
    folder.mkdir(parents=True, exist_ok=True)
    for thing in things:
        if not thing.exists():
            continue
        target = _free(folder / ("tree" if thing == place.lease.root else thing.name))
        _put(thing, target, place.lease.root.parent / f"kept-{place.lease.session}")
    return Kept(kept.ref, kept.commit, folder, why)


def _put(thing: Path, target: Path, beside: Path) -> None:
    """Rename ``thing`` to ``target``; from another file system to ``beside``, with a link at ``target``.

    A rename cannot stop half-way, as a copy of an unreadable or huge tree can.
    """
    try:
        thing.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        stays = _free(beside)
        target.symlink_to(stays)
        thing.rename(stays)


def _free(path: Path) -> Path:
    """``path``, or the first of path-1, path-2, ... that is not taken."""
    number, candidate = 0, path
    while candidate.exists() or candidate.is_symlink():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate
