"""``factory demo``: a small project, six beads, four agents and a scripted model, from backlog to landed."""

import contextlib
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import typer

from factory.base.errors import UserError
from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.events import Event
from factory.beads.graph import blockers
from factory.cli import output
from factory.cli.options import Json
from factory.wiring import Office

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_KEY = "scripted"
_IN_EXCERPT = frozenset(
    {"bead_opened", "session_started", "change_submitted", "gate_finished", "bead_returned", "bead_landed"}
)
_EVIDENCE = ("FAIL:", "ERROR:", "AssertionError:")
"""How the lines begin in which unittest, the demo's gate, says what failed and why."""

_TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")


@app.command()
def demo(
    folder: Annotated[
        Path | None, typer.Option("--folder", metavar="DIR", help="Where; a new temporary folder if not said.")
    ] = None,
    unconfined: Annotated[
        bool, typer.Option("--unconfined", help="Without a sandbox: the scripted agents get all your rights.")
    ] = False,
    json: Json = False,
) -> None:
    """Four agents work off a small backlog in a real repository; only the model is played by a script."""
    from factory.base.templates import template
    from factory.intake.demo import SCRIPT
    from factory.testing import Script, ScriptedModel

    started = time.monotonic()
    sandbox = _sandbox(unconfined=unconfined)
    with ScriptedModel(Script.load(template(SCRIPT)), key=_KEY) as model, _environment(model.base_url):
        place = _repository(folder, confined=not unconfined)
        beads = _open_backlog(place)
        if not json:
            _introduce(place, sandbox, model.base_url, beads)
        sys.exit(_run(place, beads, sandbox, started, as_json=json))


def _run(place: Office, beads: Sequence[BeadId], sandbox: str, started: float, *, as_json: bool) -> int:
    """Have the floor do it all, look at what came out, and say so; the answer is the exit code."""
    from factory.cli.working import conclude, work

    interrupted = work(place, beads, backlog=False, quiet=as_json)
    every = place.store.beads()
    landed = all(every[bead].state == "landed" for bead in beads)
    failure = "it was interrupted" if interrupted else _failure_on_target(place)
    seconds = round(time.monotonic() - started, 1)
    if as_json:
        _document(place, beads, sandbox, seconds, failure)
    elif landed and not failure:
        _epilogue(place, beads, seconds)
        _tell_what_was_real(place, sandbox)
    else:
        conclude(place, beads, as_json=False)
        output.say(f"\nNot everything went well{f': {failure}' if failure else ''}. It is all still there:")
        output.say(f"  cd {shlex.quote(str(place.repo.main_root))}; factory status")
    return interrupted or int(not landed or bool(failure))


# ---------------------------------------------------------------------- before


def _sandbox(*, unconfined: bool) -> str:
    """The name of the sandbox; without one the demo runs only if that was asked for."""
    from factory.workspaces.sandboxes import NoSandbox, choose

    if unconfined:
        return "none"
    try:
        return choose("auto").name
    except NoSandbox as error:
        hint = "apt install bubblewrap (or your system's way), or see it without: factory demo --unconfined"
        raise UserError(error.sentence, hint) from error


@contextlib.contextmanager
def _environment(base_url: str) -> Iterator[None]:
    """While it lasts, this process and the floor's see the scripted model, and nothing of the user's settings.

    The tests of the project run on the Python that runs factory: it is the one that is sure to be there.
    """
    before = dict(os.environ)
    for name in before:
        if name.startswith(("ANTHROPIC_", "FACTORY_")):
            del os.environ[name]
    os.environ |= {
        "ANTHROPIC_BASE_URL": base_url,
        "ANTHROPIC_API_KEY": _KEY,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
        "XDG_CONFIG_HOME": "/nonexistent",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), before.get("PATH", os.defpath)]),
    }
    try:
        yield
    finally:
        os.environ.clear()
        os.environ |= before


def _repository(folder: Path | None, *, confined: bool) -> Office:
    """A new repository with the project, set up and trusted, in ``folder`` or in a temporary one."""
    from factory.cli.context import require_trust
    from factory.intake.demo import commit_all, lay_out
    from factory.intake.setup import set_up
    from factory.wiring import office

    root = folder.expanduser().absolute() if folder else Path(tempfile.mkdtemp(prefix="factory-demo-")) / "inkwell"
    lay_out(root, confined=confined)
    place = office(root)
    set_up(place.repo, place.store)
    commit_all(root, "Small tools for text")
    require_trust(place, yes=True)
    return place


