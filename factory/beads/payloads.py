"""What each event says, checked when it is written; one class per event type.

They guard the way in. Reading goes through ``fold``, which is lenient, because an event of another
clone or an older program must never stop a bead from loading. Plain dataclasses, not pydantic models:
every command that writes makes one, and pydantic costs more than all the rest of such a command.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from factory.base.errors import UserError
from factory.beads import fields
from factory.beads.fields import Check, Wrong

EDGES = ("needs", "part_of", "found_from", "relates")
"""The kinds of edge between beads; ``needs`` blocks, ``part_of`` hands a parent's blockage down."""


class Malformed(UserError):
    """What was given does not make an event."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", "nothing was written")
        self.field = field


def _says(check: Check, default: object = dataclasses.MISSING) -> Any:
    """A field whose value ``check`` looks at; with a default, the default itself is not looked at."""
    if default is dataclasses.MISSING:
        return dataclasses.field(metadata={"check": check})
    return dataclasses.field(default=default, metadata={"check": check})


@dataclass(frozen=True)
class Payload:
    """The ``data`` of an event. Making one raises ``Malformed`` for what it must not say."""

    type: ClassVar[str]

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is field.default:
                continue
            try:
                object.__setattr__(self, field.name, field.metadata["check"](value))
            except Wrong as problem:
                raise Malformed(field.name, str(problem)) from None

    def data(self) -> dict[str, object]:
        """What stands in the event: the fields that say something, as JSON has them."""
        said = {field.name: (getattr(self, field.name), field.default) for field in dataclasses.fields(self)}
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, (value, default) in said.items()
            if value != default
        }


P = TypeVar("P", bound=Payload)


def checked(kind: type[P], **data: object) -> P:
    """``kind(**data)`` for data from outside, which may also lack a field or have one too many."""
    known = {field.name: field for field in dataclasses.fields(kind)}
    for name in data:
        if name not in known:
            raise Malformed(name, f"not a field of {kind.type}; there are {', '.join(known)}")
    for name, field in known.items():
        if field.default is dataclasses.MISSING and name not in data:
            raise Malformed(name, "missing")
    return kind(**data)


@dataclass(frozen=True)
class BeadOpened(Payload):
    """A piece of work was described."""

    type = "bead_opened"
    title: str = _says(fields.title)
    text: str = _says(fields.text, "")
    priority: int = _says(fields.priority, 2)
    labels: tuple[str, ...] = _says(fields.all_of(fields.label), ())
    needs: tuple[str, ...] = _says(fields.all_of(fields.bead_id), ())
    part_of: tuple[str, ...] = _says(fields.all_of(fields.bead_id), ())
    found_from: tuple[str, ...] = _says(fields.all_of(fields.bead_id), ())
    relates: tuple[str, ...] = _says(fields.all_of(fields.bead_id), ())
    not_before: str = _says(fields.moment, "")
    origin: str = _says(fields.text, "")


@dataclass(frozen=True)
class BeadEdited(Payload):
    """Its description changed; what is ``None`` stayed as it was."""

    type = "bead_edited"
    title: str | None = _says(fields.or_none(fields.title), None)
    text: str | None = _says(fields.or_none(fields.text), None)
    priority: int | None = _says(fields.or_none(fields.priority), None)
    add_labels: tuple[str, ...] = _says(fields.all_of(fields.label), ())
    remove_labels: tuple[str, ...] = _says(fields.all_of(fields.label), ())
    not_before: str | None = _says(fields.or_none(fields.moment), None)


@dataclass(frozen=True)
class BeadLinked(Payload):
    """An edge to another bead was added."""

    type = "bead_linked"
    edge: str = _says(fields.one_of(*EDGES))
    to: str = _says(fields.bead_id)


@dataclass(frozen=True)
class BeadUnlinked(Payload):
    """An edge to another bead was removed."""

    type = "bead_unlinked"
    edge: str = _says(fields.one_of(*EDGES))
    to: str = _says(fields.bead_id)


@dataclass(frozen=True)
class BeadCommented(Payload):
    """Somebody said something about it."""

    type = "bead_commented"
    text: str = _says(fields.text)


@dataclass(frozen=True)
class BeadHooked(Payload):
    """It was put on an agent's hook; ``land`` false asks to stop with the branch ready for review."""

    type = "bead_hooked"
    agent: str = _says(fields.text)
    land: bool = _says(fields.flag, True)


