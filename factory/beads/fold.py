"""From events to a bead: pure, and the same whatever order the events arrived in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from factory.base.errors import Refused
from factory.base.ids import BeadId, CommitId, EventId, SessionId, TreeId
from factory.beads.events import VERSION, Event, in_order
from factory.beads.lifecycle import EVENT_TYPES, State, next_state

EDGES = ("needs", "part_of", "found_from", "relates")
"""The kinds of edge between beads; ``needs`` blocks, ``part_of`` hands a parent's blockage down."""

_NONE = EventId("")

LOST = "lost"
"""The failure code of a session whose process died under it: it does not count against the bead."""

STOPPED = "stopped"
"""The failure code of a session that was told to stop; it does not count either."""


@dataclass(frozen=True)
class Hook:
    """The assignment of a bead: to which agent, and what was asked of the run."""

    agent: str = ""
    land: bool = True


@dataclass(frozen=True)
class Run:
    """The session that works, or last worked, on the bead."""

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


def fold(events: Iterable[Event]) -> Bead | None:
    """The bead that ``events`` (all of one id, in any order) tell of, or ``None`` before it was opened.

    An event that the lifecycle does not allow where it stands is not applied; it is named in
    ``problems``. Unknown types and newer versions are passed over: another program wrote them.
    """
    bead: Bead | None = None
    for event in in_order(events):
        if event.version > VERSION or event.type not in EVENT_TYPES:
            continue
        bead = apply(bead, event)
    return bead


def apply(bead: Bead | None, event: Event) -> Bead | None:
    """One more event."""
    try:
        state = check(bead, event)
    except Refused as refusal:
        return bead and replace(bead, problems=(*bead.problems, f"{event.id}: {refusal.sentence}"))
    before = bead or Bead(event.on, opened_at=event.at, opened_by=event.by, opened=event.id)
    return replace(_EFFECTS[event.type](before, event), state=state, updated_at=event.at, last=event.id)


class NotYours(Refused):
    """A session that no longer holds the bead tried to write about it."""

    def __init__(self, bead: str, event: str, session: str | None) -> None:
        super().__init__(f"{bead}: {event.replace('_', ' ')} by {session}, which does not hold the bead")
        self.session = session


class NoChange(Refused):
    """There is no change to approve."""

    def __init__(self, bead: str) -> None:
        super().__init__(f"{bead} has no change to approve", f"give it back to an agent: factory bead reopen {bead}")


def check(bead: Bead | None, event: Event) -> State:
    """The state that ``event`` leads to; raises a ``Refused`` that says why it may not happen now."""
    state = next_state(event.on, bead.state if bead else None, event.type, event.role)
    if bead is not None and event.type in _BY_SESSION and (bead.run is None or event.session != bead.run.session):
        raise NotYours(event.on, event.type, event.session)
    if bead is not None and event.type == "change_approved" and bead.change is None:
        raise NoChange(event.on)
    return state


_BY_SESSION = frozenset({"change_submitted", "no_change_reported", "question_asked", "session_failed"})


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _number(data: Mapping[str, object], name: str, default: int = 0) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else default


