"""One session's cage: what it shows, where things are seen inside, and how a program is launched in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.base import process
from factory.base.ids import CommitId
from factory.git.repository import Repository
from factory.workspaces import cgroup
from factory.workspaces.environment import environment, search_path
from factory.workspaces.leases import Lease, Places
from factory.workspaces.private_git import Facts, Plan
from factory.workspaces.sandbox import Bind, Cage, Launch, Sandbox
from factory.workspaces.toolchains import Guarded, readable, toolchains

SEEN = Path("/run/factory")
_HOME = Path("/home/agent")
SETTLE_S = 600.0
"""How long collecting a work tree may take, in seconds: a cold index of 50,000 files needs about 4."""


@dataclass(frozen=True)
class Confinement:
    """All that is needed to run something in a session's cage."""

    repo: Repository
    lease: Lease
    places: Places
    sandbox: Sandbox
    cage: Cage
    facts: Facts
    real_entry: Path
    git_seen: Path
    home_seen: Path
    task_seen: Path
    objects_seen: tuple[str, ...]

    @property
    def entry_seen(self) -> Path:
        """The worktree's entry in the private git directory, as seen inside."""
        return self.git_seen / "worktrees" / self.real_entry.name

    def plan(self, head: CommitId) -> Plan:
        """The private git directory of this session with its branch at ``head``."""
        return Plan(
            folder=self.places.git,
            entry_name=self.real_entry.name,
            work=self.lease.root,
            head=head,
            branch=self.lease.branch,
            target=self.lease.target,
            base=self.lease.base,
            objects_seen=self.objects_seen,
        )

    def scratch(self) -> str:
        """A folder for our own scripts, as seen inside: the cage's /tmp, or one of the session's."""
        if self.sandbox.remounts:
            return "/tmp"  # noqa: S108 - a tmpfs of this command alone
        self.places.scratch.mkdir(exist_ok=True)
        return str(self.places.scratch)

    def launch(self, argv: Sequence[str], env: Mapping[str, str] | None = None, mark: str = "") -> Launch:
        """How to run ``argv`` inside, in the work tree."""
        inside = environment(str(self.home_seen), self.lease.author, mark or self.lease.session, env)
        return self.sandbox.launch(self.cage, argv, inside, str(self.lease.root))

    def run(self, argv: Sequence[str], env: Mapping[str, str], stdin: bytes = b"") -> process.Finished:
        """Run one of our own programs inside and wait for it."""
        with cgroup.bounded(self.launch(argv, env), self.lease.session) as launch:
            return process.run(launch.argv, env=launch.env, cwd=launch.cwd, stdin=stdin, timeout_s=SETTLE_S)


def confine(
    repo: Repository,
    lease: Lease,
    sandbox: Sandbox,
    *,
    real_entry: Path,
    facts: Facts,
    places: Places,
    shown: tuple[Path, ...],
) -> Confinement:
    """The confinement of ``lease``; ``shown`` are further folders and files to be read at their own paths."""
    common = real_entry.parent.parent
    stores = tuple(
        str(store if not sandbox.remounts else SEEN / ("objects" if number == 0 else f"objects.{number}"))
        for number, store in enumerate(facts.stores)
    )
    home = _home(shown, lease.root, common) if sandbox.remounts else places.home
    binds = (
        Bind(lease.root / ".git", lease.root / ".git"),
        Bind(places.git, common, writable=True),
        Bind(places.home, home, writable=True),
        Bind(places.task, SEEN / "task"),
        *(Bind(store, Path(seen)) for store, seen in zip(facts.stores, stores, strict=True)),
        *(
            Bind(places.nothing, Path(seen) / "info" / "alternates")
            for store, seen in zip(facts.stores, stores, strict=True)
            if (store / "info" / "alternates").exists()
        ),
    )
    cage = Cage(
        work=lease.root,
        binds=binds,
        read=shown,
        hidden=(repo.main_root, repo.root, lease.root.parent, Path.home()),
        network=lease.network,
    )
    return Confinement(
        repo=repo,
        lease=lease,
        places=places,
        sandbox=sandbox,
        cage=cage,
        facts=facts,
        real_entry=real_entry,
        git_seen=common if sandbox.remounts else places.git,
        home_seen=home,
        task_seen=SEEN / "task" if sandbox.remounts else places.task,
        objects_seen=stores,
    )


def shown_paths(repo: Repository, root: Path, read: tuple[Path, ...], expose: tuple[Path, ...]) -> tuple[Path, ...]:
    """Everything to be seen read-only at its own path; raises ``TooWide`` for what may not be."""
    guarded = Guarded((repo.main_root.resolve(), repo.root.resolve()), (repo.common_dir.resolve(), root))
    asked = readable((*read, *expose), guarded)
    return (*toolchains(search_path(), guarded), *asked)


def _home(shown: tuple[Path, ...], work: Path, common: Path) -> Path:
    """Where the agent's home is seen; never above something mounted, which the agent could then move."""
    taken = any(path.is_relative_to(_HOME) for path in (*shown, work, common))
    return SEEN / "home" if taken else _HOME
