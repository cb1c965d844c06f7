"""The engine of one machine: one host process carries all jobs as asynchronous tasks."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from factory.base.children import Companion
from factory.base.process import ProcessName
from factory.engine.protocol import Job, Wake

_GRACE_S = 30.0
"""How long a host may take to save its sessions' work after it was told to stop, in seconds."""


class LocalEngine:
    """Jobs run in a host process that is started with the first job and ends with its floor.

    ``orders`` is the first line that each host is given: everything it must know of the settings.
    """

    name = "local"

    def __init__(self, root: Path, log: Path, orders: str, wake: Wake) -> None:
        self._root = root
        self._orders = orders
        self._deaths = 0
        self._stopping = False
        self._log = log
        self._wake = wake
        self._host: Companion | None = None
        self._running: set[Job] = set()
        self._listening: asyncio.Task[None] | None = None

    async def start(self, job: Job) -> None:
        """Hand the job to the host, starting one if there is none."""
        if self._host is None:
            argv = [sys.executable, "-m", "factory", "host"]
            self._host = await Companion.start(argv, env=os.environ, cwd=self._root, log=self._log)
            self._host.send(self._orders)
            self._listening = asyncio.create_task(self._listen(self._host))
        self._running.add(job)
        self._host.send(job.line())

    def running(self) -> frozenset[Job]:
        """The jobs handed over whose end was not heard of."""
        return frozenset(self._running)

    def deaths(self) -> int:
        """How often the host ended by itself."""
        return self._deaths

    def hosts(self) -> tuple[ProcessName, ...]:
        """The host, if there is one."""
        return (self._host.name,) if self._host else ()

    async def stop(self) -> None:
        """Close the host's input and wait until it has saved what its sessions did."""
        self._stopping = True
        if self._host is not None:
            await self._host.stop(_GRACE_S)
        if self._listening is not None:
            await self._listening

    async def _listen(self, host: Companion) -> None:
        async for line in host.lines():
            with contextlib.suppress(ValueError, TypeError):  # a stray line is nobody's end
                self._running.discard(Job.parse(line))
            self._wake()
        self._deaths += not self._stopping
        self._running.clear()
        self._host = None
        self._wake()