def _open_backlog(place: Office) -> list[BeadId]:
    """Open the beads of the backlog and put each on the hook of the agent that it names."""
    from factory.base.templates import template
    from factory.beads.payloads import BeadHooked
    from factory.intake.demo import BACKLOG
    from factory.intake.describe import from_file, open_all

    wishes = from_file(template(BACKLOG))
    beads = open_all(place.store, wishes, place.person, place.settings.prefix)
    for bead, wish in zip(beads, wishes, strict=True):
        place.store.append(bead, BeadHooked(agent=wish.agent), place.person)
    place.store.commit()
    return beads


# ---------------------------------------------------------------------- reading it back


@dataclass
class Share:
    """What one agent did: sessions, landed beads, model calls, tool uses, tokens, US dollars at list price."""

    agent: str
    landed: int = 0
    sessions: int = 0
    model_calls: int = 0
    tool_uses: int = 0
    tokens: int = 0
    usd: float = 0.0


def _returned(place: Office, beads: Sequence[BeadId]) -> dict[str, Event]:
    """For each reason why a change came back to its agent (``gate``, ``conflict``) the event that says so."""
    events = (event for bead in beads for event in place.store.events(bead))
    return {str(event.data["code"]): event for event in events if event.type == "bead_returned"}


def _shares(place: Office, beads: Sequence[BeadId]) -> list[Share]:
    """What each agent did, from the sessions' ledgers."""
    shares = {name: Share(name) for name in sorted(place.settings.agents)}
    for bead in beads:
        folded = place.store.bead(bead)
        if folded.landed and folded.change:
            shares[folded.change.agent].landed += 1
        for event in place.store.ledger(bead):
            share = shares[event.by.removeprefix("agent:")]
            share.sessions += event.type == "session_ended"
            share.tool_uses += event.type == "tool_used"
            if event.type == "model_called":
                share.model_calls += 1
                share.tokens += sum(int(_number(event.data.get(name))) for name in _TOKENS)
                share.usd += _number(event.data.get("usd"))
    return list(shares.values())


def _number(value: object) -> float:
    return value if isinstance(value, int | float) else 0


def _failure_on_target(place: Office) -> str:
    """Run the target's own gates on its head, in a clean confined checkout; what did not pass, or nothing."""
    import asyncio

    from factory.gates.checkout import GateRun, run_gates
    from factory.gates.verdict import Ruling
    from factory.landing.target import head_of

    said: list[Ruling] = []
    run = GateRun(head_of(place.repo, place.target), place.target, place.settings.gates, place.ground)
    asyncio.run(run_gates(place.repo, run, lambda _name, ruling, _seconds: said.append(ruling)))
    bad = next((ruling.reason for ruling in said if ruling.answer != "passed"), "")
    return bad or ("" if said else f"no gate ran on {place.target}")


# ---------------------------------------------------------------------- telling


def _introduce(place: Office, sandbox: str, base_url: str, beads: Sequence[BeadId]) -> None:
    from factory.cli import views

    every = place.store.beads()
    gate = "; ".join(gate.run for gate in place.settings.gates.values())
    unconfined = "NONE: what the agents run has all your rights, because you said --unconfined"
    output.say(
        output.bold(f"{len(beads)} beads, {len(place.settings.agents)} agents, one repository, one scripted model")
    )
    output.facts(
        {
            "repository": str(place.repo.main_root),
            "agents": f"{', '.join(sorted(place.settings.agents))}: the built-in runtime, each in its own worktree",
            "model": f"a script on {base_url}, asked by the real SDK over real HTTP",
            "gate": gate,
            "sandbox": unconfined if sandbox == "none" else sandbox,
        }
    )
    output.say()
    blocked = blockers(every, place.store.now())
    output.table(views.HEADINGS, views.rows((every[bead] for bead in beads), blocked), empty="")
    output.say()
    sys.stdout.flush()


