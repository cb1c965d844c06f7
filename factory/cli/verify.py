"""``factory verify``: prove from git's history that the record adds up."""

import sys

import typer

from factory.cli import output
from factory.cli.context import here
from factory.cli.options import Json
from factory.cli.reading import look_at_everything

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def verify(json: Json = False) -> None:
    """Check that every file of the beads only ever grew, that events obey the lifecycle, and that landings match."""
    from factory.observe.verify import verify as check

    place = here()
    report = check(place.repo, place.store, sign=place.settings.beads.sign)
    look_at_everything(str(place.repo.state_dir))
    if json:
        problems = [{"where": problem.where, "problem": problem.says} for problem in report.problems]
        notes = [{"where": note.where, "note": note.says} for note in report.notes]
        output.document("problems", problems, notes=notes, checked=dict(report.checked))
    else:
        for problem in report.problems:
            output.say(f"{problem.where}: {problem.says}")
        for note in report.notes:
            output.say(f"note: {note.where}: {note.says}")
        verdict = f"{len(report.problems)} problems" if report.problems else "clean"
        output.say(f"{verdict}: {', '.join(f'{number:,} {noun}' for noun, number in report.checked.items())}")
    sys.exit(1 if report.problems else 0)
