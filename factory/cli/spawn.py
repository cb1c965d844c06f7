"""``factory spawn``: describe work and have it done, from the bead to the landed commit."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.base.errors import UserError
from factory.cli import output
from factory.cli.context import YesTrust, here, require_trust
from factory.cli.options import Json

if TYPE_CHECKING:
    from factory.intake.describe import Wish
    from factory.roster.identities import Identity
    from factory.wiring import Office

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    context_settings={"allow_extra_args": True, "allow_interspersed_args": True},
    epilog="Everything after -- is the program of a command agent, e.g.  factory spawn 'Fix it' -- ./my-agent.sh",
)
def spawn(
    context: typer.Context,
    titles: Annotated[list[str] | None, typer.Argument(metavar="TITLE...", help="One piece of work each.")] = None,
    text: Annotated[str, typer.Option("-m", "--text", help="The description, in Markdown, for every title.")] = "",
    file: Annotated[Path | None, typer.Option("--file", help="Beads, one JSON object a line.")] = None,
    number: Annotated[int, typer.Option("-n", min=1, max=1000, help="Spawn each title this many times.")] = 1,
    runtime: Annotated[str | None, typer.Option("--runtime", help="builtin or command.")] = None,
    agent: Annotated[str | None, typer.Option("--agent", help="Give it to this agent of the settings.")] = None,
    model: Annotated[str, typer.Option("--model", help="The model, for runtimes that have one.")] = "",
    timeout: Annotated[float | None, typer.Option("--timeout", min=0.1, help="Seconds a session may take.")] = None,
    max_agents: Annotated[int | None, typer.Option("--max-agents", min=1, help="Agents at work at once.")] = None,
    target: Annotated[str | None, typer.Option("--target", help="The branch to land on.")] = None,
    no_land: Annotated[bool, typer.Option("--no-land", help="Stop with the branch ready for review.")] = False,
    detach: Annotated[bool, typer.Option("--detach", help="Return at once; the floor goes on.")] = False,
    yes_trust: YesTrust = False,
    json: Json = False,
) -> None:
    """Describe work; each piece gets an agent, a worktree and a branch, and lands once its gates have passed."""
    from factory.beads.payloads import BeadHooked
    from factory.cli.working import conclude, work
    from factory.intake.describe import check_all, open_all

    words, command = _split(list(titles or ()) + context.args)
    place = here({"max_agents": max_agents, "target": target})
    wishes = _wishes(words, text, file) * number
    identity = _identity(place, runtime, agent, model, command, timeout)
    check_all(place.store, wishes)
    _check_agents(place, wishes)
    _check_ground(place, identity, yes_trust=yes_trust)
    _remember(place, identity)
    hook = BeadHooked(agent=identity.name, land=not no_land)
    beads = open_all(place.store, wishes, place.person, place.settings.prefix, hook)
    place.store.commit()
    if detach:
        _detach(place, max_agents)
        sys.exit(_tell_detached(place, list(beads), as_json=json))
    interrupted = work(place, beads, backlog=False, quiet=json)
    sys.exit(conclude(place, beads, as_json=json) or interrupted)


def _split(arguments: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Titles and the agent's program: what stood after ``--`` on the command line, which click drops."""
    given = sys.argv[1:]
    if "--" not in given:
        return arguments, ()
    after = given[given.index("--") + 1 :]
    return arguments[: len(arguments) - len(after)], tuple(after)


def _wishes(titles: list[str], text: str, file: Path | None) -> "list[Wish]":
    from factory.beads.payloads import BeadOpened, checked
    from factory.intake.describe import Wish, from_file

    for title in titles:
        checked(BeadOpened, title=title, text=text)
    wishes = [Wish(title, text) for title in titles] + (from_file(file) if file else [])
    if not wishes:
        raise UserError("there is nothing to spawn", "give a title, or --file with one bead a line")
    return wishes


def _identity(  # one argument an option
    place: "Office", runtime: str | None, agent: str | None, model: str, command: tuple[str, ...], timeout: float | None
) -> "Identity":
    """The agent that the options ask for, known or new."""
    from dataclasses import replace

    from factory.intake.program import program
    from factory.roster.identities import DEFAULT, Identity, distinct, find, name_for, pick

    if command and runtime not in (None, "command"):
        raise UserError(f"a program was given, but --runtime is {runtime!r}", "leave --runtime out, or say command")
    if runtime == "command" and not command and agent is None:
        raise UserError("the command runtime needs a program", "put it after --, e.g. -- ./my-agent.sh")
    if command:
        argv, expose = program(place.repo, place.target, command)
        identity = Identity(agent or name_for(command), "command", model, argv, expose)
    elif agent is not None:
        identity = find(place.identities, agent)
    elif runtime is None and place.settings.agents:
        identity = place.identities[pick(place.settings, {})]
    else:
        identity = Identity(DEFAULT, runtime or "builtin")
    changed = replace(
        identity, model=model or identity.model, timeout_s=timeout if timeout is not None else identity.timeout_s
    )
    return distinct(place.identities, changed)


def _remember(place: "Office", identity: "Identity") -> None:
    """Keep an agent that was made on the command line, so that floors know what its name runs."""
    from factory.roster.identities import remember

    if identity != place.identities.get(identity.name):
        remember(place.repo.main_root, identity)


def _check_agents(place: "Office", wishes: "list[Wish]") -> None:
    """Every agent that a file names must be there; raises ``NoSuchAgent``."""
    from factory.roster.identities import find

    for wish in wishes:
        if wish.agent:
            find(place.identities, wish.agent)


def _check_ground(place: "Office", identity: "Identity", *, yes_trust: bool) -> None:
    """Everything that can be known to fail is said now, before anything is written."""
    from factory.git.repository import require_commit
    from factory.landing.target import head_of
    from factory.wiring import runtime_problem

    require_commit(place.repo)
    head_of(place.repo, place.target)
    require_trust(place, yes=yes_trust)
    _ = place.ground
    problem = runtime_problem(identity)
    if problem is not None:
        raise UserError(*_sentence_and_hint(problem))


def _sentence_and_hint(problem: str) -> tuple[str, str]:
    sentence, _, hint = problem.partition(": ")
    return sentence, hint


def _detach(place: "Office", max_agents: int | None) -> None:
    import os

    from factory.base.process import start_detached
    from factory.observe import card

    if card.running(place.repo) is None:
        more = ["--max-agents", str(max_agents)] if max_agents else []
        argv = [sys.executable, "-m", "factory", "run", "--hooked", "--target", place.target, *more]
        start_detached(argv, env=os.environ, cwd=place.repo.main_root, log=place.repo.state_dir / "floor.log")


def _tell_detached(place: "Office", beads: list[str], *, as_json: bool) -> int:
    from factory.beads.graph import blockers
    from factory.cli import views

    every = place.store.beads()
    if as_json:
        blocked = blockers(every, place.store.now())
        output.document("beads", [views.as_json(place.store.bead(bead), blocked) for bead in beads])
        return 0
    for bead in beads:
        output.say(f"{bead}  spawned: {place.store.bead(bead).title}")
    output.say("The floor works in the background: factory status shows how it goes, factory stop ends it.")
    return 0
