"""What every runtime must do. A runtime passes when its subclass of ``RuntimeConformance`` does.

The subclass says how its agent is made to behave (``drill``); the suite says what must come of it.
"""

import asyncio
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import pytest

from factory.agents.runtime import Failed, Finished, Memory, Outcome, Runtime, Task
from factory.base.files import printable
from factory.base.process import Limits
from tests.agents.sessions import a_task
from tests.tools.open_place import OpenPlace, git_place

Behaviour = Literal["writes hello.txt", "changes nothing", "fails", "never ends"]


@dataclass(frozen=True)
class Drill:
    """A runtime whose agent behaves in one way; ``command`` goes into the task, for who needs it."""

    runtime: Runtime
    command: tuple[str, ...] = ()

    def task(self, folder: Path, limits: Limits) -> Task:
        """The task that this drill works on."""
        return replace(a_task(folder, limits=limits), command=self.command)


class RuntimeConformance(ABC):
    """Subclass it as ``Test…`` and say ``drill``."""

    @abstractmethod
    def drill(self, behaviour: Behaviour) -> AbstractContextManager[Drill]:
        """A runtime whose agent does ``behaviour``; "never ends" has started a process in the workspace."""

    def work(self, behaviour: Behaviour, folder: Path, limits: Limits) -> tuple[Outcome, OpenPlace]:
        """Let one session run to its outcome."""
        place = git_place(folder / "root")
        with self.drill(behaviour) as drill:
            outcome = asyncio.run(drill.runtime.work(drill.task(folder, limits), place, Memory()))
        return outcome, place

    def test_it_can_run_here(self) -> None:
        with self.drill("changes nothing") as drill:
            assert drill.runtime.problem({}) is None
            assert drill.runtime.name

    def test_a_change_is_in_the_work_tree_and_nowhere_else(self, tmp_path: Path) -> None:
        outcome, place = self.work("writes hello.txt", tmp_path, Limits(30.0))

        assert isinstance(outcome, Finished)
        assert outcome.summary.strip()
        assert (place.root / "hello.txt").read_text() == "hello\n"
        assert {entry.name for entry in place.root.iterdir()} == {".git", "hello.txt"}
        assert {entry.name for entry in tmp_path.iterdir()} == {"root", "notes"}

    def test_no_change_is_an_outcome_too(self, tmp_path: Path) -> None:
        outcome, place = self.work("changes nothing", tmp_path, Limits(30.0))

        assert isinstance(outcome, Finished)
        assert {entry.name for entry in place.root.iterdir()} == {".git"}

    def test_what_was_said_is_kept_in_the_notes(self, tmp_path: Path) -> None:
        self.work("writes hello.txt", tmp_path, Limits(30.0))

        assert any(entry.stat().st_size for entry in (tmp_path / "notes").iterdir())

    def test_a_failure_is_a_value_with_one_printable_sentence(self, tmp_path: Path) -> None:
        outcome, _ = self.work("fails", tmp_path, Limits(30.0))

        assert isinstance(outcome, Failed)
        assert 0 < len(outcome.reason) < 2_000
        assert printable(outcome.reason) == outcome.reason

    def test_the_wall_clock_ends_it_and_every_process(self, tmp_path: Path) -> None:
        outcome, place = self.work("never ends", tmp_path, Limits(1.0))

        assert isinstance(outcome, Failed)
        assert outcome.code == "timeout"
        assert place.survivors() == []

    def test_cancelling_ends_it_and_every_process(self, tmp_path: Path) -> None:
        place = git_place(tmp_path / "root")

        async def cancelled(drill: Drill) -> None:
            working = asyncio.create_task(drill.runtime.work(drill.task(tmp_path, Limits(60.0)), place, Memory()))
            async with asyncio.timeout(20):
                while not place.survivors():  # noqa: ASYNC110 - what is awaited is a process, and no event tells of it
                    await asyncio.sleep(0.02)
            working.cancel()
            with pytest.raises(asyncio.CancelledError):
                await working

        with self.drill("never ends") as drill:
            asyncio.run(cancelled(drill))

        assert place.survivors() == []

    def test_sessions_beside_each_other_do_not_mix(self, tmp_path: Path) -> None:
        async def all_at_once(drill: Drill) -> list[Outcome]:
            folders = [tmp_path / str(number) for number in range(5)]
            works = (
                drill.runtime.work(drill.task(folder, Limits(30.0)), git_place(folder / "root"), Memory())
                for folder in folders
            )
            return list(await asyncio.gather(*works))

        with self.drill("writes hello.txt") as drill:
            outcomes = asyncio.run(all_at_once(drill))

        assert all(isinstance(outcome, Finished) for outcome in outcomes)
        assert all((tmp_path / str(number) / "root/hello.txt").exists() for number in range(5))
