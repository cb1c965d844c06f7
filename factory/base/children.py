"""Children that run beside other tasks: with limits, or as companions that we talk with line by line.

The asynchronous half of ``process``, apart from it so that a command that only reads never imports asyncio.
"""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

from factory.base.process import (
    RUN_MARK,
    Finished,
    Limits,
    ProcessName,
    Tail,
    crowd,
    end_marked,
    starting,
)

_CHUNK = 1 << 16
_COUNT_S = 0.2


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
    with starting(argv[0]):
        child, cancelled = await _whole(
            asyncio.create_subprocess_exec(
                *argv,
                env=dict(env),
                cwd=cwd,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        )
    kept = Tail(limits.kept_bytes)
    ended_by = ""
    crowded = asyncio.create_task(_end_crowd(child.pid, limits.processes))
    try:
        if cancelled is not None:
            raise cancelled
        await _feed(child, stdin)
        ended_by = await _drain(child, kept, limits, started, on_output)
        if not ended_by:
            code = await _wait_until(child, started + limits.wall_s)
            ended_by = "timeout" if code is None else ""
        if crowded.done() and crowded.result():
            ended_by = "processes"
    finally:
        crowded.cancel()
        _kill_group(child.pid)
        end_marked(env.get(RUN_MARK, ""))
        # Close the pipe now: a descendant that escaped could otherwise hold it open after the kill.
        transport = child._transport  # type: ignore[attr-defined]  # noqa: SLF001 - asyncio offers no other way
        await asyncio.shield(child.wait())
        transport.close()
    return Finished(child.returncode or 0, kept.value(), b"", time.monotonic() - started, ended_by)


async def _whole(
    starting: Coroutine[Any, Any, asyncio.subprocess.Process],
) -> tuple[asyncio.subprocess.Process, asyncio.CancelledError | None]:
    """Let a start that was cancelled come to its end, so that there is a child to end.

    asyncio itself would wait until every descendant has closed the pipes, and leave the descendants alone.
    """
    task = asyncio.ensure_future(starting)
    try:
        return await asyncio.shield(task), None
    except asyncio.CancelledError as cancelled:
        return await task, cancelled


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


async def _end_crowd(leader: int, most: int | None) -> bool:
    """Kill ``leader`` once there are more than ``most`` of it and its descendants; whether there was a bound.

    A sandbox's top process takes all of its processes with it, however many there are by then.
    """
    if most is None:
        return False
    while crowd(leader) <= most:  # noqa: ASYNC110 - the kernel tells nobody how many there are
        await asyncio.sleep(_COUNT_S)
    _kill_group(leader)
    return True


def _kill_group(leader: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


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
