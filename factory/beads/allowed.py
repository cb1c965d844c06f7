"""Whether an event may happen to a bead as it is now: the lifecycle's table, and who holds the bead for how long.

Writers ask before they write, under the store's lock; the fold asks the same when it reads.
"""

from __future__ import annotations

from factory.base.errors import Refused
from factory.beads.bead import NO_CHANGE, Bead, Run
from factory.beads.events import Event
from factory.beads.lifecycle import State, next_state

TAKES = frozenset({"session_started", "bead_claimed"})
"""The events by which somebody begins to hold a bead."""

_BY_HOLDER = frozenset({"change_submitted", "no_change_reported", "question_asked", "session_failed", "claim_renewed"})
_MORE = _BY_HOLDER | {"bead_claimed", "bead_released", "change_approved", "no_change_accepted"}


class NotYours(Refused):
    """A session that no longer holds the bead tried to write about it."""

    def __init__(self, bead: str, event: str, session: str | None) -> None:
        super().__init__(f"{bead}: {event.replace('_', ' ')} by {session}, which does not hold the bead")
        self.session = session


class NoChange(Refused):
    """There is no change to approve."""

    def __init__(self, bead: str) -> None:
        super().__init__(f"{bead} has no change to approve", f"give it back to an agent: factory bead reopen {bead}")


class LeaseOver(Refused):
    """The holder's lease ended before it wrote."""

    def __init__(self, bead: str, event: str, until: str) -> None:
        super().__init__(
            f"{bead}: {event.replace('_', ' ')} is not allowed, because the lease ended at {until}",
            f"take it again, if nobody else has: factory bead claim {bead}",
        )
        self.until = until


class Held(Refused):
    """Another holder's lease still runs."""

    def __init__(self, bead: str, run: Run, *, mine: bool = False) -> None:
        until = f" until {run.until}" if run.until else ""
        hint = f"you hold it already; factory bead claim {bead} --renew extends that" if mine else ""
        super().__init__(f"{bead} is held by {run.agent}{until}", hint or "factory bead ready shows what is free")
        self.run = run


class OwnWork(Refused):
    """Nobody accepts their own work."""

    def __init__(self, bead: str, who: str) -> None:
        super().__init__(f"{bead}: {who} reported that no change is needed, and somebody else must accept that")


class NothingReported(Refused):
    """Nobody who worked on it said that no change is needed."""

    def __init__(self, bead: str) -> None:
        super().__init__(
            f"{bead}: nobody who worked on it has reported that no change is needed",
            f"factory bead drop {bead} -m '...' decides against it",
        )


def check(bead: Bead | None, event: Event) -> State:
    """The state that ``event`` leads to; raises a ``Refused`` that says why it may not happen now."""
    state = next_state(event.on, bead.state if bead else None, event.type, event.role)
    if bead is not None and event.type in _MORE:
        _check_more(bead, event)
    return state


def _check_more(bead: Bead, event: Event) -> None:
    """What state and role alone do not decide: who holds the bead, for how long, and what went before."""
    run, type_ = bead.run, event.type
    if type_ in _BY_HOLDER or (type_ == "bead_released" and event.session is not None):
        if run is None or event.session != run.session:
            raise NotYours(event.on, type_, event.session)
        if run.until and event.at > run.until and type_ != "session_failed":
            raise LeaseOver(event.on, type_, run.until)
    if type_ == "bead_released" and event.role == "floor" and run and not (run.until and run.until < event.at):
        raise Held(event.on, run)
    if type_ == "bead_claimed" and bead.state == "working" and run and not (run.until and run.until < event.at):
        raise Held(event.on, run, mine=run.is_claim and run.agent == event.by)
    if type_ == "change_approved" and bead.change is None:
        raise NoChange(event.on)
    if type_ == "no_change_accepted":
        if bead.setback is None or bead.setback.code != NO_CHANGE:
            raise NothingReported(event.on)
        if run is not None and run.agent == event.by:
            raise OwnWork(event.on, event.by)
