"""``factory stop``: end the running floor in order."""

import typer

from factory.cli import output
from factory.cli.context import here
from factory.cli.options import Json

_GRACE_S = 60.0

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def stop(json: Json = False) -> None:
    """Stop the floor of this repository; what its agents did so far is kept, and their beads are ready again."""
    from factory.observe import card

    floor = card.running(here().repo)
    if floor is not None:
        floor.process.end(grace_s=_GRACE_S)
    if json:
        output.document("stopped", {"pid": floor.process.pid} if floor else None)
    else:
        output.say(f"stopped process {floor.process.pid}" if floor else "no floor is running here")
