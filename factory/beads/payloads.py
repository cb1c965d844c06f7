"""What each event says, checked when it is written; one class per event type.

They guard the way in. Reading goes through ``fold``, which is lenient, because an event of another
clone or an older program must never stop a bead from loading. Neither pydantic models nor dataclasses:
every command that writes imports them, and making the classes alone would take 15 ms.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple, Self, TypeVar, dataclass_transform

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


class _Field(NamedTuple):
    check: Check
    default: object


_MISSING = object()


def _says(check: Check, *, default: object = _MISSING) -> Any:
    """A field whose value ``check`` looks at; with a default, the default itself is not looked at."""
    return _Field(check, default)


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(_says,))
class Payload:
    """The ``data`` of an event, a frozen value. Making one raises ``Malformed`` for what it must not say."""

    type: ClassVar[str]
    _fields: ClassVar[Mapping[str, _Field]] = {}

    def __init_subclass__(cls) -> None:
        cls._fields = {name: field for name, field in vars(cls).items() if isinstance(field, _Field)}

    def __init__(self, **said: object) -> None:
        for name in said:
            if name not in self._fields:
                raise Malformed(name, f"not a field of {self.type}; there are {', '.join(self._fields)}")
        for name, field in self._fields.items():
            value = said.get(name, field.default)
            if value is _MISSING:
                raise Malformed(name, "missing")
            if value is not field.default:
                try:
                    value = field.check(value)
                except Wrong as problem:
                    raise Malformed(name, str(problem)) from None
            self.__dict__[name] = value

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self!r} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.type, *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"

    def but(self, **said: object) -> Self:
        """The same with other values for some fields."""
        return type(self)(**{**vars(self), **said})

    def data(self) -> dict[str, object]:
        """What stands in the event: the fields that say something, as JSON has them."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in vars(self).items()
            if value != self._fields[name].default
        }


P = TypeVar("P", bound=Payload)


def checked(kind: type[P], **data: object) -> P:
    """``kind(**data)`` for data whose types are not known: from a command line, from a file."""
    return kind(**data)


class BeadOpened(Payload):
    """A piece of work was described."""

    type = "bead_opened"
    title: str = _says(fields.title)
    text: str = _says(fields.text, default="")
    priority: int = _says(fields.priority, default=2)
    labels: tuple[str, ...] = _says(fields.all_of(fields.label), default=())
    needs: tuple[str, ...] = _says(fields.all_of(fields.bead_id), default=())
    part_of: tuple[str, ...] = _says(fields.all_of(fields.bead_id), default=())
    found_from: tuple[str, ...] = _says(fields.all_of(fields.bead_id), default=())
    relates: tuple[str, ...] = _says(fields.all_of(fields.bead_id), default=())
    not_before: str = _says(fields.moment, default="")
    origin: str = _says(fields.text, default="")


class BeadEdited(Payload):
    """Its description changed; what is ``None`` stayed as it was."""

    type = "bead_edited"
    title: str | None = _says(fields.or_none(fields.title), default=None)
    text: str | None = _says(fields.or_none(fields.text), default=None)
    priority: int | None = _says(fields.or_none(fields.priority), default=None)
    add_labels: tuple[str, ...] = _says(fields.all_of(fields.label), default=())
    remove_labels: tuple[str, ...] = _says(fields.all_of(fields.label), default=())
    not_before: str | None = _says(fields.or_none(fields.moment), default=None)


class BeadLinked(Payload):
    """An edge to another bead was added."""

    type = "bead_linked"
    edge: str = _says(fields.one_of(*EDGES))
    to: str = _says(fields.bead_id)


class BeadUnlinked(Payload):
    """An edge to another bead was removed."""

    type = "bead_unlinked"
    edge: str = _says(fields.one_of(*EDGES))
    to: str = _says(fields.bead_id)


class BeadCommented(Payload):
    """Somebody said something about it."""

    type = "bead_commented"
    text: str = _says(fields.reason)


