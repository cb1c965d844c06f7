"""The runtime ``command``: any program is an agent. Its brief is a file, its exit code the answer."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from factory.agents.runtime import Failed, Finished, Outcome, Recorder, Task
from factory.base.files import printable
from factory.base.process import Finished as Ended
from factory.base.process import Limits, ProgramMissing, Tail
from factory.tools.place import Place

_LOG_BYTES = 2 << 20
_LAST_LINES = 5
_LONGEST_SUMMARY = 1_000
_LONGEST_REASON = 600
_CANNOT_BE_STARTED = frozenset({126, 127})
"""The exit codes by which a shell says that a program may not be run, or is not there (POSIX)."""


class Command:
    """Runs ``task.command`` in the work tree with ``task.environment``; ``FACTORY_BEAD_FILE`` names the brief."""

    name = "command"
    default_model = ""

    def problem(self, task_environment: Mapping[str, str]) -> str | None:  # noqa: ARG002 - the Protocol's form
        """Nothing is needed but the program, and that is looked for inside the confinement."""
        return None

    async def work(self, task: Task, workspace: Place, recorder: Recorder) -> Outcome:
        """Run the program to its end; 0 is done, anything else is a failure told by its last lines."""
        if not task.command:
            return Failed("program-missing", "the agent has no program: set its `command`, e.g. command = ['./agent']")
        limits = Limits(task.limits.wall_s, task.limits.idle_s, kept_bytes=0)  # the log keeps it
        with OutputLog(task.notes / "output.log") as log:
            try:
                ended = await workspace.run(task.command, limits=limits, env=task.environment, on_output=log.add)
            except ProgramMissing as missing:
                return Failed("program-missing", missing.sentence)
            except OSError as error:
                # A file that is executable and no program, such as a script without its first line.
                reason = f"{printable(task.command[0])} cannot be started: {error.strerror}"
                return Failed("program-missing", reason)
            recorder.record(
                "program_ended",
                program=printable(task.command[0])[:_LONGEST_REASON],
                exit_code=ended.code,
                ended_by=ended.ended_by,
                seconds=round(ended.seconds, 3),
                output_bytes=log.seen,
            )
            return outcome_of(task, ended, log.last_lines())


def outcome_of(task: Task, ended: Ended, last_lines: list[str]) -> Outcome:
    """What the end of the program means for the session."""
    said = f"; it last said: {' / '.join(last_lines)}"[:_LONGEST_REASON] if last_lines else "; it said nothing"
    program = printable(task.command[0])
    match ended.ended_by:
        case "timeout":
            return Failed("timeout", f"{program} was ended after {task.limits.wall_s:g} s{said}")
        case "idle":
            return Failed("idle", f"{program} was ended after {task.limits.idle_s or 0:g} s without output{said}")
        case "processes":
            return Failed("exit", f"{program} started more processes than it may, and was ended{said}")
        case _:
            pass
    if ended.code == 0:
        return Finished((last_lines[-1] if last_lines else f"{program} ended well and said nothing")[:_LONGEST_SUMMARY])
    if ended.code in _CANNOT_BE_STARTED:
        return Failed("program-missing", f"{program} could not start a program (exit code {ended.code}){said}")
    how = f"exited with {ended.code}" if ended.code > 0 else f"was ended by signal {-ended.code}"
    return Failed("exit", f"{program} {how}{said}")


class OutputLog:
    """What a program printed, in a file that stays small: written as it comes, and in the end head and tail.

    A disk that is full costs the log and not the session.
    """

    def __init__(self, path: Path) -> None:
        self.seen = 0
        self._path = path
        self._kept = Tail(_LOG_BYTES)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("wb", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            if self.seen > _LOG_BYTES:
                self._file.seek(0)
                self._file.truncate()
                self._file.write(self._kept.value())
        self._file.close()

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self._kept.add(data)
        room = max(_LOG_BYTES - self.seen, 0)
        self.seen += len(data)
        if room:
            with contextlib.suppress(OSError):
                self._file.write(data[:room])

    def last_lines(self) -> list[str]:
        """The last lines that say something, each safe to print and short."""
        end = self._kept.value()[-16_384:].decode("utf-8", "replace")
        lines = [printable(line.strip())[:_LONGEST_SUMMARY] for line in end.splitlines() if line.strip()]
        return lines[-_LAST_LINES:]
