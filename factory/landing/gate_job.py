"""The job that runs the gates of one candidate and writes what they said into the bead's log."""

import asyncio
import time
from dataclasses import replace

from factory.base.errors import FactoryError
from factory.base.ids import CommitId
from factory.base.settings import CLAIM
from factory.beads.bead import Bead
from factory.beads.claims import Desk
from factory.beads.lifecycle import NotAllowed
from factory.beads.payloads import GateFinished
from factory.beads.store import Store
from factory.gates.checkout import GateRun, run_gates
from factory.gates.verdict import Ruling
from factory.git.remote import choose
from factory.git.repository import Repository
from factory.landing.target import committed_settings
from factory.workspaces.ground import Ground

_LEASE_S = 3600.0
"""How long the claim on a bead is kept for its landing, which follows within seconds."""


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
        return
    if theirs.beads.remote and CLAIM not in answered:
        began = time.monotonic()
        ruling = await asyncio.to_thread(
            _claim, Desk(choose(repo, theirs.beads.remote), store.named()), store.bead(bead)
        )
        write(CLAIM, ruling, time.monotonic() - began)


def _claim(desk: Desk, bead: Bead) -> Ruling:
    """Whether the bead is still this clone's where clones meet; if so its claim is kept long enough to land it."""
    assert bead.change is not None
    try:
        desk.keep(bead.id, f"agent:{bead.change.agent}", bead.change.session, _LEASE_S, fence=bead.fence)
    except FactoryError as problem:
        return Ruling("held", CLAIM, problem.sentence)
    return Ruling("passed", "", "")