class BeadHooked(Payload):
    """It was put on an agent's hook; ``land`` false asks to stop with the branch ready for review."""

    type = "bead_hooked"
    agent: str = _says(fields.text)
    land: bool = _says(fields.flag, default=True)


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
    fence: int = _says(fields.count, default=0)
    until: str = _says(fields.moment, default="")


class BeadClaimed(Payload):
    """Somebody took it to work on it by hand, until ``until`` at the latest; ``fence`` is as of a session."""

    type = "bead_claimed"
    until: str = _says(fields.moment)
    fence: int = _says(fields.count, default=0)


class ClaimRenewed(Payload):
    """Its holder keeps it until ``until``."""

    type = "claim_renewed"
    until: str = _says(fields.moment)


class BeadReleased(Payload):
    """Its holder gave it back, or a person took it away, and then says why."""

    type = "bead_released"
    reason: str = _says(fields.text, default="")


class ChangeSubmitted(Payload):
    """The session ended with a change: ``head`` on its branch, descending from ``base``, made with ``model``."""

    type = "change_submitted"
    head: str = _says(fields.object_id)
    base: str = _says(fields.object_id)
    summary: str = _says(fields.text)
    model: str = _says(fields.text, default="")


class NoChangeReported(Payload):
    """The session ended saying that nothing needs to change; somebody else must accept that."""

    type = "no_change_reported"
    reason: str = _says(fields.reason)


class QuestionAsked(Payload):
    """The session ended with a question to a person."""

    type = "question_asked"
    reason: str = _says(fields.text)


class SessionFailed(Payload):
    """The session ended without an answer; ``kept`` is the ref its work was saved on, if there was any."""

    type = "session_failed"
    code: str = _says(fields.text)
    reason: str = _says(fields.text)
    evidence: str = _says(fields.text, default="")
    kept: str = _says(fields.text, default="")


class BeadHeld(Payload):
    """It waits for a person."""

    type = "bead_held"
    code: str = _says(fields.text)
    reason: str = _says(fields.text)
    evidence: str = _says(fields.text, default="")
    remedy: str = _says(fields.text, default="")


class CandidateBuilt(Payload):
    """Landing built the commit that would become the target's head, on top of ``onto``."""

    type = "candidate_built"
    commit: str = _says(fields.object_id)
    tree: str = _says(fields.object_id)
    onto: str = _says(fields.object_id)


class GateFinished(Payload):
    """A gate answered for a candidate."""

    type = "gate_finished"
    commit: str = _says(fields.object_id)
    gate: str = _says(fields.text)
    answer: str = _says(fields.one_of("passed", "failed", "held"))
    reason: str = _says(fields.text)
    seconds: float = _says(fields.seconds)
    evidence: str = _says(fields.text, default="")


class LandingAnnounced(Payload):
    """The target is about to move to ``commit``, whose tree passed; written before the move."""

    type = "landing_announced"
    commit: str = _says(fields.object_id)
    target: str = _says(fields.text)
    onto: str = _says(fields.object_id)


class BeadReturned(Payload):
    """Landing sent it back to its agent with the evidence."""

    type = "bead_returned"
    code: str = _says(fields.one_of("conflict", "gate", "policy"))
    reason: str = _says(fields.text)
    evidence: str = _says(fields.text)


class BeadLanded(Payload):
    """The target contains it, as ``commit``."""

    type = "bead_landed"
    commit: str = _says(fields.object_id)
    target: str = _says(fields.text)
    head: str = _says(fields.object_id)


class ChangeApproved(Payload):
    """A person sends a waiting change to the gates (again)."""

    type = "change_approved"
    reason: str = _says(fields.text, default="")


class NoChangeAccepted(Payload):
    """A person accepts that nothing needs to change."""

    type = "no_change_accepted"
    reason: str = _says(fields.reason)


class BeadReopened(Payload):
    """A person gives it back to agents."""

    type = "bead_reopened"
    reason: str = _says(fields.text, default="")


class BeadDropped(Payload):
    """A person decided against it."""

    type = "bead_dropped"
    reason: str = _says(fields.reason)
