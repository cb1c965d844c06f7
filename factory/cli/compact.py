"""``factory compact``: pack what ended long ago into one sealed file a month."""

from typing import Annotated

import typer

from factory.cli import output
from factory.cli.context import here
from factory.cli.options import Json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def compact(
    before: Annotated[
        str,
        typer.Option(
            "--before",
            metavar="YYYY-MM",
            help="Pack what ended before this month [default: in months over for 30 days].",
        ),
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be packed.")] = False,
    json: Json = False,
) -> None:
    """Pack the files of beads that ended long ago, byte for byte, one sealed file a month, and tidy git's objects."""
    from factory.beads.compact import compact as pack

    place = here()
    done = pack(place.repo, place.store, before, dry_run=dry_run)
    if json:
        packs = [item._asdict() for item in done.packs]
        after = done.after._asdict() if done.after else None
        output.document("packs", packs, removed=done.removed, before=done.before._asdict(), after=after)
        return
    rows = [[item.month, str(item.files), f"{item.bytes:,}", item.name] for item in done.packs]
    output.table(("MONTH", "FILES", "BYTES", "PACK"), rows, empty="There is nothing to pack.")
    if done.after is None:
        output.say(f"{done.removed} live files would leave.")
        return
    sizes = zip(done.before._fields, done.before, done.after, strict=True)
    output.facts({name.replace("_", " "): f"{old:,} -> {new:,}" for name, old, new in sizes})
