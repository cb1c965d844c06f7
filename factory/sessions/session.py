"""The life of one session: brief, workspace, agent, and exactly one answer in the log.

Whatever happens, in this order: the agent's work is on a ref, the answer is in the log, the workspace
goes back. A process that dies in between leaves a lease on disk, from which the floor recovers.
"""

import asyncio
import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import assert_never

from factory.agents.runtime import Asked, Failed, Finished, Outcome, Runtime, Task, Usage
from factory.base.errors import FactoryError, Refused, TryAgain
from factory.base.files import printable, replace_file
from factory.base.ids import CommitId, SessionId
from factory.base.process import Limits
from factory.beads.bead import LOST, STOPPED, Bead, Run
from factory.beads.claims import Desk, HeldElsewhere
from factory.beads.payloads import BeadEdited, ChangeSubmitted, NoChangeReported, Payload, QuestionAsked, SessionFailed
from factory.beads.store import Store
from factory.gates.verdict import excerpt
from factory.git import candidates
from factory.git.candidates import Clean
from factory.git.objects import Person
from factory.git.repository import Repository
from factory.roster.identities import Identity
from factory.sessions.brief import brief, environment
from factory.workspaces.ground import Ground
from factory.workspaces.workspace import Brought, LeaseRequest, Nothing, Unwanted, Workspace, lease

_TEXT = 8000
_SETUP_TIMEOUT_S = 1800.0
_MARGIN_S = 3600.0
"""How much longer than its agent may work a session holds its bead, in seconds: for set-up, gates and landing."""


@dataclass(frozen=True)
class Assignment:
    """Everything that a session is given: the bead as it stood when the floor started it, and who works on it."""

    bead: Bead
    run: Run
    identity: Identity
    runtime: Runtime
    target: str


