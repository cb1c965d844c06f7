"""One session with the built-in agent against the scripted model, from a few lines of script."""

import asyncio
import json
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from factory.agents.builtin import Access, Builtin
from factory.agents.runtime import Memory, Outcome, Task
from factory.agents.service import Patience
from factory.base.process import Limits
from factory.testing import RecordedRequest, Script, ScriptedModel
from tests.tools.open_place import OpenPlace, git_place

QUICK = Patience(tries=4, first_s=0.01, most_s=0.02, longest_s=2.0)


def says(*turns: dict[str, Any]) -> AbstractContextManager[ScriptedModel]:
    """A model that says ``turns``, one after the other, to whoever asks."""
    return ScriptedModel(Script.parse(json.dumps({"schema": 1, "default": {"turns": turns}})))


def uses(name: str, **sent: object) -> dict[str, Any]:
    """A turn with one call."""
    return {"tools": [{"name": name, "input": sent}]}


FINISH = uses("finish", summary="all done")


@dataclass
class Session:
    """What can be looked at after a session."""

    place: OpenPlace
    notes: Path
    outcome: Outcome
    memory: Memory
    requests: list[RecordedRequest] = field(default_factory=list)

    @property
    def sent(self) -> list[dict[str, Any]]:
        """The messages of the last request."""
        messages: list[dict[str, Any]] = self.requests[-1].body["messages"]
        return messages

    @property
    def results(self) -> list[dict[str, Any]]:
        """Every tool result that the last request carried."""
        blocks = [block for message in self.sent if message["role"] == "user" for block in message["content"]]
        return [block for block in blocks if block["type"] == "tool_result"]

    @property
    def transcript(self) -> list[dict[str, Any]]:
        """The transcript, line by line."""
        return [json.loads(line) for line in (self.notes / "transcript.jsonl").read_text().splitlines()]

    def events(self, type_: str) -> list[dict[str, Any]]:
        """What was recorded of one type."""
        return [event for event in self.memory.events if event["type"] == type_]


def a_task(folder: Path, prompt: str = "do it", **changes: Any) -> Task:
    """A small task with a generous minute."""
    facts: dict[str, Any] = {"environment": {}, "notes": folder / "notes", "limits": Limits(60.0), **changes}
    return Task(bead="fa-0001", title="a task", prompt=prompt, **facts)


def held(folder: Path, *turns: dict[str, Any], patience: Patience = QUICK, **changes: Any) -> Session:
    """Hold a whole session with a model that says ``turns``."""
    place, memory = git_place(folder / "root"), Memory()
    with ScriptedModel(Script.parse(json.dumps({"schema": 1, "default": {"turns": turns}}))) as server:
        agent = Builtin(Access(key="k-test", base_url=server.base_url), patience=patience)
        outcome = asyncio.run(agent.work(a_task(folder, **changes), place, memory))
        return Session(place, folder / "notes", outcome, memory, server.requests)
