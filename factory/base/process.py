"""The only door through which processes are started, waited for and ended.

Every child gets an explicit environment, no inherited file descriptors and its own session; what
it prints is bounded. ``run`` waits; ``run_async`` is for jobs beside which others go on.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.base.errors import TryAgain, UserError

RUN_MARK = "FACTORY_RUN"
"""The environment variable whose value names the session or gate run that a process belongs to."""

_END_GRACE_S = 2.0


@dataclass(frozen=True)
class Finished:
    """How a child ended: ``code`` is negative for the signal that killed it, as in ``subprocess``.

    ``ended_by`` says whether we ended it: ``""``, ``"timeout"``, ``"idle"`` or ``"stopped"``.
    """

    code: int
    out: bytes
    err: bytes
    seconds: float
    ended_by: str = ""

    @property
    def text(self) -> str:
        """Standard output as text; bytes that are not UTF-8 are replaced."""
        return self.out.decode("utf-8", "replace")


class ProgramMissing(UserError):
    """The program is not there or may not be run."""

    def __init__(self, program: str) -> None:
        super().__init__(f"the program {program!r} cannot be started", "check the path and that it is executable")
        self.program = program


class NoMoreProcesses(TryAgain):
    """The machine starts no further process for the moment."""

    def __init__(self) -> None:
        super().__init__(
            "this machine cannot start another process right now", "see what runs on it; factory goes on by itself"
        )


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes = b"",
    timeout_s: float | None = None,
    pass_fds: tuple[int, ...] = (),
) -> Finished:
    """Run ``argv`` to its end with all output in memory; past ``timeout_s`` it is killed."""
    started = time.monotonic()
    try:
        child = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise ProgramMissing(argv[0]) from error
    except BlockingIOError as error:
        raise NoMoreProcesses from error
    ended_by = ""
    with child:
        try:
            out, err = child.communicate(stdin, timeout=timeout_s)
        except subprocess.TimeoutExpired:
            ended_by = "timeout"
            child.kill()
            out, err = child.communicate()
        except BaseException:
            child.kill()
            raise
    return Finished(child.returncode, out, err, time.monotonic() - started, ended_by)


def pipe_between(
    producer: Sequence[str],
    consumer: Sequence[str],
    *,
    env: Mapping[str, str],
    consumer_env: Mapping[str, str],
    timeout_s: float | None = None,
) -> tuple[Finished, Finished]:
    """Run ``producer | consumer`` and wait for both; nothing of the stream is held in memory.

    Past ``timeout_s`` both are killed and both answers say so.
    """
    started = time.monotonic()
    with (
        subprocess.Popen(
            list(producer),
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as first,
        subprocess.Popen(
            list(consumer),
            env=dict(consumer_env),
            stdin=first.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as second,
    ):
        if first.stdout is not None:
            first.stdout.close()
        ended_by = ""
        try:
            out, err = second.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            ended_by = "timeout"
            first.kill()
            second.kill()
            out, err = second.communicate()
        first_err = first.stderr.read() if first.stderr is not None else b""
        first.wait()
    seconds = time.monotonic() - started
    return (
        Finished(first.returncode, b"", first_err, seconds, ended_by),
        Finished(second.returncode, out, err, seconds, ended_by),
    )


@dataclass(frozen=True)
class Limits:
    """What a child may use: seconds of wall clock, seconds without output, bytes of output kept."""

    wall_s: float
    idle_s: float | None = None
    kept_bytes: int = 1 << 20


class Tail:
    """The first and the last bytes of a stream, so that a gigabyte of output costs two megabytes at most."""

    def __init__(self, kept_bytes: int) -> None:
        self._half = kept_bytes // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._dropped = 0

    def add(self, data: bytes) -> None:
        """Take the next bytes of the stream."""
        room = self._half - len(self._head)
        self._head += data[:room]
        self._tail += data[max(room, 0) :]
        excess = len(self._tail) - self._half
        if excess > self._half:
            del self._tail[:excess]
            self._dropped += excess

    def value(self) -> bytes:
        """What was kept, with a line in between that says how much was left out."""
        excess = max(len(self._tail) - self._half, 0)
        dropped = self._dropped + excess
        gap = f"\n[... {dropped} bytes left out ...]\n".encode() if dropped else b""
        return bytes(self._head) + gap + bytes(self._tail[excess:])


def end_marked(mark: str) -> int:
    """Kill every process whose environment carries ``FACTORY_RUN=mark`` or ``mark.<more>``; how many there were.

    Command-line agents start tools in sessions of their own, which a kill of the process group
    leaves behind; the mark is inherited by all of them. An empty mark matches nothing. A session's
    commands are marked ``<session>.<n>``, so that the end of one does not end those beside it.
    """
    if not mark:
        return 0
    needle = f"{RUN_MARK}={mark}".encode()
    ended = 0
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            found = entry.read_bytes().split(b"\0")
            if any(row == needle or row.startswith(needle + b".") for row in found):
                os.kill(int(entry.parent.name), signal.SIGKILL)
                ended += 1
    return ended


def start_detached(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> "ProcessName":
    """Start a program of our own that outlives us, its output appended to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as sink:
        child = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    name = ProcessName.of(child.pid)
    child.returncode = 0  # it is not ours to wait for
    return name


@dataclass(frozen=True)
class ProcessName:
    """A process told apart from a later one with the same number: its pid and when it was started."""

    pid: int
    started: float

    @classmethod
    def of(cls, pid: int) -> "ProcessName":
        """The process that has this number now."""
        import psutil

        return cls(pid, psutil.Process(pid).create_time())

    @classmethod
    def own(cls) -> "ProcessName":
        """This process."""
        return cls.of(os.getpid())

    def is_alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        import psutil

        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def end(self, *, grace_s: float = _END_GRACE_S) -> None:
        """Ask the process to end, and kill it when it has not within ``grace_s`` seconds."""
        import psutil

        if not self.is_alive():
            return
        process = psutil.Process(self.pid)
        process.terminate()
        try:
            process.wait(grace_s)
        except psutil.TimeoutExpired:
            process.kill()
