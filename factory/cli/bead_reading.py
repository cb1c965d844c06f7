"""The commands of ``factory bead`` that only read. What they answer stands in ``answers``, as for the quick way."""

import contextlib
import sys
from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from factory.base.errors import UserError
from factory.beads.events import VERSION, Event, in_order
from factory.beads.lifecycle import EVENT_TYPES
from factory.beads.lookup import Lookup, Unknown
from factory.beads.stories import NoSuchBead
from factory.cli import answers, output, reading
from factory.cli.context import here
from factory.cli.options import Json
from factory.wiring import Office

if TYPE_CHECKING:
    from factory.beads.bead import Bead

Limit = Annotated[int | None, typer.Option("-n", "--limit", min=1, help="At most this many.")]
BeadArg = Annotated[str, typer.Argument(metavar="BEAD", help="The bead's id, e.g. fa-7k2m.")]


def list_(
    state: Annotated[list[str] | None, typer.Option("-s", "--state", help="Only beads in this state.")] = None,
    label: Annotated[str | None, typer.Option("-l", "--label", help="Only beads with this label.")] = None,
    everything: Annotated[bool, typer.Option("-a", "--all", help="Also finished and dropped beads.")] = False,
    limit: Limit = None,
    json: Json = False,
) -> None:
    """List beads, most urgent first."""
    from factory.beads.lifecycle import STATES

    unknown = set(state or ()) - set(STATES)
    if unknown:
        raise typer.BadParameter(f"{min(unknown)!r} is not a state; there are {', '.join(STATES)}")
    _tell(
        here(), partial(answers.listed, states=state or (), label=label, limit=limit, finished=everything, as_json=json)
    )


def ready(
    explain: Annotated[bool, typer.Option("--explain", help="Also what is not ready, and exactly why.")] = False,
    limit: Limit = None,
    json: Json = False,
) -> None:
    """List the beads that could be worked on now."""
    _tell(here(), partial(answers.ready, limit=limit, explain=explain, as_json=json))


def blocked(limit: Limit = None, json: Json = False) -> None:
    """List the open beads that cannot start now, and why."""
    _tell(here(), partial(answers.blocked, limit=limit, as_json=json))


def show(bead: BeadArg, json: Json = False) -> None:
    """Show everything about one bead."""
    _tell(here(), partial(answers.shown, bead=bead, as_json=json))


def tree(
    bead: Annotated[str | None, typer.Argument(metavar="[BEAD]", help="Only this bead and its parts.")] = None,
    everything: Annotated[bool, typer.Option("-a", "--all", help="Also trees that are finished.")] = False,
    json: Json = False,
) -> None:
    """Show beads with their parts below them.

    Each has its state and what blocks it.
    """
    from factory.cli.tree import tree as planted

    _tell(here(), partial(planted, bead=bead, finished=everything, as_json=json))


def search(
    words: Annotated[
        list[str], typer.Argument(metavar="WORDS...", help="All must be there; the last may be a beginning.")
    ],
    limit: Limit = None,
    json: Json = False,
) -> None:
    """Find beads by their words, best first.

    Titles, texts, comments, summaries and reasons are looked through.
    """
    _tell(here(), partial(answers.found, words=" ".join(words), limit=limit, as_json=json), searchable=True)


def log(
    bead: BeadArg,
    ledger: Annotated[bool, typer.Option("--ledger", help="With every step of its sessions.")] = False,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="TIME", help="The bead as it was: 2026-11-21, 2026-11-21T10:15Z, or 90m, 2h, 3d ago."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Tell a bead's whole story or, with --at, show it as it was then."""
    place = here()
    if at is None:
        _tell(place, partial(_story, place, bead, ledger=ledger, as_json=json))
    else:
        _tell(place, partial(_as_it_was, place, bead, _moment(at), as_json=json))


def _story(place: Office, bead: str, lookup: Lookup, *, ledger: bool, as_json: bool) -> Callable[[], None]:
    lookup.require_unchanged((bead,))
    events = in_order(place.store.events(bead))
    if ledger:
        events = in_order([*events, *place.store.ledger(bead)])
    if as_json:
        rows = [
            {"id": e.id, "at": e.at, "by": e.by, "on": e.on, "session": e.session, "type": e.type, "data": dict(e.data)}
            for e in events
        ]
        return lambda: output.document("events", rows, bead=bead)
    refused = {said.partition(":")[0] for said in place.store.bead(bead).problems}
    return lambda: _tell_story(events, refused)


def _tell_story(events: list[Event], refused: Collection[str]) -> None:
    from factory.observe.story import line

    width = max((len(event.by) for event in events), default=0)
    for event in events:
        mark = "  (counts for nothing)" if event.id in refused else ""
        if event.version > VERSION or event.type not in EVENT_TYPES:
            mark = "  (not applied: a newer factory wrote it)"
        output.say(f"{event.at[:19]}Z  {event.by:<{width}}  {line(event).says}{mark}")
        evidence = event.data.get("evidence")
        for text in str(evidence).splitlines() if evidence else ():
            output.say(f"    | {text}")


def _as_it_was(place: Office, bead: str, moment: str, lookup: Lookup, *, as_json: bool) -> Callable[[], None]:
    import json

    from factory.beads.codec import encode
    from factory.beads.index_files import folded
    from factory.beads.index_tables import note

    lookup.require_unchanged((bead,))
    then: Bead | None = folded([event for event in place.store.events(bead) if event.at <= moment], bead)
    if then is None:
        raise NotYet(bead, moment)
    told = json.loads(encode(then))
    if as_json:
        return lambda: output.document("bead", answers.document(told, ready=None, reason=note(then)), at=moment)
    return lambda: output.facts({"at": moment, **answers.facts(told, note(then))})


def _moment(at: str) -> str:
    """The time that ``--at`` names, as events have it."""
    from factory.base.clock import WallClock, iso, parse_time
    from factory.base.durations import NotADuration, seconds

    try:
        with contextlib.suppress(NotADuration):
            return iso(WallClock().now_ms() - seconds(at) * 1000)
        return iso(parse_time(at))
    except (ValueError, OverflowError, OSError):
        raise typer.BadParameter(f"{at!r} is not a time; say 2026-11-21, 2026-11-21T10:15Z, 90m, 2h or 3d") from None


class NotYet(UserError):
    """The bead was not there at that time."""

    def __init__(self, bead: str, moment: str) -> None:
        super().__init__(f"{bead} was not there at {moment}", f"factory bead log {bead} tells when it was opened")


def _tell(place: Office, answer: Callable[[Lookup], Callable[[], None]], *, searchable: bool = False) -> None:
    _ = place.store  # brings the live copy about where it is missing
    try:
        code = reading.told(str(place.repo.state_dir), answer, searchable=searchable)
    except Unknown as unknown:
        raise NoSuchBead(str(unknown)) from None
    if code:
        sys.exit(code)
