"""What each event says, checked when it is written; one model per event type.

The models guard the way in. Reading goes through ``fold``, which is lenient, because an event of
another clone or an older program must never stop a bead from loading.
"""

from typing import Annotated, ClassVar, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, ValidationError

from factory.base.errors import UserError
from factory.base.ids import is_bead_id, is_object_id

MAX_TITLE = 300
"""Characters; a title is the subject of a commit and a row of a table."""
MAX_TEXT = 32_000
"""Characters; what is longer belongs in a file of the repository that the bead names."""


def _object_id(value: str) -> str:
    if not is_object_id(value):
        raise ValueError("not a git object id")
    return value


def _bead_id(value: str) -> str:
    if not is_bead_id(value):
        raise ValueError("not a bead id")
    return value


def _one_line(value: str) -> str:
    if not value.strip():
        raise ValueError("blank")
    if any(ord(letter) < ord(" ") or letter in "\x7f\u0085\u2028\u2029" for letter in value):
        raise ValueError("more than one line, or control characters")
    return value.strip()


Title = Annotated[str, StringConstraints(max_length=MAX_TITLE), AfterValidator(_one_line)]
Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
Oid = Annotated[str, AfterValidator(_object_id)]
Ref = Annotated[str, AfterValidator(_bead_id)]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,49}$")]
Priority = Literal[0, 1, 2, 3, 4]
Edge = Literal["needs", "part_of", "found_from", "relates"]


class Payload(BaseModel):
    """The ``data`` of an event."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ClassVar[str]


class BeadOpened(Payload):
    """A piece of work was described."""

    type = "bead_opened"
    title: Title
    text: Text = ""
    priority: Priority = 2
    labels: tuple[Label, ...] = ()
    needs: tuple[Ref, ...] = ()
    part_of: tuple[Ref, ...] = ()
    found_from: tuple[Ref, ...] = ()
    relates: tuple[Ref, ...] = ()


class BeadEdited(Payload):
    """Its description changed; what is ``None`` stayed as it was."""

    type = "bead_edited"
    title: Title | None = None
    text: Text | None = None
    priority: Priority | None = None
    add_labels: tuple[Label, ...] = ()
    remove_labels: tuple[Label, ...] = ()


class BeadLinked(Payload):
    """An edge to another bead was added."""

    type = "bead_linked"
    edge: Edge
    to: Ref


class BeadUnlinked(Payload):
    """An edge to another bead was removed."""

    type = "bead_unlinked"
    edge: Edge
    to: Ref


class BeadCommented(Payload):
    """Somebody said something about it."""

    type = "bead_commented"
    text: Text


class BeadHooked(Payload):
    """It was put on an agent's hook; ``land`` false asks to stop with the branch ready for review."""

    type = "bead_hooked"
    agent: str
    land: bool = True


class SessionStarted(Payload):
    """The floor gave it to an agent in a session; the fencing number grows with every session of the bead."""

    type = "session_started"
    agent: str
    runtime: str
    model: str
    attempt: int
    fence: int
    base: Oid
    branch: str
    target: str


class ChangeSubmitted(Payload):
    """The session ended with a change: ``head`` on its branch, descending from ``base``, made with ``model``."""

    type = "change_submitted"
    head: Oid
    base: Oid
    summary: Text
    model: str = ""


class NoChangeReported(Payload):
    """The session ended saying that nothing needs to change; somebody else must accept that."""

    type = "no_change_reported"
    reason: Text


class QuestionAsked(Payload):
    """The session ended with a question to a person."""

    type = "question_asked"
    reason: Text


class SessionFailed(Payload):
    """The session ended without an answer; ``kept`` is the ref its work was saved on, if there was any."""

    type = "session_failed"
    code: str
    reason: Text
    evidence: Text = ""
    kept: str = ""


class BeadHeld(Payload):
    """It waits for a person."""

    type = "bead_held"
    code: str
    reason: Text
    evidence: Text = ""
    remedy: str = ""


class CandidateBuilt(Payload):
    """Landing built the commit that would become the target's head, on top of ``onto``."""

    type = "candidate_built"
    commit: Oid
    tree: Oid
    onto: Oid


class GateFinished(Payload):
    """A gate answered for a candidate."""

    type = "gate_finished"
    commit: Oid
    gate: str
    answer: Literal["passed", "failed", "held"]
    reason: Text
    seconds: float
    evidence: Text = ""


class LandingAnnounced(Payload):
    """The target is about to move to ``commit``, whose tree passed; written before the move."""

    type = "landing_announced"
    commit: Oid
    target: str
    onto: Oid


class BeadReturned(Payload):
    """Landing sent it back to its agent with the evidence."""

    type = "bead_returned"
    code: Literal["conflict", "gate", "policy"]
    reason: Text
    evidence: Text


class BeadLanded(Payload):
    """The target contains it, as ``commit``."""

    type = "bead_landed"
    commit: Oid
    target: str
    head: Oid


class ChangeApproved(Payload):
    """A person sends a waiting change to the gates (again)."""

    type = "change_approved"
    reason: Text = ""


class NoChangeAccepted(Payload):
    """A person accepts that nothing needs to change."""

    type = "no_change_accepted"
    reason: Text


class BeadReopened(Payload):
    """A person gives it back to agents."""

    type = "bead_reopened"
    reason: Text = ""


class BeadDropped(Payload):
    """A person decided against it."""

    type = "bead_dropped"
    reason: Text


P = TypeVar("P", bound=Payload)


class Malformed(UserError):
    """What was given does not make an event."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}", "nothing was written")
        self.field = field


def checked(kind: type[P], **data: object) -> P:
    """``kind(**data)``, with the first problem as one sentence; raises ``Malformed``."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or kind.type
        raise Malformed(field, first["msg"].removeprefix("Value error, ")) from error
