"""``factory bead``: open, list, read and change beads. Each command is one call of the store."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.cli import answers, bead_holding, bead_reading, bead_transfer, output, reading
from factory.cli.bead_reading import BeadArg
from factory.cli.context import here
from factory.cli.options import Json
from factory.wiring import Office

if TYPE_CHECKING:
    from factory.beads.payloads import Payload

app = typer.Typer(
    add_completion=False, help="Beads: pieces of work and their story.", no_args_is_help=True, rich_markup_mode=None
)

NotBefore = Annotated[
    str | None,
    typer.Option(
        "--not-before", metavar="TIME", help="Put it off until 2026-12-01 or 2026-12-01T09:00Z; '' ends that."
    ),
]
Priority = Annotated[int, typer.Option("-p", "--priority", min=0, max=4, help="0 is most urgent.")]


@app.command()
def add(  # one option a field of the bead
    title: Annotated[str, typer.Argument(help="One line: what should be different afterwards.")],
    text: Annotated[str, typer.Option("-m", "--text", help="The whole description, in Markdown.")] = "",
    file: Annotated[Path | None, typer.Option("-F", "--text-file", help="Read the description from a file.")] = None,
    priority: Priority = 2,
    label: Annotated[list[str] | None, typer.Option("-l", "--label", help="A label; may be repeated.")] = None,
    needs: Annotated[
        list[str] | None, typer.Option("--needs", help="A bead that must land first; may be repeated.")
    ] = None,
    part_of: Annotated[str | None, typer.Option("--part-of", help="The bead that this is a part of.")] = None,
    not_before: NotBefore = None,
    json: Json = False,
) -> None:
    """Open a bead: describe work. factory run works on it, or claim it yourself."""
    from factory.base.remembered import Remembered, remember
    from factory.base.settings import files
    from factory.cli.opening import open_bead

    place = here()
    said = {
        "title": title,
        "text": file.read_text() if file else text,
        "priority": priority,
        "labels": label or [],
        "needs": needs or [],
        "part_of": [part_of] if part_of else [],
        "not_before": not_before or "",
    }
    settings = Remembered(place.settings.prefix, place.settings.beads.sign)
    open_bead(place.store, place.repo.state_dir, place.person, settings.prefix, said, as_json=json)
    remember(place.repo.state_dir, files(place.repo.main_root), settings)


@app.command()
def edit(
    bead: BeadArg,
    title: Annotated[str | None, typer.Option("--title", help="The new title.")] = None,
    text: Annotated[str | None, typer.Option("-m", "--text", help="The new description, in Markdown.")] = None,
    priority: Annotated[int | None, typer.Option("-p", "--priority", min=0, max=4, help="0 is most urgent.")] = None,
    label: Annotated[list[str] | None, typer.Option("-l", "--label", help="Add a label.")] = None,
    unlabel: Annotated[list[str] | None, typer.Option("--unlabel", help="Remove a label.")] = None,
    not_before: NotBefore = None,
    json: Json = False,
) -> None:
    """Change what a bead says of itself."""
    from factory.beads.payloads import BeadEdited, checked

    labels = {"add_labels": tuple(label or ()), "remove_labels": tuple(unlabel or ())}
    said = {"title": title, "text": text, "priority": priority, "not_before": not_before}
    if all(value is None for value in said.values()) and not any(labels.values()):
        raise typer.BadParameter("say what to change: --title, --text, --priority, --label, --unlabel or --not-before")
    payload = checked(BeadEdited, **said, **labels)
    _append(bead, payload, as_json=json, says="edited")


@app.command()
def link(
    bead: BeadArg,
    edge: Annotated[str, typer.Argument(help="needs, part_of, found_from or relates.")],
    to: Annotated[str, typer.Argument(metavar="OTHER", help="The other bead.")],
    json: Json = False,
) -> None:
    """Link two beads.

    BEAD needs OTHER, is part_of it, was found_from it, or relates to it.
    """
    from factory.beads.payloads import BeadLinked, checked

    _append(bead, checked(BeadLinked, edge=edge, to=to), as_json=json, says=f"{edge} {to}")


@app.command()
def unlink(bead: BeadArg, edge: str, to: Annotated[str, typer.Argument(metavar="OTHER")], json: Json = False) -> None:
    """Remove a link between two beads."""
    from factory.beads.payloads import BeadUnlinked, checked

    _append(bead, checked(BeadUnlinked, edge=edge, to=to), as_json=json, says=f"no longer {edge} {to}")


@app.command()
def comment(bead: BeadArg, text: str, json: Json = False) -> None:
    """Say something that its next agent will read."""
    from factory.beads.payloads import BeadCommented, checked

    _append(bead, checked(BeadCommented, text=text), as_json=json, says="commented")


@app.command()
def drop(
    bead: BeadArg,
    reason: Annotated[str, typer.Option("-m", "--reason", help="Why it will not be done.", prompt=False)],
    json: Json = False,
) -> None:
    """Decide against a bead."""
    from factory.beads.payloads import BeadDropped, checked

    _append(bead, checked(BeadDropped, reason=reason), as_json=json, says="dropped")


@app.command()
def done(
    bead: BeadArg,
    reason: Annotated[str, typer.Option("-m", "--reason", help="What shows that nothing needs to change.")],
    json: Json = False,
) -> None:
    """Report that no change is needed, or accept that.

    Who holds the bead reports it; then somebody else accepts it with the same command.
    """
    from factory.beads.holding import finish_unchanged

    place = here()
    finished = finish_unchanged(place.store, bead, place.person, reason)
    place.store.commit()
    says = "done" if finished.state == "done" else "waits for somebody else to accept that"
    _show_result(place, bead, as_json=json, says=says)


@app.command()
def reopen(
    bead: BeadArg,
    reason: Annotated[str, typer.Option("-m", "--reason", help="What should be different this time.")] = "",
    json: Json = False,
) -> None:
    """Give a waiting or dropped bead back to agents."""
    from factory.beads.payloads import BeadReopened, checked

    _append(bead, checked(BeadReopened, reason=reason), as_json=json, says="reopened")


app.command("list")(bead_reading.list_)
app.command()(bead_reading.ready)
app.command()(bead_reading.blocked)
app.command()(bead_reading.show)
app.command()(bead_reading.tree)
app.command()(bead_reading.search)
app.command()(bead_reading.log)


app.command("import")(bead_transfer.import_)
app.command()(bead_transfer.export)
app.command()(bead_holding.claim)
app.command()(bead_holding.release)


def _append(bead: str, payload: "Payload", *, as_json: bool, says: str) -> None:
    """Write one event as the person who called, commit it, and show the bead as it is then."""
    place = here()
    place.store.append(bead, payload, place.person)
    place.store.commit()
    _show_result(place, bead, as_json=as_json, says=says)


def _show_result(place: Office, bead: str, *, as_json: bool, says: str) -> None:
    if as_json:
        say, _ = reading.asked(str(place.repo.state_dir), partial(answers.shown, bead=bead, as_json=True))
        say()
        return
    output.say(f"{bead}  {says}")
