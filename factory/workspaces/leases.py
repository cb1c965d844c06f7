"""The durable record of a lease, and where the things of a session are on the host."""

import contextlib
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from factory.base.files import replace_file, sync_folder
from factory.base.ids import CommitId, SessionId
from factory.git.objects import Person
from factory.git.repository import Repository


@dataclass(frozen=True)
class Places:
    """Where the things of one session are on the host, all below ``<state>/sessions/<session>``."""

    session: Path

    @property
    def record(self) -> Path:
        """The lease on disk."""
        return self.session / "lease.json"

    @property
    def git(self) -> Path:
        """The private git directory that the agent sees as the repository's."""
        return self.session / "git"

    @property
    def home(self) -> Path:
        """The agent's home; it lasts from one command of the session to the next."""
        return self.session / "home"

    @property
    def task(self) -> Path:
        """Files for the agent to read; kept when the workspace is given back."""
        return self.session / "task"

    @property
    def incoming(self) -> Path:
        """The quarantine: objects that came out of the workspace and are not yet trusted."""
        return self.session / "incoming"

    @property
    def scratch(self) -> Path:
        """Where our own scripts put small files when the sandbox has no /tmp of its own."""
        return self.session / "scratch"

    @property
    def nothing(self) -> Path:
        """An empty file, put over what must not be read inside."""
        return self.session / "nothing"

    def set_aside(self) -> list[Path]:
        """Private git directories that were broken, and other things that were in the way."""
        return sorted(self.session.glob("aside-*"))

    def next_aside(self) -> Path:
        """A name for the next thing to set aside."""
        return self.session / f"aside-{len(self.set_aside())}"


@dataclass(frozen=True)
class Lease:
    """What was asked for and made: enough to find a workspace again after its process was killed.

    ``ready`` is false until an agent may have worked in it; from then on ``entry`` is its folder in the
    common directory's worktrees/, and ``copied`` are the ignored files that ``.worktreeinclude`` brought in.
    """

    session: SessionId
    root: Path
    base: CommitId
    start: CommitId
    branch: str | None
    target: str
    author: Person
    sandbox: str
    network: bool = False
    ready: bool = False
    entry: str = ""
    copied: tuple[str, ...] = ()


def places(repo: Repository, session: SessionId) -> Places:
    """Where the things of ``session`` are."""
    return Places(repo.state_dir / "sessions" / session)


def write(repo: Repository, lease: Lease) -> None:
    """Make ``lease`` durable."""
    row = asdict(lease) | {"v": 1, "root": str(lease.root), "author": lease.author._asdict()}
    replace_file(places(repo, lease.session).record, (json.dumps(row, sort_keys=True) + "\n").encode(), 0o600)


def read(repo: Repository, session: SessionId) -> Lease | None:
    """The lease of ``session``, or ``None`` when it has none; fields of later versions are left out."""
    try:
        row = json.loads(places(repo, session).record.read_bytes())
    except FileNotFoundError:
        return None
    return Lease(
        session=session,
        root=Path(row["root"]),
        base=CommitId(row["base"]),
        start=CommitId(row["start"]),
        branch=row["branch"],
        target=row["target"],
        author=Person(row["author"]["name"], row["author"]["email"]),
        sandbox=row["sandbox"],
        network=row["network"],
        ready=row["ready"],
        entry=row["entry"],
        copied=tuple(row["copied"]),
    )


def made_ready(repo: Repository, lease: Lease, entry: Path, copied: tuple[str, ...]) -> Lease:
    """Record that from now on there may be work to keep."""
    ready = replace(lease, ready=True, entry=str(entry), copied=copied)
    write(repo, ready)
    return ready


def erase(repo: Repository, session: SessionId) -> None:
    """Forget the lease, as the last step of giving back."""
    place = places(repo, session)
    with contextlib.suppress(FileNotFoundError):
        place.record.unlink()
        sync_folder(place.session)
    for leftover in place.session.glob(".lease.json.*.tmp") if place.session.is_dir() else ():
        leftover.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        place.session.rmdir()


def leased(repo: Repository) -> list[SessionId]:
    """Every session that has a lease on disk."""
    return sorted(SessionId(path.parent.name) for path in (repo.state_dir / "sessions").glob("*/lease.json"))
