"""``factory trust``: look at what the settings would run, and say that it may."""

from typing import Annotated

import typer

from factory.cli import output
from factory.cli.context import here, now
from factory.cli.options import Json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def trust(
    show: Annotated[bool, typer.Option("--show", help="Only show what would be trusted.")] = False, json: Json = False
) -> None:
    """Trust the commands in this repository's settings, as they are now; a change to them asks again."""
    from factory.base.settings import powers
    from factory.base.trust import is_trusted
    from factory.base.trust import trust as remember
    from factory.wiring import settings_with_powers

    place = here()
    rows = []
    for origin, settings in settings_with_powers(place):
        before = is_trusted(place.repo.main_root, settings)
        if not show and not before:
            remember(place.repo.main_root, settings, place.person, now())
        trusted = before or not show
        rows.append({"origin": origin, "trusted": trusted, "was_trusted": before, "powers": powers(settings)})
        if not json:
            said = "trusted before" if before else "trusted now" if trusted else "not trusted"
            output.say(f"{origin}: {said if powers(settings) else 'nothing in it runs anything'}")
            output.facts({f"  {key}": value for key, value in powers(settings).items()})
    if json:
        output.document("settings", rows)
