"""What an engine does: carry jobs to hosts that run them, and say when each has ended."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Literal, Protocol

from factory.base.process import ProcessName


@dataclass(frozen=True)
class Job:
    """Something that takes time: a ``session`` of a bead, or the ``gates`` of a candidate.

    ``key`` is the session's id or the candidate's commit; the rest stands in the log.
    """

    kind: Literal["session", "gates"]
    bead: str
    key: str
    agent: str = ""
    """For a session: its identity as JSON, as the floor that started it knew and trusted it."""

    def line(self) -> str:
        """The job as the line that is handed to a host."""
        return json.dumps(asdict(self))

    @classmethod
    def parse(cls, line: str) -> "Job":
        """The job in a line that ``line`` wrote."""
        return cls(**json.loads(line))


class Engine(Protocol):
    """Runs jobs. What a job did is read from the log; an engine only says that it has ended."""

    name: str

    async def start(self, job: Job) -> None:
        """Have the job run; returns before it has ended."""
        ...

    def running(self) -> frozenset[Job]:
        """The jobs that were started and have not ended."""
        ...

    def deaths(self) -> int:
        """How many hosts have ended that nobody told to."""
        ...

    def hosts(self) -> tuple[ProcessName, ...]:
        """The processes on this machine that carry jobs, for whoever has to clean up after a crash."""
        ...

    async def stop(self) -> None:
        """End every job in order: its work saved, its workspace given back."""
        ...


Wake = Callable[[], None]
"""Called whenever a job has ended."""
