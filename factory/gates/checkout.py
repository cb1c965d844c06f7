"""The gates of one candidate, run one after another in a clean confined checkout of exactly that commit."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from factory.base.files import replace_file
from factory.base.ids import CommitId, new_session_id
from factory.base.process import Limits
from factory.base.settings import Gate
from factory.gates.verdict import Ruling, judge
from factory.git.objects import Person
from factory.git.repository import Repository
from factory.workspaces.ground import Ground
from factory.workspaces.sandbox import Sandbox
from factory.workspaces.sandboxes import choose
from factory.workspaces.workspace import LeaseRequest, Workspace, lease

_KEPT_BYTES = 4 << 20

OnRuling = Callable[[str, Ruling, float], None]
"""Called with the gate's name, its ruling and the seconds it took, as soon as they are known."""


@dataclass(frozen=True)
class GateRun:
    """What to run where: ``gates`` by name, in order, on ``commit``, a candidate for ``target``."""

    commit: CommitId
    target: str
    gates: Mapping[str, Gate]
    ground: Ground


async def run_gates(repo: Repository, run: GateRun, on_ruling: OnRuling) -> None:
    """Run the gates until one does not pass; each ruling is handed to ``on_ruling`` at once.

    A setup command runs first in each checkout; its ruling is reported only when it did not pass.
    """
    checkouts: dict[str, Workspace] = {}
    try:
        for name, gate in run.gates.items():
            sandbox = choose(gate.sandbox) if gate.sandbox else run.ground.sandbox
            steps = {name: gate}
            if sandbox.name not in checkouts:
                checkouts[sandbox.name] = await asyncio.to_thread(_check_out, repo, run, sandbox)
                if run.ground.setup:
                    steps = {"setup": Gate(run=run.ground.setup, timeout_s=gate.timeout_s), name: gate}
            for step, what in steps.items():
                ruling, seconds = await _rule(repo, run, checkouts[sandbox.name], step, what)
                if step == name or ruling.answer != "passed":
                    on_ruling(step, ruling, seconds)
                if ruling.answer != "passed":
                    return
    finally:
        for workspace in checkouts.values():
            await asyncio.to_thread(workspace.give_back)


def _check_out(repo: Repository, run: GateRun, sandbox: Sandbox) -> Workspace:
    session = new_session_id()
    request = LeaseRequest(
        session=session,
        name=f"gate-{run.commit[:12]}-{session}",
        base=run.commit,
        branch=None,
        target=run.target,
        author=Person("factory", "gates@factory.invalid"),
        sandbox=sandbox,
        read=run.ground.read,
        network=run.ground.network,
    )
    return lease(repo, request, run.ground.root)


async def _rule(repo: Repository, run: GateRun, workspace: Workspace, name: str, gate: Gate) -> tuple[Ruling, float]:
    """Run one command; the answer is its ruling and the seconds it took. All it printed stands in the gates' folder."""
    limits = Limits(wall_s=gate.timeout_s, kept_bytes=_KEPT_BYTES)
    finished = await workspace.run(["sh", "-c", gate.run], limits=limits, env={"FACTORY_GATE": name})
    log = repo.state_dir / "gates" / run.commit / f"{name}.log"
    await asyncio.to_thread(replace_file, log, finished.out)
    return judge(name, gate.run, finished, gate.timeout_s), round(finished.seconds, 3)
