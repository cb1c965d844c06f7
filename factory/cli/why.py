"""``factory why``: the reason a bead is where it is, with the evidence and the remedy."""

from typing import Annotated

import typer

from factory.cli import output
from factory.cli.context import here
from factory.cli.options import Json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def why(
    bead: Annotated[str, typer.Argument(metavar="BEAD", help="The bead's id, e.g. fa-7k2m.")], json: Json = False
) -> None:
    """Say why a bead is where it is, and what would move it."""
    from factory.observe.why import reasons
    from factory.wiring import situation

    place = here()
    shown = place.store.bead(bead)
    reason = reasons(situation(place))[shown.id]
    evidence = shown.setback.evidence if shown.setback else ""
    if json:
        output.document(
            "reason",
            {
                "bead": shown.id,
                "state": shown.state,
                "code": reason.code,
                "sentence": reason.sentence,
                "remedy": reason.remedy,
                "evidence": evidence,
            },
        )
        return
    output.say(f"{shown.id} is {output.colour(shown.state, shown.state)}: {reason.sentence}")
    if reason.remedy:
        output.say(f"remedy: {reason.remedy}")
    for line in evidence.splitlines():
        output.say(f"    | {line}")
