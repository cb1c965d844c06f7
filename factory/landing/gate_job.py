"""The job that runs the gates of one candidate and writes what they said into the bead's log."""

from dataclasses import replace

from factory.base.errors import FactoryError
from factory.base.ids import CommitId
from factory.beads.lifecycle import NotAllowed
from factory.beads.payloads import GateFinished
from factory.beads.store import Store
from factory.gates.checkout import GateRun, run_gates
from factory.gates.verdict import Ruling
from factory.git.repository import Repository
from factory.landing.target import committed_settings
from factory.workspaces.ground import Ground


async def run_gate_job(repo: Repository, store: Store, bead: str, commit: CommitId, target: str, where: Ground) -> None:
    """Run the gates that the target names on a bead's candidate; each verdict is in the log once this returns."""
    candidate = store.bead(bead).candidate
    if candidate is None or candidate.commit != commit:
        return
    theirs = committed_settings(repo, candidate.onto)
    answered = {verdict.gate for verdict in candidate.verdicts}
    gates = {name: gate for name, gate in theirs.gates.items() if name not in answered}
    run = GateRun(commit, target, gates, replace(where, setup=theirs.workspaces.setup))

    def write(name: str, ruling: Ruling, seconds: float) -> None:
        verdict = GateFinished(
            commit=commit,
            gate=name,
            answer=ruling.answer,
            reason=ruling.reason,
            seconds=seconds,
            evidence=ruling.evidence,
        )
        try:
            store.append(bead, verdict, f"landing:{target}")
        except NotAllowed:
            return  # the bead was dropped while its gates ran: nobody needs the answer any more

    try:
        await run_gates(repo, run, write)
    except FactoryError as error:
        write("workspace", Ruling("held", "workspace", error.sentence), 0.0)
