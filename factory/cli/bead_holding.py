"""``factory bead claim`` and ``release``: work on a bead by hand, so that nobody else does."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from factory.base.durations import seconds
from factory.base.errors import FactoryError, UserError
from factory.base.files import printable
from factory.beads.bead import Bead
from factory.beads.graph import blockers
from factory.cli import output, views
from factory.cli.context import here
from factory.cli.options import Json
from factory.wiring import Office, meeting

if TYPE_CHECKING:
    from factory.beads.claims import Desk

_HOLD = "8h"
_LONGEST_S = 366 * 86400

For = Annotated[str, typer.Option("--for", metavar="TIME", help="How long the lease runs: 90s, 30m, 8h, 3d.")]


def claim(
    beads: Annotated[list[str] | None, typer.Argument(metavar="[BEAD]...", help="The beads to take.")] = None,
    next_: Annotated[bool, typer.Option("--next", help="Take the most urgent bead that is ready.")] = False,
    renew: Annotated[bool, typer.Option("--renew", help="Extend the lease on beads that you hold.")] = False,
    hold: For = _HOLD,
    json: Json = False,
) -> None:
    """Take beads to work on by hand.

    Nobody else gets them until the lease ends or you release them. Other clones are kept from them too where
    the setting beads.remote names where clones meet; without it, of two who claimed offline the earlier one
    keeps the bead when they sync.
    """
    from factory.beads import holding

    if bool(beads) == next_ or (next_ and renew):
        raise typer.BadParameter("name the beads to take, or say --next")
    place, hold_s = here(), _lease(hold)
    desk = meeting(place)

    def take(bead: str) -> Bead:
        if renew:
            return holding.renew(place.store, bead, place.person, hold_s, desk)
        return _take(place, desk, bead, hold_s)

    if not beads:
        _report(place, [holding.claim_next(place.store, take)], [], as_json=json)
        return
    taken: list[Bead] = []
    failed: list[tuple[str, FactoryError]] = []
    for bead in dict.fromkeys(beads):
        try:
            taken.append(take(bead))
        except FactoryError as problem:
            failed.append((bead, problem))
    _report(place, taken, failed, as_json=json)


def _lease(text: str) -> int:
    """The seconds that a lease is asked for; raises ``NotADuration``."""
    asked = seconds(text)
    if asked > _LONGEST_S:
        raise UserError(f"a lease of {text} is too long", "the longest is 366d; --renew extends one that runs")
    return asked


def release(
    bead: Annotated[str, typer.Argument(metavar="BEAD", help="The bead's id, e.g. fa-7k2m.")],
    reason: Annotated[str, typer.Option("-m", "--reason", help="Why; needed to take it from somebody else.")] = "",
    json: Json = False,
) -> None:
    """Give a bead back, or take it from its holder.

    What a holder does with it afterwards is refused.
    """
    from factory.beads import holding
    from factory.git.remote import Unreachable

    place = here()
    try:
        released = holding.release(place.store, bead, place.person, reason, meeting(place))
    except Unreachable as problem:  # it is released here, and there its lease ends by itself
        sys.stderr.write(f"factory: {problem.sentence}; other clones get {bead} when its lease ends\n")
        released = place.store.bead(bead)
    place.store.commit()
    if json:
        output.document("bead", views.as_json(released, blockers(place.store.beads(), place.store.now())))
    else:
        output.say(f"{released.id}  released")


def _take(place: Office, desk: "Desk | None", bead: str, hold_s: float) -> Bead:
    """Where the clones meet and here; here alone when that place cannot be reached, and then say so."""
    from factory.beads import holding
    from factory.git.remote import Unreachable

    if desk is not None:
        try:
            return holding.claim_everywhere(desk, place.store, bead, place.person, hold_s)
        except Unreachable as problem:
            sys.stderr.write(f"factory: {problem.sentence}; {bead} is claimed in this clone alone until a sync\n")
    return holding.claim(place.store, bead, place.person, hold_s)


def _report(place: Office, taken: list[Bead], failed: list[tuple[str, FactoryError]], *, as_json: bool) -> None:
    """Say of each bead what became of it; a single refusal ends the command as such."""
    place.store.commit()
    if len(failed) == 1 and not taken:
        raise failed[0][1]
    if as_json:
        blocked = blockers(place.store.beads(), place.store.now())
        errors = [{"bead": bead, "sentence": problem.sentence, "hint": problem.hint} for bead, problem in failed]
        output.document("beads", [views.as_json(bead, blocked) for bead in taken], failed=errors)
    for bead in taken if not as_json else ():
        until = bead.run.until[:16] if bead.run else ""
        output.say(f"{bead.id}  yours until {until}Z: {printable(bead.title)}")
    for bead_id, problem in failed if not as_json else ():
        output.say(f"{bead_id}  not taken: {problem.sentence}")
    if failed:
        raise typer.Exit(max(problem.exit_code for _, problem in failed))
