"""What a bead is, as its events tell it: plain values, made by ``fold``."""

from __future__ import annotations

from dataclasses import dataclass, field

from factory.base.ids import BeadId, CommitId, EventId, SessionId, TreeId
from factory.beads.lifecycle import State

_NONE = EventId("")

LOST = "lost"
"""The failure code of a session whose process died under it: it does not count against the bead."""

STOPPED = "stopped"
"""The failure code of a session that was told to stop; it does not count either."""

NO_CHANGE = "no-change"
"""The setback of a bead whose worker said that nothing needs to change."""


@dataclass(frozen=True)
class Hook:
    """The assignment of a bead: to which agent, and what was asked of the run."""

    agent: str = ""
    land: bool = True


@dataclass(frozen=True)
class Run:
    """The session or the claim that works, or last worked, on the bead.

    ``agent`` is a name or, for a claim, who made it (``human:…``). ``place`` is the clone that it works in,
    and ``until`` the end of its lease; either may be empty.
    """

    session: SessionId
    agent: str
    runtime: str
    model: str
    attempt: int
    fence: int
    base: CommitId
    branch: str
    started_at: str
    target: str = ""
    place: str = ""
    until: str = ""

    @property
    def is_claim(self) -> bool:
        """Whether somebody took it by hand, and no floor looks after it."""
        return self.session.startswith("c")

    def is_over(self, now: str) -> bool:
        """Whether it is a claim whose lease has ended at ``now`` (as ``clock.iso`` writes it)."""
        return self.is_claim and "" != self.until < now

    def is_at(self, place: str) -> bool:
        """Whether it is a session that the floor of the clone ``place`` looks after."""
        return not self.is_claim and self.place in ("", place)


@dataclass(frozen=True)
class Change:
    """What a session submitted: ``head`` on ``branch``, made from ``base``."""

    head: CommitId
    base: CommitId
    branch: str
    session: SessionId
    agent: str
    model: str
    summary: str
    submitted: EventId


@dataclass(frozen=True)
class Verdict:
    """What one gate said of one candidate: ``passed``, ``failed``, or ``held`` when it could not say."""

    gate: str
    answer: str
    reason: str
    seconds: float
    evidence: str = ""


@dataclass(frozen=True)
class Candidate:
    """The commit whose tree is, or was last, being tested; ``landing`` is set once the move is announced."""

    commit: CommitId
    tree: TreeId
    onto: CommitId
    verdicts: tuple[Verdict, ...] = ()
    landing: CommitId | None = None
    target: str = ""


@dataclass(frozen=True)
class Setback:
    """Why a bead came back to its agent (``conflict``, ``gate``) or waits for a person: code, sentence, evidence."""

    code: str
    reason: str
    evidence: str = ""
    remedy: str = ""
    at: str = ""


@dataclass(frozen=True)
class Bead:
    """One piece of work as its events tell it."""

    id: BeadId
    title: str = ""
    text: str = ""
    state: State = "open"
    priority: int = 2
    labels: frozenset[str] = frozenset()
    edges: frozenset[tuple[str, BeadId]] = frozenset()
    opened_at: str = ""
    opened_by: str = ""
    opened: EventId = _NONE
    updated_at: str = ""
    last: EventId = _NONE
    hook: Hook = field(default_factory=Hook)
    run: Run | None = None
    change: Change | None = None
    candidate: Candidate | None = None
    setback: Setback | None = None
    rounds: int = 0
    failures: int = 0
    attempts: int = 0
    landed: CommitId | None = None
    landed_on: str = ""
    not_before: str = ""
    origin: str = ""
    fence: int = 0
    lost: tuple[SessionId, ...] = ()
    problems: tuple[str, ...] = ()

    def linked(self, edge: str) -> tuple[BeadId, ...]:
        """The beads that ``edge`` leads to, sorted."""
        return tuple(sorted(to for kind, to in self.edges if kind == edge))

    @property
    def needs(self) -> tuple[BeadId, ...]:
        """The beads that must be finished first."""
        return self.linked("needs")

    @property
    def order(self) -> tuple[int, EventId]:
        """The place in every list: priority (0 is most urgent), then age."""
        return self.priority, self.opened
