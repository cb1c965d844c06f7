"""The running factory: it looks, decides by pure functions, writes what it will do, and does it.

A tick never waits; what takes time is a job of the engine. The floor holds no state that matters: a
successor reads everything from the log, from the leases on disk and from git.
"""

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from filelock import FileLock

from factory.base import locks
from factory.base.errors import Refused, TryAgain, UserError
from factory.base.ids import BeadId, CommitId, SessionId, new_session_id
from factory.base.process import ProcessName
from factory.base.settings import Settings
from factory.beads.bead import LOST, Bead
from factory.beads.lifecycle import NotAllowed
from factory.beads.payloads import BeadHeld, BeadReleased, SessionFailed, SessionStarted
from factory.beads.store import Store
from factory.beads.stories import Snapshot
from factory.engine.protocol import Engine, Job
from factory.floor.plan import Plan, plan
from factory.git import candidates
from factory.git.repository import Repository
from factory.git.stale import clear_stale_locks
from factory.landing.queue import Queue
from factory.landing.step import Wait
from factory.observe import card
from factory.roster.identities import Identity, as_line
from factory.workspaces.ground import Ground
from factory.workspaces.workspace import leased, recover

_POLL_S = 0.05
_PROBE_S = 0.5
"""Longer than anybody holds the lock who only asks whether a floor runs."""
_LOOK_AROUND_S = 1.0
_COMMIT_S = 0.5
_GRACE_S = 20.0
_GATE_TRIES = 3
_HOST_DEATHS = 5
_RESTLESS = frozenset({"open", "working", "queued"})
"""While a bead is in one of these states, a change outside the log (of a branch, of settings) may matter to it."""


class FloorRuns(TryAgain):
    """Another floor works in this repository."""

    def __init__(self, process: ProcessName | None) -> None:
        who = f" (process {process.pid})" if process else ""
        super().__init__(
            f"a floor is already running in this repository{who}",
            "factory status shows what it does; factory stop ends it",
        )
        self.process = process


class HostKeepsDying(UserError):
    """The process that carries the jobs ended by itself again and again."""

    def __init__(self, times: int, repo: Repository) -> None:
        super().__init__(
            f"the process that carries the agents died {times} times",
            f"{repo.state_dir / 'host.log'} may say why; too little memory is a common reason",
        )


