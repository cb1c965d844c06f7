"""Children beside other tasks: however early they are cancelled, none is waited for and none is left."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from factory.base.children import run_async
from factory.base.process import RUN_MARK, Limits, end_marked


@pytest.mark.parametrize("turns", range(1, 8))
def test_cancelling_while_it_starts_ends_it_and_what_it_started(turns: int) -> None:
    mark = f"test{os.getpid()}x{turns}"
    argv = ["sh", "-c", "setsid sleep 100 & sleep 100"]

    async def cancelled() -> None:
        env = {"PATH": "/usr/bin:/bin", RUN_MARK: mark}
        working = asyncio.create_task(run_async(argv, env=env, cwd=Path("/"), limits=Limits(90.0)))
        for _ in range(turns):
            await asyncio.sleep(0)
        time.sleep(0.05)  # noqa: ASYNC251 - the child goes on while the loop stands still
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(10):
                await working

    asyncio.run(cancelled())

    deadline = time.monotonic() + 5
    while end_marked(mark):
        assert time.monotonic() < deadline, "something is left"
