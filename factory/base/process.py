"""The only door through which processes are started, waited for and ended.

Every child gets an explicit environment, no inherited file descriptors and its own session; what
it prints is bounded. ``run`` waits; ``run_async`` is for jobs beside which others go on.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.base.errors import UserError

RUN_MARK = "FACTORY_RUN"
"""The environment variable whose value names the session or gate run that a process belongs to."""

_CHUNK = 1 << 16
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


async def run_async(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    limits: Limits,
    stdin: bytes = b"",
    on_output: Callable[[bytes], None] | None = None,
) -> Finished:
    """Run ``argv`` beside other tasks; output and errors are one stream, kept as ``limits`` says.

    The child leads a session of its own. Whatever the end (its own, a limit, cancellation of the
    task), its process group and every process that carries its run mark are ended before this returns.
    """
    started = time.monotonic()
    try:
        child = await asyncio.create_subprocess_exec(
            *argv,
            env=dict(env),
            cwd=cwd,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        raise ProgramMissing(argv[0]) from error
    kept = Tail(limits.kept_bytes)
    ended_by = ""
    try:
        await _feed(child, stdin)
        ended_by = await _drain(child, kept, limits, started, on_output)
        if not ended_by:
            code = await _wait_until(child, started + limits.wall_s)
            ended_by = "timeout" if code is None else ""
    finally:
        _kill_group(child.pid)
        end_marked(env.get(RUN_MARK, ""))
        # Close the pipe now: a descendant that escaped could otherwise hold it open after the kill.
        transport = child._transport  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio offers no other way
        await asyncio.shield(child.wait())
        transport.close()
    return Finished(child.returncode or 0, kept.value(), b"", time.monotonic() - started, ended_by)


async def _feed(child: asyncio.subprocess.Process, data: bytes) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        child.stdin.write(data)
        await child.stdin.drain()
    child.stdin.close()


async def _drain(
    child: asyncio.subprocess.Process,
    kept: Tail,
    limits: Limits,
    started: float,
    on_output: Callable[[bytes], None] | None,
) -> str:
    """Read until the child has ended or a limit is reached; the answer is the limit's name or nothing.

    The child's end counts, not the pipe's: a grandchild may keep the pipe open for ever.
    """
    assert child.stdout is not None
    deadline = started + limits.wall_s
    ended = asyncio.ensure_future(child.wait())
    try:
        while True:
            now = time.monotonic()
            wait_s = min(deadline - now, limits.idle_s if limits.idle_s is not None else deadline - now)
            if wait_s <= 0:
                return "timeout"
            reading = asyncio.ensure_future(child.stdout.read(_CHUNK))
            await asyncio.wait({reading, ended}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
            if not reading.done() and ended.done():
                await asyncio.wait({reading}, timeout=0.05)
            if not reading.done():
                reading.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reading
                if ended.done():
                    return ""
                return "timeout" if time.monotonic() >= deadline else "idle"
            data = reading.result()
            if not data:
                return ""
            kept.add(data)
            if on_output is not None:
                on_output(data)
    finally:
        ended.cancel()


async def _wait_until(child: asyncio.subprocess.Process, deadline: float) -> int | None:
    try:
        return await asyncio.wait_for(child.wait(), max(deadline - time.monotonic(), 0.01))
    except TimeoutError:
        return None


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


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


class Companion:
    """A program of our own that works beside us: lines go in, lines come out, and it ends with us.

    It stays in our process group, so that whoever kills the group kills it too, and it reads the end of
    its input as the order to stop.
    """

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self.name = ProcessName.of(child.pid)

    @classmethod
    async def start(cls, argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path) -> "Companion":
        """Start ``argv``; what it says on standard error is appended to ``log``."""
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            child = await asyncio.create_subprocess_exec(
                *argv,
                env=dict(env),
                cwd=cwd,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=sink,
            )
        return cls(child)

    def send(self, line: str) -> None:
        """Hand it one line; a companion that has ended takes nothing and says so by ending ``lines``."""
        assert self._child.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._child.stdin.write(f"{line}\n".encode())

    async def lines(self) -> AsyncIterator[str]:
        """What it says, line by line, until it ends."""
        assert self._child.stdout is not None
        async for raw in self._child.stdout:
            yield raw.decode("utf-8", "replace").rstrip("\n")

    async def stop(self, grace_s: float) -> None:
        """Close its input, give it ``grace_s`` seconds to finish, then kill it."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            await asyncio.wait_for(self._child.wait(), grace_s)
        except TimeoutError:
            self._child.kill()
            await self._child.wait()


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