@dataclass(frozen=True)
class SessionStarted(Payload):
    """The floor gave it to an agent in a session.

    The store stamps the clone (``place``) and ``fence``: one more than any holder of the bead had before.
    """

    type = "session_started"
    agent: str = _says(fields.text)
    runtime: str = _says(fields.text)
    model: str = _says(fields.text)
    attempt: int = _says(fields.count)
    base: str = _says(fields.object_id)
    branch: str = _says(fields.text)
    target: str = _says(fields.text)
    fence: int = _says(fields.count, 0)
    until: str = _says(fields.moment, "")


@dataclass(frozen=True)
class BeadClaimed(Payload):
    """Somebody took it to work on it by hand, until ``until`` at the latest; ``fence`` is as of a session."""

    type = "bead_claimed"
    until: str = _says(fields.moment)
    fence: int = _says(fields.count, 0)


@dataclass(frozen=True)
class ClaimRenewed(Payload):
    """Its holder keeps it until ``until``."""

    type = "claim_renewed"
    until: str = _says(fields.moment)


@dataclass(frozen=True)
class BeadReleased(Payload):
    """Its holder gave it back, or a person took it away, and then says why."""

    type = "bead_released"
    reason: str = _says(fields.text, "")


@dataclass(frozen=True)
class ChangeSubmitted(Payload):
    """The session ended with a change: ``head`` on its branch, descending from ``base``, made with ``model``."""

    type = "change_submitted"
    head: str = _says(fields.object_id)
    base: str = _says(fields.object_id)
    summary: str = _says(fields.text)
    model: str = _says(fields.text, "")


@dataclass(frozen=True)
class NoChangeReported(Payload):
    """The session ended saying that nothing needs to change; somebody else must accept that."""

    type = "no_change_reported"
    reason: str = _says(fields.text)


@dataclass(frozen=True)
class QuestionAsked(Payload):
    """The session ended with a question to a person."""

    type = "question_asked"
    reason: str = _says(fields.text)


@dataclass(frozen=True)
class SessionFailed(Payload):
    """The session ended without an answer; ``kept`` is the ref its work was saved on, if there was any."""

    type = "session_failed"
    code: str = _says(fields.text)
    reason: str = _says(fields.text)
    evidence: str = _says(fields.text, "")
    kept: str = _says(fields.text, "")


@dataclass(frozen=True)
class BeadHeld(Payload):
    """It waits for a person."""

    type = "bead_held"
    code: str = _says(fields.text)
    reason: str = _says(fields.text)
    evidence: str = _says(fields.text, "")
    remedy: str = _says(fields.text, "")


@dataclass(frozen=True)
class CandidateBuilt(Payload):
    """Landing built the commit that would become the target's head, on top of ``onto``."""

    type = "candidate_built"
    commit: str = _says(fields.object_id)
    tree: str = _says(fields.object_id)
    onto: str = _says(fields.object_id)


@dataclass(frozen=True)
class GateFinished(Payload):
    """A gate answered for a candidate."""

    type = "gate_finished"
    commit: str = _says(fields.object_id)
    gate: str = _says(fields.text)
    answer: str = _says(fields.one_of("passed", "failed", "held"))
    reason: str = _says(fields.text)
    seconds: float = _says(fields.seconds)
    evidence: str = _says(fields.text, "")


@dataclass(frozen=True)
class LandingAnnounced(Payload):
    """The target is about to move to ``commit``, whose tree passed; written before the move."""

    type = "landing_announced"
    commit: str = _says(fields.object_id)
    target: str = _says(fields.text)
    onto: str = _says(fields.object_id)


@dataclass(frozen=True)
class BeadReturned(Payload):
    """Landing sent it back to its agent with the evidence."""

    type = "bead_returned"
    code: str = _says(fields.one_of("conflict", "gate", "policy"))
    reason: str = _says(fields.text)
    evidence: str = _says(fields.text)


@dataclass(frozen=True)
class BeadLanded(Payload):
    """The target contains it, as ``commit``."""

    type = "bead_landed"
    commit: str = _says(fields.object_id)
    target: str = _says(fields.text)
    head: str = _says(fields.object_id)


@dataclass(frozen=True)
class ChangeApproved(Payload):
    """A person sends a waiting change to the gates (again)."""

    type = "change_approved"
    reason: str = _says(fields.text, "")


@dataclass(frozen=True)
class NoChangeAccepted(Payload):
    """A person accepts that nothing needs to change."""

    type = "no_change_accepted"
    reason: str = _says(fields.reason)


@dataclass(frozen=True)
class BeadReopened(Payload):
    """A person gives it back to agents."""

    type = "bead_reopened"
    reason: str = _says(fields.text, "")


@dataclass(frozen=True)
class BeadDropped(Payload):
    """A person decided against it."""

    type = "bead_dropped"
    reason: str = _says(fields.reason)
