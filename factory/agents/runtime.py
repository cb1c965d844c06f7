"""What an agent is given, what it may answer, and the Protocol that every runtime satisfies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from factory.base.process import Limits
from factory.tools.place import Place


@dataclass(frozen=True)
class Task:
    """One bead, as an agent sees it.

    ``prompt`` is the whole brief in Markdown: the bead, and what came back from earlier attempts.
    ``environment`` holds the same facts as ``FACTORY_*`` variables. ``notes`` is the folder, outside
    the work tree, where the runtime puts its transcript and what its programs printed.
    """

    bead: str
    title: str
    prompt: str
    environment: Mapping[str, str]
    notes: Path
    limits: Limits
    model: str = ""
    command: tuple[str, ...] = ()
    max_turns: int = 100


@dataclass(frozen=True)
class Usage:
    """Tokens and US dollars that a session used; ``usd`` is ``None`` when the model has no known price."""

    requests: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    usd: float | None = 0.0

    def __add__(self, other: "Usage") -> "Usage":
        unpriced = self.usd is None or other.usd is None
        return Usage(
            self.requests + other.requests,
            self.input_tokens + other.input_tokens,
            self.cache_read_tokens + other.cache_read_tokens,
            self.cache_write_tokens + other.cache_write_tokens,
            self.output_tokens + other.output_tokens,
            None if unpriced else (self.usd or 0.0) + (other.usd or 0.0),
        )


@dataclass(frozen=True)
class Finished:
    """The agent says it is done; whether anything changed is read from the workspace, not from it."""

    summary: str
    usage: Usage = Usage()


@dataclass(frozen=True)
class Asked:
    """The agent needs an answer from a person before it can go on."""

    question: str
    usage: Usage = Usage()


FailureCode = Literal[
    "exit",
    "timeout",
    "idle",
    "program-missing",
    "auth",
    "billing",
    "overloaded",
    "refused",
    "turns",
    "protocol",
]


@dataclass(frozen=True)
class Failed:
    """The agent did not get there; ``code`` is stable, ``reason`` one sentence for people."""

    code: FailureCode
    reason: str
    usage: Usage = Usage()


Outcome = Finished | Asked | Failed


class Recorder(Protocol):
    """Takes the fine-grained record of a session: it becomes the ledger, committed with the bead."""

    def record(self, type_: str, **facts: str | float | bool | None) -> None:
        """Append one event to the session's ledger, e.g. ``record("tool_used", tool="edit", path="a.py")``."""
        ...


class Runtime(Protocol):
    """A way to run an agent on a task in a workspace, start to finish.

    It must end when its task is cancelled, leave no process behind, write only inside the workspace and
    ``task.notes``, and answer with an ``Outcome`` for everything that can be expected to happen.
    """

    name: str
    default_model: str
    """The model it uses when the task names none; empty for runtimes that cannot know theirs."""

    def problem(self, task_environment: Mapping[str, str]) -> str | None:
        """Why this runtime cannot run here, in one sentence with the remedy, or ``None``."""
        ...

    async def work(self, task: Task, workspace: Place, recorder: Recorder) -> Outcome:
        """Work on the task until there is an outcome."""
        ...


@dataclass
class Memory:
    """A recorder that only remembers, for conformance tests."""

    events: list[dict[str, str | float | bool | None]] = field(default_factory=list)

    def record(self, type_: str, **facts: str | float | bool | None) -> None:
        """Remember one event."""
        self.events.append({"type": type_, **facts})
