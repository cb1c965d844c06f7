"""The one lifecycle table: which event may follow in which state, by whom, and where it leads.

Every writer asks ``next_state`` under the store's lock; the fold asks it again when it reads. There
is no other place that decides what may happen to a bead.
"""

from typing import Literal

from factory.base.errors import Refused

State = Literal["proposed", "open", "working", "waiting", "queued", "landed", "done", "dropped"]
STATES: tuple[State, ...] = ("proposed", "open", "working", "waiting", "queued", "landed", "done", "dropped")
LIVE: tuple[State, ...] = ("proposed", "open", "working", "waiting", "queued")
"""The states in which a bead still wants something; the others are ends."""

_SAME: dict[str, tuple[tuple[State, ...], tuple[str, ...]]] = {
    "bead_edited": (LIVE, ("human", "agent")),
    "bead_linked": (LIVE, ("human", "agent")),
    "bead_unlinked": (LIVE, ("human", "agent")),
    "bead_commented": (STATES, ("human", "agent", "floor", "landing")),
    "bead_hooked": (("proposed", "open", "waiting"), ("human", "floor")),
    "claim_renewed": (("working",), ("human", "agent", "floor")),
    "candidate_built": (("queued",), ("landing",)),
    "gate_finished": (("queued",), ("landing",)),
    "landing_announced": (("queued",), ("landing",)),
}
"""Events that say something and leave the state as it is: in which states, by which roles."""

_MOVES: dict[str, tuple[tuple[State, ...], State, tuple[str, ...]]] = {
    "session_started": (("open",), "working", ("floor",)),
    "bead_claimed": (("open", "working"), "working", ("human", "agent")),
    "bead_released": (("working",), "open", ("human", "agent", "floor")),
    "change_submitted": (("working",), "queued", ("agent", "human")),
    "no_change_reported": (("working",), "waiting", ("agent", "human")),
    "question_asked": (("working",), "waiting", ("agent", "human")),
    "session_failed": (("working",), "open", ("agent", "floor")),
    "bead_held": (("open", "queued"), "waiting", ("floor", "landing")),
    "bead_returned": (("queued",), "open", ("landing",)),
    "bead_landed": (("queued",), "landed", ("landing",)),
    "change_approved": (("waiting",), "queued", ("human",)),
    "no_change_accepted": (("waiting",), "done", ("human",)),
    "bead_reopened": (("waiting", "dropped"), "open", ("human",)),
    "bead_dropped": (("proposed", "open", "waiting", "queued"), "dropped", ("human",)),
}
"""Events that move a bead: from which states, to which, by which roles.

``bead_claimed`` of a bead that is ``working`` is for the case that its lease is over (``fold.check``).
"""

EVENT_TYPES = frozenset({"bead_opened", *_SAME, *_MOVES})


class NotAllowed(Refused):
    """The lifecycle has no such step; nothing was written."""

    def __init__(self, bead: str, state: State | None, event: str, allowed: tuple[str, ...]) -> None:
        what = event.replace("_", " ")
        where = f"it is {state}" if state else "there is no such bead"
        super().__init__(
            f"{bead}: {what} is not allowed, because {where}",
            f"allowed now: {', '.join(allowed)}" if allowed else "",
        )
        self.state = state
        self.event = event
        self.allowed = allowed


class WrongRole(Refused):
    """The event is allowed now, but not by the one who asked."""

    def __init__(self, bead: str, event: str, role: str, roles: tuple[str, ...]) -> None:
        super().__init__(f"{bead}: {event.replace('_', ' ')} is not for {role}", f"only {' or '.join(roles)} may")
        self.role = role


def next_state(bead: str, state: State | None, event: str, role: str) -> State:
    """The state that ``event`` by ``role`` leads to; raises ``NotAllowed`` or ``WrongRole``.

    ``state`` is ``None`` before the bead was opened.
    """
    if event == "bead_opened" and state is None:
        return "open" if role == "human" else "proposed"
    if state is not None and event in _SAME:
        states, roles = _SAME[event]
        target: State = state
    elif state is not None and event in _MOVES:
        states, target, roles = _MOVES[event]
    else:
        raise NotAllowed(bead, state, event, allowed_in(state))
    if state not in states:
        raise NotAllowed(bead, state, event, allowed_in(state))
    if role not in roles:
        raise WrongRole(bead, event, role, roles)
    return target


def allowed_in(state: State | None) -> tuple[str, ...]:
    """The events that may happen in ``state``, whoever does them."""
    if state is None:
        return ("bead_opened",)
    same = [event for event, (states, _) in _SAME.items() if state in states]
    moves = [event for event, (states, _, _) in _MOVES.items() if state in states]
    return tuple(sorted(same + moves))
