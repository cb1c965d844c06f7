"""The tick of the merge queue: look, decide, record, act. Serial: one change is tried at a time.

Every act can be repeated: a candidate is rebuilt, a gate run again, a move completed. What decides
whether a landing happened is the target's own history.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

from factory.base.files import printable, replace_file
from factory.base.ids import BeadId, CommitId
from factory.beads.fold import Bead, Change
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
from factory.git.repository import RefMoved, Repository
from factory.landing import candidate as candidates
from factory.landing.candidate import Built, Clash, Contained
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

StartGates = Callable[[BeadId, CommitId], None]
"""Starts the gates of a bead's candidate as a job."""


@dataclass
class Queue:
    """The merge queue of one target. Holds no state of its own: everything is read from the log and from git."""

    repo: Repository
    store: Store
    target: str
    reworks: int

    @property
    def by(self) -> str:
        """Who writes the queue's events."""
        return f"landing:{self.target}"

    def tick(
        self, beads: Mapping[BeadId, Bead], gates_running: frozenset[str], start_gates: StartGates
    ) -> dict[BeadId, Wait]:
        """Do everything that can be done now; the answer is why each queued bead still waits.

        Whoever is being tested goes first: a more urgent change that arrives meanwhile comes after it.
        """
        waits: dict[BeadId, Wait] = {}
        ahead: BeadId | None = None
        line = in_line({str(id_): bead for id_, bead in beads.items()})
        line.sort(key=lambda bead: not (bead.candidate and bead.candidate.commit in gates_running))
        for queued in line:
            if ahead is not None:
                waits[queued.id] = Wait("behind", f"{ahead} is being tried first")
                continue
            try:
                wait = self._advance(queued, gates_running, start_gates)
            except NotAllowed:
                continue  # somebody dropped it between our look and our act
            if wait is not None:
                waits[queued.id] = wait
                if wait.code == "gates-running":
                    ahead = queued.id
        return waits

    def outlook(self, bead: Bead, target: Target) -> Wait | None:
        """What would make the landing of a queued bead wait although its gates have passed; changes nothing."""
        candidate = bead.candidate
        if candidate is None or not isinstance(next_step(bead, target, gates_running=False), Land):
            return None
        for place in checkouts.checkouts(self.repo, target.name):
            obstacle = checkouts.in_the_way(self.repo, place, target.head, candidate.commit)
            if obstacle is not None:
                return _local_changes(obstacle, target.name)
        return None

    def give_up_gates(self, bead: BeadId, commit: CommitId, reason: str) -> None:
        """The gates of a candidate cannot be run at all: say so as a verdict, which holds the change."""
        said = GateFinished(commit=commit, gate="gates", answer="held", reason=reason, seconds=0.0)
        self._write(bead, said)

    def recover(self, beads: Mapping[BeadId, Bead]) -> None:
        """Complete what a killed landing left half done; called once, before the first tick."""
        journal = self._journal
        if journal.exists():
            self._mend(json.loads(journal.read_bytes()))
            journal.unlink()
        for bead in beads.values():
            if bead.state == "queued":
                self._settle_announced(bead)
            elif bead.state == "landed":
                self._clear_branches(bead)

    # ------------------------------------------------------------------ one bead

    def _advance(self, bead: Bead, gates_running: frozenset[str], start_gates: StartGates) -> Wait | None:
        """Take steps for one bead until it waits or is out of the queue."""
        while bead.state == "queued":
            if self._settle_announced(bead):
                return None
            target = look(self.repo, self.target, self.reworks)
            running = bead.candidate is not None and bead.candidate.commit in gates_running
            step = next_step(bead, target, gates_running=running)
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
        story = candidates.story_until(self.store.events(bead.id), change)
        built = candidates.build(self.repo, bead, change, (self.store.relative(path), story), target.head)
        match built:
            case Built(commit, tree):
                self._write(bead.id, CandidateBuilt(commit=commit, tree=tree, onto=target.head))
            case Clash(paths):
                self._write(bead.id, _as_payload(self._clash(bead, change, target, paths)))
            case Contained():
                reason = f"{target.name} already has everything this change would bring"
                remedy = f"factory bead done {bead.id} accepts that, factory bead reopen {bead.id} tries again"
                self._write(bead.id, BeadHeld(code="contained", reason=reason, remedy=remedy))
            case _:
                assert_never(built)

    def _clash(self, bead: Bead, change: Change, target: Target, paths: tuple[str, ...]) -> SendBack | Hold:
        shown = ", ".join(printable(path) for path in paths)
        landed = self.repo.ask(
            "log", "--format=%h %s", "-n", "20", f"{change.base}..{target.head}", "--", *paths
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
        commit = candidates.sealed(self.repo, bead, change, candidate.verdicts)
        places = checkouts.checkouts(self.repo, target.name)
        for place in places:
            obstacle = checkouts.in_the_way(self.repo, place, target.head, commit)
            if obstacle is not None:
                return _local_changes(obstacle, target.name)
        self._write(bead.id, LandingAnnounced(commit=commit, target=target.name, onto=target.head))
        roots = [str(place.root) for place in places]
        record = {"target": target.name, "old": target.head, "new": commit, "roots": roots}
        replace_file(self._journal, json.dumps(record).encode())
        try:
            wait = self._move(places, target, commit)
        finally:
            self._journal.unlink()
        if wait is None:
            self._settle_announced(self.store.bead(bead.id))
        return wait

    def _move(self, places: list[checkouts.Checkout], target: Target, commit: CommitId) -> Wait | None:
        followed: list[checkouts.Checkout] = []
        moved = False
        try:
            for place in places:
                if not checkouts.follow(place, target.head, commit):
                    return _MOVED
                followed.append(place)
            self.repo.move_ref(f"refs/heads/{target.name}", commit, target.head, why="factory: landed")
            moved = True
        except RefMoved:
            return _MOVED
        finally:
            for place in followed if not moved else []:
                checkouts.follow(place, commit, target.head)
        return None

    def _settle_announced(self, bead: Bead) -> bool:
        """Record the landing if the target's history has the announced commit."""
        landing = bead.candidate.landing if bead.candidate else None
        head = self.repo.branch(self.target)
        if landing is None or head is None or bead.change is None or self.repo.resolve(landing) is None:
            return False
        if not self.repo.is_ancestor(landing, head):
            return False
        self._write(bead.id, BeadLanded(commit=landing, target=self.target, head=bead.change.head))
        self._clear_branches(bead)
        return True

    def _clear_branches(self, bead: Bead) -> None:
        """Delete the bead's branches: the landed one, and earlier attempts once they stand on a kept ref."""
        branches = self.repo.refs(f"refs/heads/factory/{bead.id}/")
        if not branches or bead.change is None:
            return
        started = (event for event in self.store.events(bead.id) if event.type == "session_started")
        sessions = {f"refs/heads/{event.data.get('branch')}": event.session for event in started}
        for ref, head in branches.items():
            if head != bead.change.head and ref in sessions:
                kept = f"refs/factory/kept/{sessions[ref]}"
                if self.repo.resolve(kept) is None:
                    self.repo.move_ref(kept, head, CommitId("0" * len(head)), why="factory: earlier attempt")
            self.repo.delete_ref(ref, head)

    @property
    def _journal(self) -> Path:
        return self.repo.state_dir / "landing.json"

    def _mend(self, record: Mapping[str, object]) -> None:
        """A landing was killed between its announcement and its record: bring the checkouts to where the target is."""
        old, new = CommitId(str(record["old"])), CommitId(str(record["new"]))
        head = self.repo.branch(str(record["target"]))
        for place in checkouts.checkouts(self.repo, str(record["target"])):
            if head == old and checkouts.mend(self.repo, place, old, new):
                checkouts.follow(place, new, old)
            elif head == new:
                checkouts.mend(self.repo, place, old, new)

    def _write(self, bead: BeadId, payload: Payload) -> None:
        self.store.append(bead, payload, self.by)


def _as_payload(step: SendBack | Hold) -> Payload:
    if isinstance(step, Hold):
        return BeadHeld(code=step.code, reason=step.reason, evidence=step.evidence, remedy=step.remedy)
    return BeadReturned.model_validate({"code": step.code, "reason": step.reason, "evidence": step.evidence})


def _local_changes(obstacle: checkouts.InTheWay, target: str) -> Wait:
    what = f": {', '.join(printable(path) for path in obstacle.paths)}" if obstacle.paths else ""
    return Wait(
        "local-changes",
        f"{target} is checked out at {obstacle.root}, and its files cannot follow: {obstacle.reason}{what}",
        "commit or stash them there; landing goes on by itself",
    )
