"""``factory status``: how things stand, on one screen."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

from factory.base.ids import BeadId
from factory.beads.codec import decode
from factory.beads.graph import Blocked
from factory.beads.lifecycle import STATES
from factory.beads.lookup import Lookup
from factory.cli import output, reading, views
from factory.cli.context import here
from factory.cli.options import Json
from factory.wiring import Office

if TYPE_CHECKING:
    from factory.observe.why import Situation

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def status(json: Json = False) -> None:
    """Show the floor, the beads that want something, and why each is where it is."""
    place = here()
    _ = place.store  # brings the live copy about where it is missing
    code = reading.told(str(place.repo.state_dir), lambda lookup: _answer(place, lookup, as_json=json))
    if code:
        sys.exit(code)


def _answer(place: Office, lookup: Lookup, *, as_json: bool) -> Callable[[], None]:
    from factory.wiring import situation

    now = place.store.now()
    live = lookup.listed((), None, None, finished=False)
    lookup.require_unchanged(row.id for row in live)
    beads = {BeadId(row.id): decode(lookup.story(row.number)) for row in live}
    blocked = {
        BeadId(row.id): Blocked(_id(row.blocker), _id(row.via), row.reason, row.until)
        for row in live
        if row.is_blocked(now)
    }
    counts = lookup.counts()
    standing = situation(place, beads, blocked)
    return lambda: _tell(place, standing, blocked, counts, as_json=as_json)


def _id(text: str | None) -> BeadId | None:
    return BeadId(text) if text else None


def _tell(
    place: Office, standing: "Situation", blocked: dict[BeadId, Blocked], counts: dict[str, int], *, as_json: bool
) -> None:
    from factory.observe import card
    from factory.observe.why import reasons

    why = reasons(standing)
    live = standing.beads.values()
    floor = card.running(place.repo)
    if as_json:
        more: dict[str, Any] = {
            "counts": {state: counts.get(state, 0) for state in STATES},
            "floor": {"pid": floor.process.pid, "max_agents": floor.max_agents} if floor else None,
            "target": standing.target.name if standing.target else None,
            "sandbox": place.settings.workspaces.sandbox,
            "network": list(place.settings.workspaces.network),
        }
        output.document("beads", [views.as_json(bead, blocked, why[bead.id].sentence) for bead in live], **more)
        return
    runs = f"running (process {floor.process.pid}, at most {floor.max_agents} agents)" if floor else "not running"
    unconfined = "  UNCONFINED: sandbox = none" if place.settings.workspaces.sandbox == "none" else ""
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts.get(state)) or "no beads yet"
    output.facts(
        {"floor": runs + unconfined, "target": standing.target.name if standing.target else "?", "beads": told}
    )
    rows = []
    for bead in live:
        state = "blocked" if bead.state == "open" and bead.id in blocked else bead.state
        rows.append([bead.id, f"P{bead.priority}", state, bead.title, why[bead.id].sentence])
    if rows:
        output.say()
        output.table(("BEAD", "PRI", "STATE", "TITLE", "WHY"), rows, empty="")
