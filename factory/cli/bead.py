"""``factory bead``: open, list, read and change beads. Each command is one call of the store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.base.files import printable
from factory.beads.bead import Bead
from factory.beads.graph import blockers, ready
from factory.cli import bead_holding, bead_transfer, output, views
from factory.cli.context import here
from factory.cli.output import Json
from factory.wiring import Office

if TYPE_CHECKING:
    from factory.beads.payloads import Payload

app = typer.Typer(
    add_completion=False, help="Beads: pieces of work and their story.", no_args_is_help=True, rich_markup_mode=None
)

BeadArg = Annotated[str, typer.Argument(metavar="BEAD", help="The bead's id, e.g. fa-7k2m.")]
Priority = Annotated[int, typer.Option("-p", "--priority", min=0, max=4, help="0 is most urgent.")]


@app.command()
def add(  # one option a field of the bead
    title: Annotated[str, typer.Argument(help="One line: what should be different afterwards.")],
    text: Annotated[str, typer.Option("-m", "--text", help="The whole description, in Markdown.")] = "",
    file: Annotated[Path | None, typer.Option("-F", "--text-file", help="Read the description from a file.")] = None,
    priority: Priority = 2,
    label: Annotated[list[str] | None, typer.Option("-l", "--label", help="A label; may be repeated.")] = None,
    needs: Annotated[list[str] | None, typer.Option("--needs", help="A bead that must land first.")] = None,
    part_of: Annotated[str | None, typer.Option("--part-of", help="The bead that this is a part of.")] = None,
    json: Json = False,
) -> None:
    """Open a bead without giving it to anybody."""
    from factory.beads.payloads import BeadOpened, checked

    place = here()
    payload = checked(
        BeadOpened,
        title=title,
        text=file.read_text() if file else text,
        priority=priority,
        labels=tuple(label or ()),
        needs=tuple(needs or ()),
        part_of=(part_of,) if part_of else (),
    )
    bead = place.store.open(payload, place.person, place.settings.prefix)
    place.store.commit()
    _show_result(place, bead, as_json=json, says="opened")


@app.command("list")
def list_(
    state: Annotated[list[str] | None, typer.Option("-s", "--state", help="Only beads in this state.")] = None,
    label: Annotated[str | None, typer.Option("-l", "--label", help="Only beads with this label.")] = None,
    everything: Annotated[bool, typer.Option("-a", "--all", help="Also finished and dropped beads.")] = False,
    limit: Annotated[int | None, typer.Option("-n", "--limit", min=1, help="At most this many.")] = None,
    json: Json = False,
) -> None:
    """List beads, most urgent first."""
    from factory.beads.lifecycle import LIVE, STATES

    unknown = set(state or ()) - set(STATES)
    if unknown:
        raise typer.BadParameter(f"{min(unknown)!r} is not a state; there are {', '.join(STATES)}")
    place = here()
    every = place.store.beads()
    states = state or (STATES if everything else LIVE)
    chosen = [bead for bead in every.values() if bead.state in states and (label is None or label in bead.labels)]
    _print_beads(place, sorted(chosen, key=lambda bead: bead.order)[:limit], as_json=json)


@app.command("ready")
def ready_(
    limit: Annotated[int | None, typer.Option("-n", "--limit", min=1, help="At most this many.")] = None,
    json: Json = False,
) -> None:
    """List the beads that could be worked on now."""
    place = here()
    _print_beads(place, ready(place.store.beads(), place.store.now())[:limit], as_json=json)


@app.command()
def show(bead: BeadArg, json: Json = False) -> None:
    """Show everything about one bead."""
    place = here()
    shown = place.store.bead(bead)
    every = place.store.beads()
    if json:
        output.document("bead", views.as_json(shown, blockers(every, place.store.now())))
        return
    candidate = shown.candidate
    facts = {
        "bead": shown.id,
        "title": shown.title,
        "state": shown.state,
        "reason": views.short_reason(shown, blockers(every, place.store.now())),
        "priority": f"P{shown.priority}",
        "labels": ", ".join(sorted(shown.labels)),
        **{kind: ", ".join(shown.linked(kind)) for kind in ("needs", "part_of", "found_from", "relates")},
        "opened": f"{shown.opened_at} by {shown.opened_by}",
        "agent": shown.run.agent if shown.run else shown.hook.agent,
        "attempts": str(shown.attempts or ""),
        "branch": shown.change.branch if shown.change else "",
        "gates": ", ".join(f"{v.gate} {v.answer}" for v in candidate.verdicts) if candidate else "",
        "text": shown.text,
    }
    output.facts({name: value for name, value in facts.items() if value})


@app.command()
def edit(
    bead: BeadArg,
    title: Annotated[str | None, typer.Option("--title")] = None,
    text: Annotated[str | None, typer.Option("-m", "--text")] = None,
    priority: Annotated[int | None, typer.Option("-p", "--priority", min=0, max=4)] = None,
    label: Annotated[list[str] | None, typer.Option("-l", "--label", help="Add a label.")] = None,
    unlabel: Annotated[list[str] | None, typer.Option("--unlabel", help="Remove a label.")] = None,
    json: Json = False,
) -> None:
    """Change a bead's description."""
    from factory.beads.payloads import BeadEdited, checked

    labels = {"add_labels": tuple(label or ()), "remove_labels": tuple(unlabel or ())}
    if title is None and text is None and priority is None and not any(labels.values()):
        raise typer.BadParameter("say what to change: --title, --text, --priority, --label or --unlabel")
    payload = checked(BeadEdited, title=title, text=text, priority=priority, **labels)
    _append(bead, payload, as_json=json, says="edited")