@dataclass
class Session:
    """One agent on one bead. ``work`` is called once."""

    repo: Repository
    store: Store
    ground: Ground
    assignment: Assignment
    desk: Desk | None = None
    """Where clones meet, if they do."""
    _fence: int = field(default=0, init=False)
    """The number of its claim there."""

    @property
    def id(self) -> SessionId:
        """The session's id."""
        return self.assignment.run.session

    @property
    def by(self) -> str:
        """Who writes the session's events."""
        return f"agent:{self.assignment.identity.name}"

    async def work(self) -> None:
        """Work until there is an answer, and write it into the log."""
        if not await asyncio.to_thread(self._claim):
            return
        start = await asyncio.to_thread(self._start)
        try:
            workspace = await asyncio.to_thread(lease, self.repo, self._request(start), self.ground.root)
        except FactoryError as error:
            self._answer(SessionFailed(code="workspace", reason=error.sentence))
            return
        except OSError as error:
            self._answer(SessionFailed(code="workspace", reason=f"its workspace could not be made: {error}"))
            return
        try:
            outcome = await self._run_agent(workspace, start)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.to_thread(self._fail, workspace, STOPPED, "the floor was stopped", ""))
            raise
        except FactoryError as error:
            outcome = Failed("exit", error.sentence)
        except OSError as error:
            outcome = Failed("exit", f"its runtime could not work: {error}")
        await asyncio.to_thread(self._conclude, workspace, outcome)

    # ------------------------------------------------------------------ before

    def _claim(self) -> bool:
        """Take the bead where clones meet. One that another clone holds is put off until its lease ends.

        When that place cannot be reached the work goes on; landing asks again.
        """
        if self.desk is None:
            return True
        bead, run = self.assignment.bead, self.assignment.run
        lease_s = self.assignment.identity.timeout_s + _MARGIN_S
        try:
            self._fence = self.desk.take(bead.id, self.by, self.id, lease_s, at_least=run.fence - 1).fence
        except HeldElsewhere as held:
            with contextlib.suppress(Refused):  # before the answer, after which the floor may start the bead again
                self.store.append(bead.id, BeadEdited(not_before=held.claim.until), self.by)
            self._answer(SessionFailed(code=LOST, reason=held.sentence))
            return False
        except TryAgain:
            return True
        return True

    def _unclaim(self) -> None:
        """Give the bead back where clones meet, as it was given back here."""
        if self.desk is not None:
            with contextlib.suppress(FactoryError):
                self.desk.release(self.assignment.bead.id, self.id, self._fence)

    def _start(self) -> CommitId | None:
        """The earlier, refused change on top of the newest target, if there is one and it still applies."""
        change, base = self.assignment.bead.change, self.assignment.run.base
        if change is None:
            return None
        merged = candidates.merge_change(self.repo, base, change.head, change.base)
        if not isinstance(merged, Clean) or merged.tree == self.repo.tree_of(base):
            return None
        message = f"{self.assignment.bead.title}\n\nAn earlier attempt, on the newest target.\n"
        return candidates.commit(self.repo, merged.tree, (base,), message, author=self._person, committer=self._person)

    @property
    def _person(self) -> Person:
        name = self.assignment.identity.name
        return Person(name, f"agent+{name}@factory.invalid")

    def _request(self, start: CommitId | None) -> LeaseRequest:
        run = self.assignment.run
        return LeaseRequest(
            session=self.id,
            name=f"{self.assignment.bead.id}-{run.attempt}",
            base=run.base,
            branch=run.branch,
            target=self.assignment.target,
            author=self._person,
            sandbox=self.ground.sandbox,
            start=start,
            network=self.ground.network,
            read=self.ground.read,
            expose=tuple(Path(file) for file in self.assignment.identity.expose),
        )

    async def _run_agent(self, workspace: Workspace, start: CommitId | None) -> Outcome:
        if self.ground.setup:
            limits = Limits(wall_s=_SETUP_TIMEOUT_S)
            setup = await workspace.run(["sh", "-c", self.ground.setup], limits=limits)
            if setup.code != 0:
                return Failed("exit", f"the setup command failed with exit {setup.code}: {excerpt(setup.text, 500)}")
        task = await asyncio.to_thread(self._task, workspace, start)
        return await self.assignment.runtime.work(task, workspace, self)

    def _task(self, workspace: Workspace, start: CommitId | None) -> Task:
        bead, identity = self.assignment.bead, self.assignment.identity
        earlier = bead.change.head if bead.change and bead.setback else None
        comments = [
            f"{event.by}: {event.data.get('text', '')}"
            for event in self.store.events(bead.id)
            if event.type == "bead_commented"
        ]
        prompt = brief(bead, comments, earlier, carried_over=start is not None)
        file = workspace.notes / "bead.md"
        replace_file(file, prompt.encode())
        return Task(
            bead=bead.id,
            title=bead.title,
            prompt=prompt,
            environment=environment(bead, self.id, workspace.inside(file), earlier),
            notes=self.repo.state_dir / "sessions" / self.id / "record",
            limits=Limits(wall_s=identity.timeout_s, idle_s=identity.idle_s),
            model=identity.model,
            command=identity.command,
            max_turns=identity.max_turns,
        )

    # ------------------------------------------------------------------ after

    def record(self, type_: str, **facts: str | float | bool | None) -> None:
        """Append one event to the session's ledger."""
        self.store.record(self.assignment.bead.id, self.id, type_, self.by, facts)

    def _conclude(self, workspace: Workspace, outcome: Outcome) -> None:
        """Bring the work out or keep it, answer, and give the workspace back."""
        self._record_end(outcome)
        match outcome:
            case Finished(summary):
                self._submit(workspace, summary)
            case Asked(question):
                self._end(workspace, QuestionAsked(reason=question[:_TEXT]))
            case Failed(code, reason):
                self._fail(workspace, code, reason, "")
            case _:
                assert_never(outcome)

    def _submit(self, workspace: Workspace, summary: str) -> None:
        brought = workspace.bring_out(self.assignment.bead.title)
        match brought:
            case Brought(head=head):
                model = self.assignment.identity.model or self.assignment.runtime.default_model
                change = ChangeSubmitted(head=head, base=workspace.base, summary=summary[:_TEXT], model=model)
                self._answer(change)
                workspace.give_back()
            case Nothing():
                self._end(workspace, NoChangeReported(reason=summary[:_TEXT] or "the agent changed nothing"))
            case Unwanted(reason=reason, paths=paths):
                self._fail(workspace, "policy", reason, "\n".join(printable(path) for path in paths[:50]))
            case _:
                assert_never(brought)

    def _fail(self, workspace: Workspace, code: str, reason: str, evidence: str) -> None:
        self._end(workspace, SessionFailed(code=code, reason=reason[:_TEXT], evidence=evidence))

    def _end(self, workspace: Workspace, payload: Payload) -> None:
        """Keep what is in the workspace, answer, give the workspace back."""
        kept = workspace.keep()
        if isinstance(payload, SessionFailed):
            payload = payload.but(kept=kept.where)
        self._answer(payload)
        workspace.give_back()

    def _answer(self, payload: Payload) -> None:
        """Write the answer; a session that no longer holds its bead has nothing to say, and its work is kept."""
        if not isinstance(payload, ChangeSubmitted):
            self._unclaim()
        with contextlib.suppress(Refused):
            self.store.append(self.assignment.bead.id, payload, self.by, self.id)

    def _record_end(self, outcome: Outcome) -> None:
        usage: Usage = outcome.usage
        self.record(
            "session_ended",
            outcome=type(outcome).__name__.lower(),
            requests=usage.requests,
            input_tokens=usage.input_tokens,
            cache_read_tokens=usage.cache_read_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            usd=usage.usd,
        )
