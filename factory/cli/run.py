"""``factory run``: be the floor."""

import sys
from typing import Annotated

import typer

from factory.cli.context import YesTrust, here, require_trust
from factory.cli.options import Json

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def run(
    max_agents: Annotated[int | None, typer.Option("--max-agents", min=1, help="Agents at work at once.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="The branch to land on.")] = None,
    hooked: Annotated[bool, typer.Option("--hooked", help="Only beads that are on somebody's hook.")] = False,
    forever: Annotated[bool, typer.Option("--forever", help="Do not end when there is nothing to do.")] = False,
    yes_trust: YesTrust = False,
    json: Json = False,
) -> None:
    """Work on whatever is ready, and land what is queued, until nothing is left to do."""
    from factory.beads.lifecycle import LIVE
    from factory.cli.working import conclude, warn_damage, work
    from factory.git.repository import require_commit

    place = here({"max_agents": max_agents, "target": target})
    require_commit(place.repo)
    require_trust(place, yes=yes_trust)
    before = [bead.id for bead in place.store.beads().values() if bead.state in LIVE]
    interrupted = work(place, (), backlog=not hooked, forever=forever, quiet=json)
    warn_damage(place)
    sys.exit(conclude(place, before, as_json=json) or interrupted)
