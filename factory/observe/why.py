"""Why a bead is where it is, in one sentence with its remedy: the same answer in every view. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.base.ids import BeadId
from factory.beads.bead import Bead, Run
from factory.beads.graph import Blocked, blockers
from factory.landing.step import Build, Hold, Land, RunGates, SendBack, Target, Wait, in_line, next_step


@dataclass(frozen=True)
class Reason:
    """A stable code, a sentence, and what a person can do, if anything."""

    code: str
    sentence: str
    remedy: str = ""


@dataclass(frozen=True)
class Situation:
    """What a reason is read from: all beads, the target, who may work, and whether a floor runs.

    ``agents`` says of each known agent why it cannot work here, or nothing; ``helpers`` are those that
    take beads which are on nobody's hook; ``waits`` is what keeps passed changes from landing.
    """

    beads: Mapping[BeadId, Bead]
    now: str
    target: Target | None
    agents: Mapping[str, str]
    helpers: tuple[str, ...]
    floor_runs: bool
    max_agents: int
    trusted: bool = True
    place: str = ""
    waits: Mapping[BeadId, Wait] = field(default_factory=dict)
    blocked: Mapping[BeadId, Blocked] | None = None
    """Who is blocked, where an index knows; then ``beads`` need not be all."""


def reasons(situation: Situation) -> dict[BeadId, Reason]:
    """The reason of every bead."""
    blocked = situation.blocked
    if blocked is None:
        blocked = blockers(situation.beads, situation.now)
    name = situation.target.name if situation.target else ""
    queue = in_line({str(id_): bead for id_, bead in situation.beads.items()}, name)
    first = queue[0].id if queue else None
    return {bead.id: _reason(bead, blocked.get(bead.id), first, situation) for bead in situation.beads.values()}


def _reason(bead: Bead, blocked: Blocked | None, first: BeadId | None, situation: Situation) -> Reason:
    match bead.state:
        case "landed":
            return Reason("landed", f"landed as {(bead.landed or '')[:10]}")
        case "done":
            return Reason("done", "finished without a change")
        case "dropped":
            return Reason("dropped", f"dropped: {bead.setback.reason if bead.setback else ''}")
        case "working":
            return _working(bead, situation)
        case "waiting":
            return _waiting(bead)
        case "queued":
            return _queued(bead, first, situation)
        case "proposed":
            return Reason("proposed", "it was proposed and waits for a person", f"factory bead reopen {bead.id}")
        case "open":
            return _open(bead, blocked, situation)


def _working(bead: Bead, situation: Situation) -> Reason:
    run = bead.run
    if run and not run.is_at(situation.place):
        return _elsewhere(bead, run, situation.now)
    if not situation.floor_runs:
        return Reason("interrupted", "its session was interrupted; its work is kept", "factory run carries on")
    return Reason("working", f"{run.agent} works on it, attempt {run.attempt}" if run else "an agent works on it")


def _elsewhere(bead: Bead, run: Run, now: str) -> Reason:
    """Somebody works on it whom no floor here looks after: by hand, or in another clone."""
    if run.until and run.until < now:
        return Reason("lease-over", f"{run.agent} held it until {run.until}", f"factory bead claim {bead.id}")
    until = f" until {run.until}" if run.until else ""
    where = "" if run.is_claim or not run.place else f" in {run.place.partition(':')[0]}"
    return Reason(
        "held", f"{run.agent} holds it{where}{until}", f"factory bead release {bead.id} -m '...' takes it away"
    )


def _waiting(bead: Bead) -> Reason:
    setback = bead.setback
    if setback is None:
        return Reason("waiting", "it waits for a person", f"factory bead show {bead.id}")
    remedies = {
        "question": f"answer with factory bead comment {bead.id}, then factory bead reopen {bead.id}",
        "no-change": f"factory bead done {bead.id} accepts that, factory bead reopen {bead.id} tries again",
    }
    sentences = {
        "question": f"its agent asks: {setback.reason}",
        "no-change": f"no change was needed: {setback.reason}",
    }
    return Reason(
        setback.code,
        sentences.get(setback.code, setback.reason),
        setback.remedy or remedies.get(setback.code, f"factory bead show {bead.id}"),
    )


def _queued(bead: Bead, first: BeadId | None, situation: Situation) -> Reason:
    if situation.target is None:
        return Reason("queued", "its change is in the merge queue")
    if bead.run and bead.run.target != situation.target.name:
        return Reason(
            "other-target",
            f"it was made for {bead.run.target}, and what lands here now lands on {situation.target.name}",
            f"factory run --target {bead.run.target}",
        )
    if bead.id in situation.waits:
        wait = situation.waits[bead.id]
        return Reason(wait.code, wait.reason, wait.remedy)
    if not situation.floor_runs and bead.hook.land and situation.target.obstacle is None:
        return Reason("no-floor", "its change is ready for the gates, and no floor is running", "factory run")
    step = next_step(bead, situation.target, gates_running=situation.floor_runs)
    match step:
        case Wait(code, reason, remedy):
            return Reason(code, reason, remedy)
        case Build() | RunGates() | Land():
            if first is not None and first != bead.id:
                return Reason("behind", f"{first} is being tried first")
            return Reason("next", "it is the next in the merge queue")
        case SendBack(code, reason, _) | Hold(code, reason, _):
            return Reason(code, reason)


def _open(bead: Bead, blocked: Blocked | None, situation: Situation) -> Reason:
    if blocked is not None and blocked.blocker is None:
        return Reason("deferred", blocked.reason, f"factory bead edit {blocked.via or bead.id} --not-before ''")
    if blocked is not None:
        return Reason("blocked", blocked.reason, f"factory why {blocked.blocker}")
    if bead.hook.agent and bead.hook.agent not in situation.agents:
        return Reason(
            "no-agent",
            f"it is on the hook of {bead.hook.agent}, which nobody described here",
            f"describe [agents.{bead.hook.agent}] in .factory/factory.toml",
        )
    able = (bead.hook.agent,) if bead.hook.agent else situation.helpers
    problems = [situation.agents.get(name, "") for name in able]
    if problems and all(problems):
        sentence, _, remedy = problems[0].partition(": ")
        return Reason("agent-cannot", f"{able[0]} cannot work here: {sentence}", remedy)
    again = f" again, because {bead.setback.reason}" if bead.setback and bead.setback.reason else ""
    if not situation.trusted:
        return Reason("not-trusted", "the settings changed, and nobody has trusted them yet", "factory trust")
    if not situation.floor_runs:
        return Reason("no-floor", f"it is ready to be worked on{again}; no floor is running", "factory run")
    return Reason("slots", f"it waits for a free agent{again} (max_agents = {situation.max_agents})")
