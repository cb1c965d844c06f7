"""Who said what, and whether they could: pure checks of the events of one bead, beside the lifecycle's own."""

import re
from collections.abc import Iterable, Iterator

from factory.base.clock import iso
from factory.base.ids import is_bead_id, time_of
from factory.beads.allowed import TAKES
from factory.beads.bead import Bead
from factory.beads.events import VERSION, Event, in_order
from factory.beads.lifecycle import EVENT_TYPES
from factory.beads.union import alias
from factory.observe.report import Problem

_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_BY = re.compile(r"(human|agent|floor|landing):\S.*")
_ONLY_HELD = frozenset(
    {*TAKES, "claim_renewed", "change_submitted", "no_change_reported", "question_asked", "session_failed"}
)
"""What only the holder of a bead writes, or what makes one: such an event names its session."""


def unlawful(bead: Bead, events: Iterable[Event]) -> Iterator[Problem]:
    """What is wrong with a bead's events: misattributed, or with a fence that did not grow."""
    fence = 0
    for event in in_order(events):
        for says in _misattributed(bead, event):
            yield Problem(bead.id, f"event {event.id} {says}")
        if event.type in TAKES and event.version <= VERSION and event.session not in bead.lost:
            number = event.data.get("fence")
            if not isinstance(number, int) or number <= fence:
                yield Problem(bead.id, f"event {event.id} has the fencing number {number} after {fence}")
            else:
                fence = number


def _misattributed(bead: Bead, event: Event) -> Iterator[str]:
    if event.on != bead.id and alias(event.on, bead.opened) != bead.id:
        yield f"is about {event.on} and stands in another bead's file"
    yield from misdated(event)
    if event.version > VERSION or event.type not in EVENT_TYPES:
        return
    if not _BY.fullmatch(event.by):
        yield f"is by {event.by!r}, which is nobody"
    if event.type in _ONLY_HELD and not event.session:
        yield f"is a {event.type} without a session"


def misdated(event: Event) -> Iterator[str]:
    """Whether an event says that it is younger than its id: no writer's clock makes that."""
    if not _AT.fullmatch(event.at):
        yield f"is dated {event.at!r}, which is no time"
    elif event.at > iso(time_of(event.id)):
        yield f"is dated {event.at}, later than its id was made"


def strayed(bead: Bead, ledger: Iterable[Event]) -> Iterator[Problem]:
    """Records of sessions that are not about the bead, or are misdated."""
    for event in ledger:
        if event.on != bead.id and not (is_bead_id(event.on) and alias(event.on, bead.opened) == bead.id):
            yield Problem(bead.id, f"record {event.id} of session {event.session} is about {event.on}")
        yield from (Problem(bead.id, f"record {event.id} {says}") for says in misdated(event))