def _texts(data: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = data.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _opened(bead: Bead, event: Event) -> Bead:
    data = event.data
    edges = {(kind, BeadId(to)) for kind in EDGES for to in _texts(data, kind)}
    return replace(
        bead,
        title=_text(data, "title"),
        text=_text(data, "text"),
        priority=_number(data, "priority", 2),
        labels=frozenset(_texts(data, "labels")),
        edges=frozenset(edges),
    )


def _edited(bead: Bead, event: Event) -> Bead:
    data = event.data
    labels = (bead.labels | set(_texts(data, "add_labels"))) - set(_texts(data, "remove_labels"))
    return replace(
        bead,
        title=_text(data, "title") or bead.title,
        text=_text(data, "text") if "text" in data else bead.text,
        priority=_number(data, "priority", bead.priority),
        labels=labels,
    )


def _linked(bead: Bead, event: Event) -> Bead:
    edge = (_text(event.data, "edge"), BeadId(_text(event.data, "to")))
    return replace(bead, edges=bead.edges | {edge}) if edge[0] in EDGES else bead


def _unlinked(bead: Bead, event: Event) -> Bead:
    return replace(bead, edges=bead.edges - {(_text(event.data, "edge"), BeadId(_text(event.data, "to")))})


def _hooked(bead: Bead, event: Event) -> Bead:
    return replace(bead, hook=Hook(_text(event.data, "agent"), event.data.get("land") is not False))


def _started(bead: Bead, event: Event) -> Bead:
    data = event.data
    run = Run(
        SessionId(event.session or ""),
        _text(data, "agent"),
        _text(data, "runtime"),
        _text(data, "model"),
        _number(data, "attempt"),
        _number(data, "fence"),
        CommitId(_text(data, "base")),
        _text(data, "branch"),
        event.at,
        _text(data, "target"),
    )
    return replace(bead, run=run, attempts=max(bead.attempts, run.attempt))


def _submitted(bead: Bead, event: Event) -> Bead:
    data, run = event.data, bead.run
    assert run is not None
    change = Change(
        CommitId(_text(data, "head")),
        CommitId(_text(data, "base")),
        run.branch,
        run.session,
        run.agent,
        _text(data, "model") or run.model,
        _text(data, "summary"),
        event.id,
    )
    return replace(bead, change=change, candidate=None, setback=None, failures=0)


def _set_back(bead: Bead, event: Event) -> Bead:
    data = event.data
    setback = Setback(
        _text(data, "code"), _text(data, "reason"), _text(data, "evidence"), _text(data, "remedy"), event.at
    )
    return replace(bead, setback=setback)


def _failed(bead: Bead, event: Event) -> Bead:
    counts = _text(event.data, "code") not in (LOST, STOPPED)
    return replace(_set_back(bead, event), failures=bead.failures + int(counts))


def _stopped(code: str) -> Callable[[Bead, Event], Bead]:
    def effect(bead: Bead, event: Event) -> Bead:
        return replace(bead, setback=Setback(code, _text(event.data, "reason"), remedy="", at=event.at))

    return effect


def _candidate(bead: Bead, event: Event) -> Bead:
    data = event.data
    built = Candidate(CommitId(_text(data, "commit")), TreeId(_text(data, "tree")), CommitId(_text(data, "onto")))
    return replace(bead, candidate=built)


def _gate(bead: Bead, event: Event) -> Bead:
    data, candidate = event.data, bead.candidate
    if candidate is None or candidate.commit != _text(data, "commit"):
        return bead
    seconds = data.get("seconds")
    verdict = Verdict(
        _text(data, "gate"),
        _text(data, "answer"),
        _text(data, "reason"),
        float(seconds) if isinstance(seconds, int | float) else 0.0,
        _text(data, "evidence"),
    )
    others = tuple(other for other in candidate.verdicts if other.gate != verdict.gate)
    return replace(bead, candidate=replace(candidate, verdicts=(*others, verdict)))


def _announced(bead: Bead, event: Event) -> Bead:
    if bead.candidate is None:
        return bead
    announced = replace(
        bead.candidate, landing=CommitId(_text(event.data, "commit")), target=_text(event.data, "target")
    )
    return replace(bead, candidate=announced)


def _returned(bead: Bead, event: Event) -> Bead:
    return replace(_set_back(bead, event), rounds=bead.rounds + 1)


def _landed(bead: Bead, event: Event) -> Bead:
    return replace(
        bead, landed=CommitId(_text(event.data, "commit")), landed_on=_text(event.data, "target"), setback=None
    )


def _afresh(bead: Bead, _: Event) -> Bead:
    return replace(bead, rounds=0, failures=0)


def _approved(bead: Bead, _: Event) -> Bead:
    return replace(bead, setback=None, candidate=None, rounds=0, hook=replace(bead.hook, land=True))


def _nothing(bead: Bead, _: Event) -> Bead:
    return bead


_EFFECTS: dict[str, Callable[[Bead, Event], Bead]] = {
    "bead_opened": _opened,
    "bead_edited": _edited,
    "bead_linked": _linked,
    "bead_unlinked": _unlinked,
    "bead_commented": _nothing,
    "bead_hooked": _hooked,
    "session_started": _started,
    "change_submitted": _submitted,
    "no_change_reported": _stopped("no-change"),
    "question_asked": _stopped("question"),
    "session_failed": _failed,
    "bead_held": _set_back,
    "candidate_built": _candidate,
    "gate_finished": _gate,
    "landing_announced": _announced,
    "bead_returned": _returned,
    "bead_landed": _landed,
    "change_approved": _approved,
    "no_change_accepted": _nothing,
    "bead_reopened": _afresh,
    "bead_dropped": _set_back,
}
