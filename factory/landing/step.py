"""What happens next to a queued change: a pure decision over facts, with a reason for everything that waits."""

from collections.abc import Mapping
from dataclasses import dataclass

from factory.base.ids import CommitId
from factory.base.settings import CLAIM
from factory.beads.bead import Bead, Verdict


@dataclass(frozen=True)
class Target:
    """The branch that work lands on, as it is now; ``obstacle`` is why nothing can land on it, if so."""

    name: str
    head: CommitId
    gates: tuple[str, ...]
    reworks: int
    obstacle: "Wait | None" = None


@dataclass(frozen=True)
class Wait:
    """Nothing to do for this change until something else happens: a stable code, why, and what helps."""

    code: str
    reason: str
    remedy: str = ""


@dataclass(frozen=True)
class Build:
    """Build a candidate on the target's head."""


@dataclass(frozen=True)
class RunGates:
    """Run the gates that have not answered yet on the candidate."""


@dataclass(frozen=True)
class Land:
    """Move the target to the candidate's tree."""


@dataclass(frozen=True)
class SendBack:
    """Back to the agent, with the evidence."""

    code: str
    reason: str
    evidence: str


@dataclass(frozen=True)
class Hold:
    """To a person."""

    code: str
    reason: str
    evidence: str
    remedy: str


Step = Wait | Build | RunGates | Land | SendBack | Hold


def next_step(bead: Bead, target: Target, *, gates_running: bool) -> Step:
    """The next step for a queued bead."""
    if not bead.hook.land:
        return Hold("review", "it was asked to stop before landing", "", f"factory pr approve {bead.id} lands it")
    if target.obstacle is not None:
        return target.obstacle
    candidate = bead.candidate
    if candidate is None or candidate.onto != target.head:
        return Build()
    unhappy = next((verdict for verdict in candidate.verdicts if verdict.answer != "passed"), None)
    if unhappy is not None:
        return _refused(bead, target, unhappy)
    passed = {verdict.gate for verdict in candidate.verdicts}
    if passed >= set(target.gates):
        return Land()
    if gates_running:
        missing = ", ".join(name for name in target.gates if name not in passed)
        return Wait("gates-running", f"gate {missing} is running on candidate {candidate.commit[:10]}")
    return RunGates()


def _refused(bead: Bead, target: Target, verdict: Verdict) -> Step:
    if verdict.gate == CLAIM:
        remedy = f"factory sync brings what the other did; factory bead reopen {bead.id} gives it to an agent here"
        return Hold("claim-lost", verdict.reason, "", remedy)
    if verdict.answer == "held":
        remedy = f"mend the gate on {target.name}, then factory pr approve {bead.id}"
        return Hold("gate-held", verdict.reason, verdict.evidence, remedy)
    return sent_back(bead, target, "gate", verdict.reason, verdict.evidence)


def sent_back(bead: Bead, target: Target, code: str, reason: str, evidence: str) -> SendBack | Hold:
    """Back to the agent while there are rounds left, then to a person."""
    if bead.rounds < target.reworks:
        return SendBack(code, reason, evidence)
    rounds = f"after {bead.rounds} rework{'s' if bead.rounds != 1 else ''}"
    remedy = f"factory pr diff {bead.id} shows the change; factory bead reopen {bead.id} gives it back to an agent"
    return Hold(f"{code}-again", f"{reason}, {rounds}", evidence, remedy)


def in_line(beads: Mapping[str, Bead], target: str) -> list[Bead]:
    """The beads queued for ``target`` in the order in which they are tried: priority, then age of the change."""
    queued = [
        bead
        for bead in beads.values()
        if bead.state == "queued" and bead.change is not None and bead.run and bead.run.target == target
    ]
    return sorted(queued, key=lambda bead: (bead.priority, bead.change.submitted if bead.change else bead.opened))
