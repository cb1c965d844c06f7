"""``factory status``: how things stand, on one screen."""

from collections import Counter

import typer

from factory.beads.graph import blockers
from factory.beads.lifecycle import LIVE, STATES
from factory.cli import output, views
from factory.cli.context import here
from factory.cli.output import Json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def status(json: Json = False) -> None:
    """Show the floor, the beads that want something, and why each is where it is."""
    from factory.observe import card
    from factory.observe.why import reasons
    from factory.wiring import situation

    place = here()
    standing = situation(place)
    why = reasons(standing)
    blocked = blockers(standing.beads, standing.now)
    live = sorted((bead for bead in standing.beads.values() if bead.state in LIVE), key=lambda bead: bead.order)
    counts = Counter(bead.state for bead in standing.beads.values())
    floor = card.running(place.repo)
    if json:
        output.document(
            "beads",
            [views.as_json(bead, blocked, why[bead.id].sentence) for bead in live],
            counts={state: counts[state] for state in STATES},
            floor={"pid": floor.process.pid, "max_agents": floor.max_agents} if floor else None,
            target=standing.target.name if standing.target else None,
            sandbox=place.settings.workspaces.sandbox,
            network=list(place.settings.workspaces.network),
        )
        return
    runs = f"running (process {floor.process.pid}, at most {floor.max_agents} agents)" if floor else "not running"
    unconfined = "  UNCONFINED: sandbox = none" if place.settings.workspaces.sandbox == "none" else ""
    told = ", ".join(f"{counts[state]} {state}" for state in STATES if counts[state]) or "no beads yet"
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
