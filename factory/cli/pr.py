"""``factory pr``: the changes on agents' branches, reviewed as pull requests are."""

import os
import sys
from typing import Annotated

import typer

from factory.base.errors import UserError
from factory.beads.bead import Bead, Change
from factory.beads.lifecycle import LIVE, STATES
from factory.cli import output
from factory.cli.context import here
from factory.cli.options import Json
from factory.wiring import Office

app = typer.Typer(
    add_completion=False,
    help="Changes on agents' branches: list, read, approve.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

BeadArg = Annotated[str, typer.Argument(metavar="BEAD", help="The bead's id, e.g. fa-7k2m.")]


class NoChangeYet(UserError):
    """The bead has no change to look at."""

    def __init__(self, bead: str, state: str) -> None:
        super().__init__(f"{bead} has no change to look at: it is {state}", f"factory why {bead}")
        self.bead = bead


@app.command("list")
def list_(
    everything: Annotated[bool, typer.Option("-a", "--all", help="Also landed and dropped ones.")] = False,
    json: Json = False,
) -> None:
    """List changes that have not landed."""
    place = here()
    beads = sorted(place.store.beads().values(), key=lambda bead: bead.order)
    states = STATES if everything else LIVE
    rows = [(bead, bead.change) for bead in beads if bead.change is not None and bead.state in states]
    if json:
        output.document("changes", [_as_json(bead, change) for bead, change in rows])
        return
    output.table(
        ("BEAD", "STATE", "AGENT", "BRANCH", "TITLE"),
        [[bead.id, bead.state, change.agent, change.branch, bead.title] for bead, change in rows],
        empty="no changes are waiting",
    )


@app.command()
def view(bead: BeadArg, json: Json = False) -> None:
    """Show one change: what it says, its gates, its files."""
    place = here()
    shown, change = _change(place, bead)
    if json:
        output.document("change", _as_json(shown, change))
        return
    gates = ", ".join(f"{v.gate} {v.answer}" for v in shown.candidate.verdicts) if shown.candidate else ""
    facts = {
        "bead": shown.id,
        "title": shown.title,
        "state": shown.state,
        "branch": change.branch,
        "head": change.head,
        "agent": change.agent,
        "gates": gates,
        "says": change.summary,
    }
    output.facts({name: value for name, value in facts.items() if value})
    output.say()
    sys.stdout.flush()
    sys.stdout.buffer.write(_diff(place, shown, change, "--stat"))


@app.command()
def diff(
    bead: BeadArg,
    stat: Annotated[bool, typer.Option("--stat", help="Only which files changed, and how much.")] = False,
    json: Json = False,
) -> None:
    """Print a change as a diff against where its agent started."""
    place = here()
    found, change = _change(place, bead)
    shown = _diff(place, found, change, *(["--stat"] if stat else []), *([] if json else _colour()))
    if json:
        output.document("diff", shown.decode("utf-8", "replace"), bead=bead, base=change.base, head=change.head)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(shown)


@app.command()
def approve(
    bead: BeadArg,
    reason: Annotated[str, typer.Option("-m", "--reason", help="Why, for the record.")] = "",
    json: Json = False,
) -> None:
    """Send a waiting change to the merge queue; it still lands only after its gates have passed."""
    from factory.beads.payloads import ChangeApproved, checked
    from factory.landing.candidate import require_unmoved

    place = here()
    require_unmoved(place.repo, place.store.bead(bead))
    approved = place.store.append(bead, checked(ChangeApproved, reason=reason), place.person)
    place.store.commit()
    if json:
        assert approved.change is not None
        output.document("change", _as_json(approved, approved.change))
    else:
        output.say(f"{bead}  queued; factory run lands it once its gates have passed")


def _change(place: Office, bead: str) -> tuple[Bead, Change]:
    shown = place.store.bead(bead)
    if shown.change is None:
        raise NoChangeYet(bead, shown.state)
    return shown, shown.change


def _diff(place: Office, bead: Bead, change: Change, *options: str) -> bytes:
    """The change against where its agent started or, once that is collected, as it landed."""
    ends = f"{change.base}..{change.head}"
    if place.repo.resolve(change.head) is None:
        if bead.landed is None or place.repo.resolve(bead.landed) is None:
            raise UserError(f"the commits of {bead.id} are gone from this repository", "git may have collected them")
        ends = f"{bead.landed}^..{bead.landed}"
    return place.repo.ask("diff", "--no-ext-diff", "--no-textconv", *options, ends, "--").out


def _colour() -> list[str]:
    return ["--color=always"] if output.wants_colour() and not os.environ.get("NO_COLOR") else []


def _as_json(bead: Bead, change: Change) -> dict[str, object]:
    verdicts = bead.candidate.verdicts if bead.candidate else ()
    return {
        "bead": bead.id,
        "title": bead.title,
        "state": bead.state,
        "branch": change.branch,
        "head": change.head,
        "base": change.base,
        "agent": change.agent,
        "summary": change.summary,
        "gates": [{"gate": v.gate, "answer": v.answer, "seconds": v.seconds} for v in verdicts],
        "commit": bead.landed or "",
    }
