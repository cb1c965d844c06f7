"""The life of one workspace: leased, worked in, emptied through the valve, given back."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from factory.base import children, process
from factory.base.errors import UserError
from factory.base.files import printable
from factory.base.ids import CommitId, SessionId
from factory.base.process import RUN_MARK, Finished, Limits
from factory.git import worktrees
from factory.git.objects import Person
from factory.git.repository import Repository
from factory.workspaces import cgroup, collecting, include, leases, private_git, salvage, valve
from factory.workspaces.confinement import Confinement, confine, shown_paths
from factory.workspaces.folders import checked_root, remove_tree
from factory.workspaces.leases import Lease
from factory.workspaces.policy import Unwanted
from factory.workspaces.salvage import Kept
from factory.workspaces.sandbox import Sandbox
from factory.workspaces.valve import Brought, Nothing

__all__ = ["Brought", "Kept", "LeaseRequest", "Nothing", "Unwanted", "Workspace", "lease", "leased", "recover"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_END_WAIT_S = 0.01


@dataclass(frozen=True)
class LeaseRequest:
    """What a workspace should be.

    ``name`` is the folder's, e.g. ``fa-7k2m-1``; ``branch`` the agent's, or ``None`` for a detached
    checkout (gates). Content begins at ``start``, a descendant of ``base`` (an earlier attempt on a new
    base), or at ``base``. ``target`` is what the target branch is called inside. ``read`` and ``expose``
    are folders and files seen read-only at their own paths.
    """

    session: SessionId
    name: str
    base: CommitId
    branch: str | None
    target: str
    author: Person
    sandbox: Sandbox
    start: CommitId | None = None
    network: bool = False
    read: tuple[Path, ...] = ()
    expose: tuple[Path, ...] = ()


class NameUnfit(UserError):
    """A workspace cannot be called so."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{printable(name)!r} cannot name a workspace", "use letters, digits, '.', '_' and '-', as in fa-7k2m-1"
        )
        self.name = name


class AlreadyLeased(UserError):
    """The session has a workspace already."""

    def __init__(self, session: SessionId) -> None:
        super().__init__(f"session {session} has a workspace already", "recover it, or use a new session")
        self.session = session


class NotMade(UserError):
    """The machine did not let a workspace be made: a full disk, a folder that may not be written."""

    def __init__(self, name: str, error: OSError) -> None:
        what = f"{error.strerror or error}" + (f": {error.filename}" if error.filename else "")
        super().__init__(
            f"the workspace {name} could not be made: {printable(what)}",
            "see whether the disk is full and who may write there",
        )
        self.name = name


class StartUnrelated(UserError):
    """The content to start from is not built on the base."""

    def __init__(self, start: CommitId, base: CommitId) -> None:
        super().__init__(f"{start} does not descend from {base}", "rebuild the change on the new base first")
        self.start = start
        self.base = base


