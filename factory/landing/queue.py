"""The tick of the merge queue: look, decide, record, act. Serial: one change is tried at a time.

Every act can be repeated: a candidate is rebuilt, a gate run again, a move completed. What decides
whether a landing happened is the target's own history.
"""

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import assert_never

from factory.base.errors import FactoryError, TryAgain
from factory.base.files import printable, replace_file
from factory.base.ids import BeadId, CommitId
from factory.beads.bead import Bead, Change
from factory.beads.lifecycle import NotAllowed
from factory.beads.payloads import (
    BeadHeld,
    BeadLanded,
    BeadReturned,
    CandidateBuilt,
    GateFinished,
    LandingAnnounced,
    Payload,
)
from factory.beads.store import Store
from factory.git import checkouts
from factory.git.repository import ZERO, RefMoved, Repository
from factory.landing import candidate as candidates
from factory.landing.candidate import Built, Clash, Contained, Unfit
from factory.landing.step import (
    Build,
    Hold,
    Land,
    RunGates,
    SendBack,
    Step,
    Target,
    Wait,
    in_line,
    next_step,
    sent_back,
)
from factory.landing.target import look

_MOVED = Wait("target-moved", "the target or its checkout changed during the landing; trying again")

_HALF = Wait(
    "local-changes",
    "an interrupted landing left a checkout of the target half way, and something is in the way of finishing it",
    "commit or stash what is changed there, then factory run",
)

_CANDIDATES = "refs/factory/candidates/"
_BRANCH_DEPTH = 3
_SHOWN = 20
_TROUBLES = 3
"""So often in a row may a bead make trouble before it is held."""

StartGates = Callable[[BeadId, CommitId], None]
"""Starts the gates of a bead's candidate as a job."""


