"""``factory sync``: give the beads to a remote and take what it has."""

from typing import Annotated

import typer

from factory.cli import output
from factory.cli.context import here
from factory.cli.options import Json
from factory.cli.reading import look_at_everything

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def sync(
    remote: Annotated[
        str,
        typer.Argument(
            metavar="REMOTE",
            help="Its name, URL or path [default: beads.remote of the settings, else origin or the only one].",
        ),
    ] = "",
    json: Json = False,
) -> None:
    """Merge the beads with those of a remote, event by event, and push the result."""
    from factory.beads.sync import Clone
    from factory.beads.sync import sync as run
    from factory.git.remote import choose

    place = here()
    beads = place.settings.beads
    chosen = choose(place.repo, remote, default=beads.remote)
    report = run(Clone(place.repo, place.store, beads.sign), chosen)
    look_at_everything(str(place.repo.state_dir))
    if json:
        output.document(
            "sync",
            {
                "remote": chosen.name,
                "head": report.head,
                "events_in": report.events_in,
                "events_out": report.events_out,
                "beads": sorted(report.beads),
                "claims_lost": [
                    {
                        "bead": claim.bead,
                        "winner": claim.winner,
                        "winner_agent": claim.winner_agent,
                        "loser": claim.loser,
                        "loser_agent": claim.loser_agent,
                        "ours": claim.ours,
                    }
                    for claim in report.lost
                ],
                "overtaken": list(report.overtaken),
                "cycles": [list(ring) for ring in report.cycles],
                "clashes": [
                    {"bead": clash.bead, "alias": clash.alias, "kept": clash.kept, "moved": clash.moved}
                    for clash in report.clashes
                ],
            },
        )
        return
    output.say(f"{report.events_in} events in, {report.events_out} out; {len(report.beads)} beads changed here")
    for claim in report.lost:
        mine = "your claim" if claim.ours else "a claim"
        output.say(
            f"{claim.bead}: {mine} {claim.loser} ({claim.loser_agent}) lost to {claim.winner} ({claim.winner_agent})"
        )
    for said in report.overtaken:
        output.say(f"{said}; what was done in the other clone stands before it, so it counts for nothing")
    for clash in report.clashes:
        output.say(f"{clash.bead}: two beads had this id; the later one is {clash.alias} now")
    for ring in report.cycles:
        output.say(f"these beads wait for each other: {' -> '.join((*ring, ring[0]))}")
