"""``factory init``: set a repository up; asks nothing and changes nothing but what it says."""

import typer

from factory.cli import output
from factory.cli.context import here, now
from factory.cli.options import Json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def init(json: Json = False) -> None:
    """Write the settings, the attributes of the beads and the branch factory/beads; safe to run twice."""
    from factory.base import settings
    from factory.base.trust import trust
    from factory.git.repository import require_commit
    from factory.intake.setup import set_up

    place = here()
    require_commit(place.repo)
    made = set_up(place.repo, place.store)
    if settings.FILE in made:
        written = settings.parse((place.repo.main_root / settings.FILE).read_bytes(), settings.FILE)
        trust(place.repo.main_root, written, place.person, now())
    if json:
        output.document("made", made)
        return
    for path in made:
        output.say(f"made  {path}")
    if not made:
        output.say("everything is here already; nothing was changed")
    if settings.FILE in made:
        output.say(f"Look at the gates in {settings.FILE} and commit it: what counts is what the target branch holds.")
