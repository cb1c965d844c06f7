"""A repository with queued changes, and gates whose answers the test decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from factory.base.ids import BeadId, CommitId, SessionId
from factory.base.settings import FILE, parse
from factory.base.trust import trust
from factory.beads.bead import Bead
from factory.beads.payloads import BeadHooked, BeadOpened, ChangeSubmitted, GateFinished, SessionStarted, checked
from factory.beads.store import Store
from factory.git.repository import ZERO, Repository
from factory.landing.queue import Queue
from factory.landing.step import Wait
from tests.conftest import commit, git

SETTINGS = '[gates.tests]\nrun = "true"\n'


@dataclass
class World:
    """One repository, its store and its queue; ``answers`` says what the gate will say of each bead."""

    repo: Repository
    store: Store
    queue: Queue
    answers: dict[str, str] = field(default_factory=dict)
    gate_runs: list[BeadId] = field(default_factory=list)
    _starting: list[tuple[BeadId, CommitId]] = field(default_factory=list)

    @property
    def root(self) -> Path:
        """The main work tree."""
        return self.repo.root

    @property
    def head(self) -> CommitId:
        """The target's head."""
        head = self.repo.branch("main")
        assert head is not None
        return head

    def submit(self, files: Mapping[str, str], *, bead: BeadId | None = None, land: bool = True) -> BeadId:
        """A bead whose agent has submitted ``files`` (an empty content deletes), made on the target as it is now."""
        if bead is None:
            bead = self.store.open(BeadOpened(title=f"Change {', '.join(files)}"), "human:ana@example.org")
            self.store.append(bead, BeadHooked(agent="ada", land=land), "human:ana@example.org")
        attempt = self.store.bead(bead).attempts + 1
        session, branch, base = SessionId(f"s{bead}-{attempt}"), f"factory/{bead}/{attempt}", self.head
        started = SessionStarted(
            agent="ada",
            runtime="command",
            model="",
            attempt=attempt,
            fence=attempt,
            base=base,
            branch=branch,
            target="main",
        )
        self.store.append(bead, started, "floor:here", session)
        head = self._change(files, base)
        self.repo.move_ref(f"refs/heads/{branch}", head, ZERO)
        self.store.append(bead, ChangeSubmitted(head=head, base=base, summary="did it"), "agent:ada", session)
        return bead

    def _change(self, files: Mapping[str, str], base: CommitId) -> CommitId:
        elsewhere = self.root.with_name("elsewhere")
        git(self.root, "worktree", "add", "-q", "--detach", str(elsewhere), base)
        for name, content in files.items():
            if not content:
                git(elsewhere, "rm", "-q", name)
        made = commit(elsewhere, {name: content for name, content in files.items() if content})
        git(self.root, "worktree", "remove", "--force", str(elsewhere))
        return CommitId(made)

    def tick(self, times: int = 1) -> dict[BeadId, Wait]:
        """Let the queue tick; the gates answer between ticks."""
        waits: dict[BeadId, Wait] = {}
        for _ in range(times):
            self._starting.clear()
            waits = self.queue.tick(self.store.beads(), frozenset(), lambda *started: self._starting.append(started))
            for bead, built in self._starting:
                self.gate_runs.append(bead)
                answer = self.answers.get(bead, "passed")
                said = {"commit": built, "gate": "tests", "answer": answer, "reason": f"it {answer}", "seconds": 1.0}
                self.store.append(bead, checked(GateFinished, **said, evidence="E1"), "landing:main")
        return waits

    def settle(self) -> dict[BeadId, Wait]:
        """Tick until nothing moves."""
        while True:
            before = {bead.id: bead.last for bead in self.store.beads().values()}
            waits = self.tick()
            if before == {bead.id: bead.last for bead in self.store.beads().values()}:
                return waits

    def bead(self, bead: BeadId) -> Bead:
        """A bead as it is now."""
        return self.store.bead(bead)

    def branches(self) -> set[str]:
        """Every branch below ``factory/`` but that of the beads."""
        refs = self.repo.refs("refs/heads/factory/")
        return {ref.removeprefix("refs/heads/") for ref in refs} - {"factory/beads"}

    def status(self) -> str:
        """What git says of the main work tree: empty when it is clean."""
        return git(self.root, "status", "--porcelain")


def make(repo: Repository, reworks: int = 2) -> World:
    """A world whose target has a trusted gate."""
    commit(repo.root, {FILE: SETTINGS}, "settings")
    trust(repo.main_root, parse(SETTINGS.encode(), FILE), "ana", "now")
    store = Store(repo)
    store.prepare()
    return World(repo, store, Queue(repo, store, "main", reworks))