class Workspace:
    """A linked worktree at ``root`` whose programs run confined.

    Calls other than ``run`` block, for up to seconds; call them in a thread. They expect that no ``run``
    is under way.
    """

    def __init__(self, place: Confinement, branch_at: CommitId) -> None:
        self._place = place
        self._branch_at = branch_at
        self._runs = itertools.count(1)

    @property
    def root(self) -> Path:
        """The work tree; seen at the same path inside."""
        return self._place.lease.root

    @property
    def base(self) -> CommitId:
        """The commit that changes are measured against."""
        return self._place.lease.base

    @property
    def branch(self) -> str | None:
        """The agent's branch, without ``refs/heads/``."""
        return self._place.lease.branch

    @property
    def session(self) -> SessionId:
        """The session that holds the lease."""
        return self._place.lease.session

    @property
    def notes(self) -> Path:
        """A folder on the host for files the agent should read; read-only inside; never removed by us."""
        return self._place.places.task

    @property
    def home(self) -> Path:
        """The agent's home, on the host; it lasts as long as the lease."""
        return self._place.places.home

    def inside(self, host_path: Path) -> str:
        """Where a host path below ``notes`` (or the work tree) is seen inside; ``ValueError`` for any other."""
        if host_path.is_relative_to(self.root):
            return str(host_path)
        return str(self._place.task_seen / host_path.relative_to(self.notes))

    async def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """Run a program inside the confinement with the work tree as its folder.

        ``env`` is added to the allow-listed environment. When it ends, everything it started ends too.
        A program that is not there ends with 127 where the sandbox can tell, as in a shell.
        """
        mark = f"{self.session}.{next(self._runs)}"
        with cgroup.bounded(self._place.launch(argv, env, mark), mark) as launch:
            return await children.run_async(
                launch.argv,
                env=launch.env,
                cwd=launch.cwd,
                limits=replace(limits, processes=launch.processes),
                stdin=stdin,
                on_output=on_output,
            )

    def bring_out(self, message: str) -> Brought | Nothing | Unwanted:
        """Commit what is uncommitted with ``message``, check all of it, and move the agent's branch to it.

        May be called again after more work. Raises ``RefMoved`` when somebody else moved the branch.
        """
        if self.branch is None:
            raise ValueError("a detached workspace has no branch to bring work out to")
        self.end_processes()
        outcome = valve.bring_out(self._place, message, self._branch_at)
        if isinstance(outcome, Brought):
            self._branch_at = outcome.head
        return outcome

    def keep(self) -> Kept:
        """Save what is not on the agent's branch onto ``refs/factory/kept/<session>``, or move it aside."""
        self.end_processes()
        return salvage.keep(self._place, self._branch_at)

    def give_back(self) -> None:
        """Remove the worktree, its registration and the session's folders; call ``bring_out`` or ``keep`` before.

        The branch stays, unless it never got beyond its base. Safe to repeat, and to be killed anywhere.
        """
        _give_back(self._place.repo, self._place.lease)

    def end_processes(self) -> None:
        """End whatever of this session still runs, and wait until it has."""
        _end_processes(self.session)


def lease(repo: Repository, request: LeaseRequest, root: Path) -> Workspace:
    """Make a workspace below ``root``; on any failure nothing of it remains.

    The lease is durable before anything is made, so that ``recover`` finds it after a kill. Whatever the
    machine refuses is a ``FactoryError``.
    """
    if not _NAME.fullmatch(request.name):
        raise NameUnfit(request.name)
    try:
        return _lease(repo, request, root)
    except OSError as error:
        raise NotMade(request.name, error) from error


def _lease(repo: Repository, request: LeaseRequest, root: Path) -> Workspace:
    place = checked_root(repo, root)
    shown = shown_paths(repo, place, request.read, request.expose)
    if leases.read(repo, request.session) is not None:
        raise AlreadyLeased(request.session)
    start = request.start or request.base
    if start != request.base and not repo.is_ancestor(request.base, start):
        raise StartUnrelated(start, request.base)
    record = Lease(
        session=request.session,
        root=place / request.name,
        base=request.base,
        start=start,
        branch=request.branch,
        target=request.target,
        author=request.author,
        sandbox=request.sandbox.name,
        network=request.network,
    )
    _refuse_taken(repo, record)
    leases.write(repo, record)
    try:
        return Workspace(_build(repo, record, request.sandbox, shown), start)
    except BaseException:
        with contextlib.suppress(OSError):  # the first error tells more; the record is still there for ``recover``
            _give_back(repo, record)
        raise


def recover(repo: Repository, session: SessionId, sandbox: Sandbox, root: Path) -> Kept | None:
    """Keep the work of a session whose process is gone, and give its workspace back, however far it was made.

    ``None`` when there was nothing to keep. ``root`` is where worktrees are now; the lease knows where
    this one is. Nobody else may be using the session: its holder's lock is the caller's business.
    """
    record = leases.read(repo, session)
    if record is None:
        leases.erase(repo, session)
        return None
    _end_processes(session)
    worktrees.clear_stale_lock(repo)
    kept = _keep_left(repo, record, sandbox, root) if record.ready else Kept()
    _give_back(repo, record)
    return kept if kept.commit or kept.folder else None