@dataclass
class Queue:
    """The merge queue of one target. Holds no state that matters: everything is read from the log and from git."""

    repo: Repository
    store: Store
    target: str
    reworks: int
    _troubles: Counter[BeadId] = field(default_factory=Counter, init=False)

    @property
    def by(self) -> str:
        """Who writes the queue's events."""
        return f"landing:{self.target}"

    def tick(
        self, beads: Mapping[BeadId, Bead], gates_running: frozenset[str], start_gates: StartGates
    ) -> dict[BeadId, Wait]:
        """Do everything that can be done now; the answer is why each queued bead still waits.

        Whoever is being tested goes first: a more urgent change that arrives meanwhile comes after it. A
        bead that makes trouble is passed over, and held when it goes on making it: it never stops the rest.
        """
        waits: dict[BeadId, Wait] = {}
        ahead: BeadId | None = None
        line = in_line({str(id_): bead for id_, bead in beads.items()}, self.target)
        line.sort(key=lambda bead: not (bead.candidate and bead.candidate.commit in gates_running))
        for queued in line:
            if ahead is not None:
                waits[queued.id] = Wait("behind", f"{ahead} is being tried first")
                continue
            wait = self._tried(queued, gates_running, start_gates)
            if wait is not None:
                waits[queued.id] = wait
                if wait.code == "gates-running":
                    ahead = queued.id
        return waits

    def _tried(self, bead: Bead, gates_running: frozenset[str], start_gates: StartGates) -> Wait | None:
        try:
            wait = self._advance(bead, gates_running, start_gates)
        except NotAllowed:
            return None  # somebody dropped it between our look and our act
        except TryAgain:
            raise
        except (FactoryError, OSError) as error:
            self._troubles[bead.id] += 1
            if self._troubles[bead.id] >= _TROUBLES:
                remedy = f"mend that, then factory pr approve {bead.id}"
                self._write(bead.id, BeadHeld(code="trouble", reason=str(error)[:2000], remedy=remedy))
                return None
            return Wait("trouble", str(error)[:2000])
        self._troubles.pop(bead.id, None)
        return wait

    def outlook(self, bead: Bead, target: Target) -> Wait | None:
        """What would make the landing of a queued bead wait although its gates have passed; changes nothing."""
        candidate = bead.candidate
        if candidate is None or not isinstance(next_step(bead, target, gates_running=False), Land):
            return None
        if self.repo.resolve(candidate.commit) is None:
            return None
        return self._obstacle(target, candidate.commit)

    def give_up_gates(self, bead: BeadId, commit: CommitId, reason: str) -> None:
        """The gates of a candidate cannot be run at all: say so as a verdict, which holds the change."""
        said = GateFinished(commit=commit, gate="gates", answer="held", reason=reason, seconds=0.0)
        self._write(bead, said)

    def recover(self, beads: Mapping[BeadId, Bead]) -> None:
        """Complete what a killed landing left half done; called once, before the first tick."""
        self._clean_slate()
        for bead in beads.values():
            if bead.state == "queued":
                self._settle_announced(bead)
        leftover = {
            ref.split("/")[3] for ref in self.repo.refs("refs/heads/factory/") if ref.count("/") > _BRANCH_DEPTH
        }
        for bead in beads.values():
            if bead.state == "landed" and bead.id in leftover:
                self._clear_branches(bead)
        for ref, commit in self.repo.refs(_CANDIDATES).items():
            pinned_for = beads.get(BeadId(ref.removeprefix(_CANDIDATES)))
            if pinned_for is None or pinned_for.state != "queued":
                self.repo.delete_ref(ref, commit)

    # ------------------------------------------------------------------ one bead

    def _advance(self, bead: Bead, gates_running: frozenset[str], start_gates: StartGates) -> Wait | None:
        """Take steps for one bead until it waits or is out of the queue."""
        while bead.state == "queued":
            if self._settle_announced(bead):
                return None
            target = look(self.repo, self.target, self.reworks)
            running = bead.candidate is not None and bead.candidate.commit in gates_running
            if bead.candidate is not None and self.repo.resolve(bead.candidate.commit) is None:
                bead = replace(bead, candidate=None)  # git collected it: it is built again
            step = next_step(bead, target, gates_running=running)
            if isinstance(step, RunGates) and gates_running:
                return Wait("gates-running", "the gates of an earlier candidate are still running")
            if isinstance(step, Wait):
                return step
            if isinstance(step, RunGates):
                assert bead.candidate is not None
                start_gates(bead.id, bead.candidate.commit)
                return Wait("gates-running", f"the gates are starting on candidate {bead.candidate.commit[:10]}")
            waiting = self._act(bead, target, step)
            if waiting is not None:
                return waiting
            bead = self.store.bead(bead.id)
        return None

    def _act(self, bead: Bead, target: Target, step: Step) -> Wait | None:
        match step:
            case Build():
                self._build(bead, target)
            case Land():
                return self._land(bead, target)
            case SendBack() | Hold():
                self._write(bead.id, _as_payload(step))
            case Wait() | RunGates():
                raise AssertionError(step)
            case _:
                assert_never(step)
        return None

    def _build(self, bead: Bead, target: Target) -> None:
        change = bead.change
        assert change is not None
        path = self.store.path(bead.id)
        story = candidates.story_until(self.store.raw(bead.id), change)
        built = candidates.build(self.repo, bead, change, (self.store.relative(path), story), target.head)
        match built:
            case Built(commit, tree):
                self._pin(bead.id, commit)
                self._write(bead.id, CandidateBuilt(commit=commit, tree=tree, onto=target.head))
            case Clash(paths):
                self._write(bead.id, _as_payload(self._clash(bead, change, target, paths)))
            case Contained():
                reason = f"{target.name} already has everything this change would bring"
                remedy = f"factory bead done {bead.id} accepts that, factory bead reopen {bead.id} tries again"
                self._write(bead.id, BeadHeld(code="contained", reason=reason, remedy=remedy))
            case Unfit(reason):
                remedy = f"mend that, then factory pr approve {bead.id}"
                self._write(bead.id, BeadHeld(code="unfit", reason=reason, remedy=remedy))
            case _:
                assert_never(built)

    def _pin(self, bead: BeadId, commit: CommitId | None) -> None:
        """Keep git from collecting a candidate while it may still land; ``None`` lets it go."""
        ref = f"{_CANDIDATES}{bead}"
        before = self.repo.resolve(ref)
        if commit is not None:
            self.repo.move_ref(ref, commit, before or ZERO, why="factory: candidate")
        elif before is not None:
            self.repo.delete_ref(ref, before)

    def _clash(self, bead: Bead, change: Change, target: Target, paths: tuple[str, ...]) -> SendBack | Hold:
        more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
        shown = ", ".join(printable(path) for path in paths[:_SHOWN]) + more
        landed = self.repo.ask(
            "log", "--format=%h %s", "-n", "20", f"{change.base}..{target.head}", "--", *paths[:_SHOWN]
        ).out.decode("utf-8", "replace")
        evidence = f"Conflicting files: {shown}\n\nLanded on {target.name} meanwhile, touching them:\n{landed}"
        reason = f"the change conflicts with {target.name} in {shown}"
        return sent_back(bead, target, "conflict", reason[:500], evidence[:6000])

    # ------------------------------------------------------------------ the move

    def _land(self, bead: Bead, target: Target) -> Wait | None:
        """Announce, let the checkouts follow, move the target by compare-and-swap, record."""
        change, candidate = bead.change, bead.candidate
        assert change is not None
        assert candidate is not None
        if not self._clean_slate():
            return _HALF
        obstacle = self._obstacle(target, candidate.commit)
        if obstacle is not None:
            return obstacle
        commit = candidates.sealed(self.repo, bead, change, candidate.verdicts)
        self._write(bead.id, LandingAnnounced(commit=commit, target=target.name, onto=target.head))
        record = {"target": target.name, "old": target.head, "new": commit, "since": time.time()}
        replace_file(self._journal, json.dumps(record).encode())
        refused = self._move(target, commit)
        self._journal.unlink()
        if isinstance(refused, checkouts.InTheWay):
            remedy = f"mend that, then factory pr approve {bead.id}"
            reason = f"the files at {refused.root} could not follow: {refused.reason}"
            self._write(bead.id, BeadHeld(code="checkout", reason=reason[:2000], remedy=remedy))
            return None
        if refused is None:
            self._settle_announced(self.store.bead(bead.id))
        return refused

    def _obstacle(self, target: Target, commit: CommitId) -> Wait | None:
        for place in checkouts.checkouts(self.repo, target.name):
            obstacle = checkouts.in_the_way(self.repo, place, target.head, commit)
            if obstacle is not None:
                return _local_changes(obstacle, target.name)
        return None

    def _move(self, target: Target, commit: CommitId) -> Wait | checkouts.InTheWay | None:
        """Files first, then the branch; on any refusal everything is as it was."""
        followed: list[checkouts.Checkout] = []
        moved = False
        try:
            for place in checkouts.checkouts(self.repo, target.name):
                refused = checkouts.follow(self.repo, place, target.name, target.head, commit)
                if refused is not None:
                    return refused
                followed.append(place)
            self.repo.move_ref(f"refs/heads/{target.name}", commit, target.head, why="factory: landed")
            moved = True
        except RefMoved:
            return _MOVED
        finally:
            for place in followed if not moved else []:
                checkouts.follow(self.repo, place, target.name, commit, target.head)
        return None

    def _settle_announced(self, bead: Bead) -> bool:
        """Record the landing if the target's history has the announced commit."""
        candidate = bead.candidate
        landing = candidate.landing if candidate else None
        if candidate is None or landing is None or bead.change is None or self.repo.resolve(landing) is None:
            return False
        head = self.repo.branch(candidate.target)
        if head is None or not self.repo.is_ancestor(landing, head):
            return False
        self._write(bead.id, BeadLanded(commit=landing, target=candidate.target, head=bead.change.head))
        self._pin(bead.id, None)
        self._clear_branches(bead)
        return True

    def _clear_branches(self, bead: Bead) -> None:
        """Delete the branches that this bead's sessions left, once what is on them is landed or on a kept ref.

        A branch that somebody has checked out, or that holds a commit which is not an agent's, is left alone.
        """
        refs = self.repo.refs(f"refs/heads/factory/{bead.id}/")
        events = self.store.events(bead.id) if refs else []
        submitted = {event.data.get("head") for event in events if event.type == "change_submitted"}
        for event in events:
            ref = f"refs/heads/{event.data.get('branch')}"
            if event.type != "session_started" or ref not in refs:
                continue
            head, branch = refs[ref], ref.removeprefix("refs/heads/")
            ours = head in submitted or self._is_agents(str(event.data.get("base")), head)
            if checkouts.checkouts(self.repo, branch) or not ours:
                continue
            if bead.change is None or head != bead.change.head:
                self._keep(f"refs/factory/kept/{event.session}", head)
            self.repo.delete_ref(ref, head)

    def _is_agents(self, base: str, head: CommitId) -> bool:
        said = self.repo.ask("log", "--format=%ce", f"{base}..{head}", "--", ok=(0, 128))
        return said.code == 0 and all(email.endswith("@factory.invalid") for email in said.text.split())

    def _keep(self, ref: str, head: CommitId) -> None:
        kept = self.repo.resolve(ref)
        if kept is None:
            self.repo.move_ref(ref, head, ZERO, why="factory: earlier attempt")
        elif not self.repo.is_ancestor(head, kept):
            self._keep(f"{ref}-{head[:10]}", head)

    def _clean_slate(self) -> bool:
        """Whether no killed landing is left half done in anybody's checkout; finishes one if it can."""
        if self._journal.exists() and self._mended(json.loads(self._journal.read_bytes())):
            self._journal.unlink()
        return not self._journal.exists()

    @property
    def _journal(self) -> Path:
        return self.repo.state_dir / "landing.json"

    def _mended(self, record: Mapping[str, object]) -> bool:
        """A landing was killed between its announcement and its record: bring the checkouts to where the target is."""
        target, old, new = str(record["target"]), CommitId(str(record["old"])), CommitId(str(record["new"]))
        head, since = self.repo.branch(target), record.get("since")
        whole = True
        for place in checkouts.checkouts(self.repo, target):
            if head in (old, new):
                back, moment = head == old, since if isinstance(since, float) else 0.0
                whole &= checkouts.mend(self.repo, place, target, old, new, back=back, since=moment)
        return whole

    def _write(self, bead: BeadId, payload: Payload) -> None:
        self.store.append(bead, payload, self.by)


def _as_payload(step: SendBack | Hold) -> Payload:
    if isinstance(step, Hold):
        return BeadHeld(code=step.code, reason=step.reason, evidence=step.evidence, remedy=step.remedy)
    return BeadReturned(code=step.code, reason=step.reason, evidence=step.evidence)


def _local_changes(obstacle: checkouts.InTheWay, target: str) -> Wait:
    what = f": {', '.join(printable(path) for path in obstacle.paths)}" if obstacle.paths else ""
    return Wait(
        "local-changes",
        f"{target} is checked out at {obstacle.root}, and its files cannot follow: {obstacle.reason}{what}",
        "commit or stash them there, then factory run",
    )