@dataclass
class Floor:
    """One floor. ``backlog``: also work on beads that nobody put on a hook. ``forever``: do not end when idle."""

    repo: Repository
    store: Store
    settings: Settings
    identities: Callable[[], Mapping[str, Identity]]
    ground: Ground
    target: str
    make_engine: Callable[[Callable[[], None]], Engine]
    may_start: Callable[[Identity], bool]
    is_trusted: Callable[[], bool]
    backlog: bool = True
    forever: bool = False
    stopping: bool = field(default=False, init=False)
    waits: dict[BeadId, Wait] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        self._engine = self.make_engine(self.wake)
        self._queue = Queue(self.repo, self.store, self.target, self.settings.reworks)
        self._awake = asyncio.Event()
        self._gates: dict[CommitId, Job] = {}
        self._tries: Counter[CommitId] = Counter()
        self._pending: list[Job] = []
        self._deaths = 0
        self._restless = True
        self._by = f"floor:{socket.gethostname()}"

    def wake(self) -> None:
        """Have the next tick come at once."""
        self._awake.set()

    def stop(self) -> None:
        """End in order: sessions save their work and go back to the ready beads."""
        self.stopping = True
        self.wake()

    async def run(self) -> None:
        """Work until nothing is left that could be done; raises ``FloorRuns`` when another floor is at it."""
        lock = take_lock(self.repo)
        try:
            self._leave_card()
            await asyncio.to_thread(self._recover)
            await self._loop()
        finally:
            await self._engine.stop()
            self._lose_all("the floor was stopped")
            with contextlib.suppress(TryAgain):
                self.store.commit(everything=True)
            lock.release()

    async def _loop(self) -> None:
        pulse: tuple[int, ...] | None = None
        last_commit = last_look = 0.0
        clock = asyncio.get_running_loop().time
        while not self.stopping:
            now, seen = clock(), self.store.pulse()
            looks_around = self._restless and now - last_look >= _LOOK_AROUND_S
            if seen != pulse or self._awake.is_set() or looks_around:
                self._awake.clear()
                pulse, last_look = seen, now
                try:
                    moved = await self._tick(self.store.snapshot())
                except TryAgain:
                    moved, pulse = True, None
                    await asyncio.sleep(_LOOK_AROUND_S)
                if not (moved or self.forever or self._engine.running()) and self.store.pulse() == seen:
                    return
            if not self.store.is_committed() and now - last_commit >= _COMMIT_S:
                self.store.commit()
                last_commit = now
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), _POLL_S)

    # ------------------------------------------------------------------ one tick

    async def _tick(self, snapshot: Snapshot) -> bool:
        """Look once and do what follows; the answer is whether anything was done."""
        self._reap(snapshot)
        self._free(snapshot)
        self.waits = self._queue.tick(snapshot.beads, self._gates_running(), self._start_gates)
        identities = self._startable()
        beads = self.store.beads()
        planned = plan(
            beads, identities, self.settings, backlog=self.backlog, now=self.store.now(), place=self.store.place
        )
        if planned.starts and not self.is_trusted():
            planned = replace(planned, starts=())
        self._write(planned, identities)
        self._restless = any(bead.state in _RESTLESS for bead in beads.values())
        started, self._pending = self._pending, []
        for job in started:
            await self._engine.start(job)
        if started:
            self._leave_card()
        return bool(started or planned.gives_up)

    def _startable(self) -> dict[str, Identity]:
        return {name: identity for name, identity in self.identities().items() if self.may_start(identity)}

    def _write(self, planned: Plan, identities: Mapping[str, Identity]) -> None:
        """Announce every session before its job starts, and hand over what was given up."""
        for given_up in planned.gives_up:
            remedy = f"factory bead reopen {given_up.bead} tries again"
            held = BeadHeld(code="agent-failed", reason=given_up.reason[:8000], remedy=remedy)
            with contextlib.suppress(NotAllowed):
                self.store.append(given_up.bead, held, self._by)
        base = self.repo.branch(self.target)
        for start in planned.starts if base is not None else ():
            session, identity = new_session_id(), identities[start.agent]
            announced = SessionStarted(
                agent=start.agent,
                runtime=identity.runtime,
                model=identity.model,
                attempt=start.attempt,
                base=base or "",
                branch=f"factory/{start.bead}/{start.attempt}",
                target=self.target,
            )
            with contextlib.suppress(NotAllowed):  # somebody dropped or changed it since we looked
                self.store.append(start.bead, announced, self._by, session)
                self._pending.append(Job("session", start.bead, session, as_line(identity)))

    def _start_gates(self, bead: BeadId, commit: CommitId) -> None:
        self._tries[commit] += 1
        if self._tries[commit] > _GATE_TRIES:
            self._queue.give_up_gates(bead, commit, f"its gates could not be run {_GATE_TRIES} times in a row")
            return
        job = Job("gates", bead, commit)
        self._gates[commit] = job
        self._pending.append(job)

    def _gates_running(self) -> frozenset[str]:
        running = self._engine.running()
        self._gates = {commit: job for commit, job in self._gates.items() if job in running}
        return frozenset(self._gates)

    def _reap(self, snapshot: Snapshot) -> None:
        """A session whose job has ended without an answer died: save its work and say so."""
        alive = {job.key for job in self._engine.running()}
        deaths = self._engine.deaths()
        if deaths >= _HOST_DEATHS:
            raise HostKeepsDying(deaths, self.repo)
        code = LOST if deaths > self._deaths else "died"
        self._deaths = deaths
        for bead in snapshot.beads.values():
            if self._is_mine(bead) and bead.run and bead.run.session not in alive:
                current = self.store.bead(bead.id)
                if current.state == "working" and current.run == bead.run:
                    self._lose(current, code, "the process that carried the session died")

    def _free(self, snapshot: Snapshot) -> None:
        """Give back what somebody claimed and did not finish before the lease ended."""
        now = self.store.now()
        for bead in snapshot.beads.values():
            if bead.state == "working" and bead.run and bead.run.is_over(now):
                with contextlib.suppress(Refused):  # renewed or released since we looked
                    self.store.append(bead.id, BeadReleased(reason=f"the lease of {bead.run.agent} ended"), self._by)

    # ------------------------------------------------------------------ after a crash

    def _recover(self) -> None:
        """Take over from a floor that died: end its hosts, complete its landing, save its sessions' work."""
        previous = card.read(self.repo)
        self.store.prepare()
        for host in previous.hosts if previous else ():
            host.end(grace_s=_GRACE_S)
        self._leave_card()
        clear_stale_locks(self.repo)
        candidates.sweep(self.repo)
        beads = self.store.beads()
        self._queue.recover(beads)
        self._lose_all("the factory was interrupted")
        for session in leased(self.repo):
            recover(self.repo, session, self.ground.sandbox, self.ground.root)
        self.store.commit(everything=True)

    def _lose_all(self, reason: str) -> None:
        """Whoever still counts as working when no job can be running was interrupted."""
        for bead in self.store.beads().values():
            if self._is_mine(bead):
                self._lose(bead, LOST, reason)

    def _is_mine(self, bead: Bead) -> bool:
        """Whether a floor of this clone looks after it; what people claimed, and other clones do, is theirs."""
        return bead.state == "working" and (bead.run is None or bead.run.is_at(self.store.place))

    def _lose(self, bead: Bead, code: str, reason: str) -> None:
        session = bead.run.session if bead.run else SessionId("")
        kept = recover(self.repo, session, self.ground.sandbox, self.ground.root)
        failed = SessionFailed(code=code, reason=reason, kept=kept.where if kept else "")
        self.store.append(bead.id, failed, self._by, session)

    def _leave_card(self) -> None:
        hosts = self._engine.hosts()
        card.write(self.repo, card.Card(ProcessName.own(), hosts, self.settings.max_agents, self.target))


def take_lock(repo: Repository) -> FileLock:
    """Become the floor of a repository; raises ``FloorRuns``."""
    lock = locks.try_lock(card.lock_path(repo), timeout_s=_PROBE_S)
    if lock is None:
        running = card.read(repo)
        raise FloorRuns(running.process if running else None)
    return lock