def leased(repo: Repository) -> list[SessionId]:
    """Every session that has a lease on disk."""
    return leases.leased(repo)


def _refuse_taken(repo: Repository, record: Lease) -> None:
    """Refuse before the lease is written, so that giving back never meets what others own."""
    if record.branch is not None and repo.branch(record.branch) is not None:
        raise worktrees.BranchTaken(record.branch)
    if record.root.exists():
        raise worktrees.FolderTaken(record.root)


def _build(repo: Repository, record: Lease, sandbox: Sandbox, shown: tuple[Path, ...]) -> Confinement:
    """Register the worktree, make the private git directory, check the files out inside, copy what is included."""
    why = f"factory session {record.session}"
    marks = {RUN_MARK: record.session}
    entry = worktrees.add(
        repo, record.root, record.start, record.branch, why=why, aside=_entry_aside(repo, record), marks=marks
    )
    known = private_git.facts(repo)
    place = _confined(repo, record, sandbox, entry, known, shown)
    private_git.make(place.plan(record.start), known, ())
    if not sandbox.remounts:
        valve.mend_pointer(place)
    collecting.check_out(place)
    private_git.copy_index(place.places.git, entry.name, entry)
    copied = include.copy_in(repo, record.root)
    private_git.ignore_too(place.places.git, copied)
    return replace(place, lease=leases.made_ready(repo, record, entry, copied))


def _confined(
    repo: Repository,
    record: Lease,
    sandbox: Sandbox,
    entry: Path,
    known: private_git.Facts,
    shown: tuple[Path, ...],
) -> Confinement:
    places = leases.places(repo, record.session)
    for folder in (places.home, places.task):
        folder.mkdir(parents=True, exist_ok=True)
    places.nothing.touch()
    return confine(repo, record, sandbox, real_entry=entry, facts=known, places=places, shown=shown)


def _keep_left(repo: Repository, record: Lease, sandbox: Sandbox, root: Path) -> Kept:
    if not record.root.exists():
        return salvage.aside_already(repo, record)
    shown = shown_paths(repo, checked_root(repo, root), (), ())
    place = _confined(repo, record, sandbox, Path(record.entry), private_git.facts(repo), shown)
    at = (repo.branch(record.branch) if record.branch is not None else None) or record.start
    return salvage.keep(place, at)


def _give_back(repo: Repository, record: Lease) -> None:
    """Take everything of the lease away, the record last; each step finds what an earlier try left."""
    _end_processes(record.session)
    places = leases.places(repo, record.session)
    going = record.root.with_name(f".{record.root.name}.going")
    with worktrees.registering(repo):
        if record.root.exists() and not going.exists():
            record.root.rename(going)
        worktrees.withdraw(repo, record.root, _entry_aside(repo, record))
        if record.branch is not None:
            worktrees.drop_branch(repo, record.branch, record.base if record.ready else record.start)
    for folder in (going, record.root, places.git, places.home, places.incoming, places.scratch, *places.set_aside()):
        remove_tree(folder)
    for file in (places.nothing, places.session / "config.fresh", places.session / "pointer.fresh"):
        file.unlink(missing_ok=True)
    with worktrees.registering(repo):
        remove_empty(record.root.parent)
    remove_empty(places.task)
    leases.erase(repo, record.session)


def remove_empty(folder: Path) -> None:
    """Remove ``folder`` if nothing is in it."""
    try:
        folder.rmdir()
    except OSError:
        return


def _entry_aside(repo: Repository, record: Lease) -> Path:
    return leases.places(repo, record.session).session / "entry.going"


def _end_processes(session: SessionId) -> None:
    while process.end_marked(session):
        time.sleep(_END_WAIT_S)
    cgroup.clear(session)