@app.command()
def link(
    bead: BeadArg,
    edge: Annotated[str, typer.Argument(help="needs, part_of, found_from or relates.")],
    to: Annotated[str, typer.Argument(metavar="OTHER", help="The other bead.")],
    json: Json = False,
) -> None:
    """Add an edge: BEAD needs OTHER, is part_of it, was found_from it, or relates to it."""
    from factory.beads.payloads import BeadLinked, checked

    _append(bead, checked(BeadLinked, edge=edge, to=to), as_json=json, says=f"{edge} {to}")


@app.command()
def unlink(bead: BeadArg, edge: str, to: Annotated[str, typer.Argument(metavar="OTHER")], json: Json = False) -> None:
    """Remove an edge."""
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
    """Report, as its holder, that a bead needs no change; or accept what somebody else reported."""
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


@app.command()
def log(
    bead: BeadArg,
    ledger: Annotated[bool, typer.Option("--ledger", help="With every step of its sessions.")] = False,
    json: Json = False,
) -> None:
    """Tell a bead's whole story."""
    from factory.observe.story import line

    place = here()
    events = place.store.events(bead)
    if ledger:
        events = sorted([*events, *place.store.ledger(bead)], key=lambda event: event.id)
    if json:
        rows = [
            {"id": e.id, "at": e.at, "by": e.by, "on": e.on, "session": e.session, "type": e.type, "data": dict(e.data)}
            for e in events
        ]
        output.document("events", rows, bead=bead)
        return
    width = max(len(event.by) for event in events)
    for event in events:
        output.say(f"{event.at[:19]}Z  {event.by:<{width}}  {line(event).says}")
        evidence = event.data.get("evidence")
        for text in str(evidence).splitlines() if evidence else ():
            output.say(f"    | {text}")


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


def _print_beads(place: Office, beads: list[Bead], *, as_json: bool) -> None:
    every = place.store.beads()
    blocked = blockers(every, place.store.now())
    if as_json:
        output.document("beads", [views.as_json(bead, blocked) for bead in beads])
    else:
        output.table(views.HEADINGS, views.rows(beads, blocked), empty="no beads; factory bead add opens one")


def _show_result(place: Office, bead: str, *, as_json: bool, says: str) -> None:
    shown = place.store.bead(bead)
    if as_json:
        output.document("bead", views.as_json(shown, blockers(place.store.beads(), place.store.now())))
    else:
        output.say(f"{shown.id}  {says}: {printable(shown.title)}" if says == "opened" else f"{shown.id}  {says}")