def _epilogue(place: Office, beads: Sequence[BeadId], seconds: float) -> None:
    """What happened and what to look at."""
    every = place.store.beads()
    returned = _returned(place, beads)
    output.say()
    output.say(output.bold(f"All {len(beads)} beads landed in {seconds:.0f} s, and the tests pass on {place.target}."))
    _tell_turns(place.target, [every[bead] for bead in beads], returned)
    _show(f"git log --graph --oneline {place.target}")
    output.say(place.repo.ask("log", "--graph", "--oneline", "--no-decorate", place.target).text.rstrip())
    told = returned["gate"].on if "gate" in returned else beads[0]
    _show(f"factory bead log {told}", "shortened")
    _tell_log(place.store.events(told))
    _tell_costs(_shares(place, beads))


def _tell_what_was_real(place: Office, sandbox: str) -> None:
    confined = "" if sandbox == "none" else " the sandbox,"
    output.say(f"""
The model was scripted: its words came from a file. Everything else was real: the worktrees, the
tools and what they changed,{confined} the gate, the merge queue. With a real model:
  export ANTHROPIC_API_KEY=…
  cd your/repository; factory init; factory spawn "What should be different"
or with an agent that you have:
  factory spawn "What should be different" --runtime command -- ./my-agent.sh

It is all still there:
  cd {shlex.quote(str(place.repo.main_root))}; factory session list; git log -p""")


def _tell_turns(target: str, beads: Sequence[Bead], returned: Mapping[str, Event]) -> None:
    if "gate" in returned:
        says = "broke a test that its agent had not run: the gate refused it, the agent repaired it"
        output.say(f"  {returned['gate'].on}  {says}")
    if "conflict" in returned:
        says = f"met another change on the same lines: its agent made it again on the newest {target}"
        output.say(f"  {returned['conflict'].on}  {says}")
    for bead in beads:
        if bead.needs:
            output.say(f"  {bead.id}  waited for {', '.join(bead.needs)} to land")


def _show(command: str, remark: str = "") -> None:
    output.say()
    output.say(output.bold(f"$ {command}") + (f"   ({remark})" if remark else ""))


def _tell_log(events: Sequence[Event]) -> None:
    """The turns of the bead's story, with what the gate said."""
    from factory.observe.story import line

    for event in (event for event in events if event.type in _IN_EXCERPT):
        output.say(_cut(f"{event.at[11:19]}  {event.by:<20}  {line(event).says}"))
        evidence = str(event.data.get("evidence", "")) if event.type == "bead_returned" else ""
        for text in (text for text in evidence.splitlines() if text.startswith(_EVIDENCE)):
            output.say(_cut(f"          | {text}"))


def _cut(text: str) -> str:
    """One line of the terminal, or the whole text where nobody's terminal is in the way."""
    import shutil

    room = shutil.get_terminal_size().columns if output.is_terminal() else len(text)
    return text if len(text) <= room else f"{text[: room - 1]}…"


def _tell_costs(shares: Sequence[Share]) -> None:
    output.say()
    rows = [
        [
            share.agent,
            str(share.landed),
            str(share.sessions),
            str(share.model_calls),
            str(share.tool_uses),
            f"{share.tokens:,}",
            f"{share.usd:.4f}",
        ]
        for share in shares
    ]
    output.table(("AGENT", "LANDED", "SESSIONS", "MODEL CALLS", "TOOL USES", "TOKENS", "USD"), rows, empty="")
    total = sum(share.usd for share in shares)
    output.say(f"${total:.2f} is the list price of that many tokens; nothing was paid.")


def _document(place: Office, beads: Sequence[BeadId], sandbox: str, seconds: float, failure: str) -> None:
    from factory.cli import views

    every = place.store.beads()
    blocked = blockers(every, place.store.now())
    output.document(
        "beads",
        [views.as_json(every[bead], blocked) for bead in beads],
        folder=str(place.repo.main_root),
        scripted=True,
        sandbox=sandbox,
        target=place.target,
        target_passes=not failure,
        returned=[
            {"bead": event.on, "code": code, "reason": event.data["reason"]}
            for code, event in _returned(place, beads).items()
        ],
        agents=[asdict(share) for share in _shares(place, beads)],
        seconds=seconds,
    )
