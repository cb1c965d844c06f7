"""The process that carries jobs: one line in for each, one line out when it has ended, all at once inside."""

import asyncio
import sys
import traceback
from collections.abc import Awaitable, Callable

from factory.engine.protocol import Job

Work = Callable[[Job], Awaitable[None]]
"""Does one job, start to finish."""


async def serve(prepare: Callable[[str], Work]) -> None:
    """Run every job that is named on standard input until it ends; then stop the rest in order and return.

    The first line is the floor's orders, from which ``prepare`` makes what does the jobs: a host decides
    nothing from what stands on the disk by now.

    What a job did stands in the log. A job that raises is a bug: its traceback goes to standard error,
    which is the host's log file, and the others go on.
    """
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    work = prepare((await reader.readline()).decode())
    tasks: set[asyncio.Task[None]] = set()
    async for line in reader:
        job = Job.parse(line.decode())
        task = asyncio.create_task(_carry(work, job))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _carry(work: Work, job: Job) -> None:
    try:
        await work(job)
    except Exception:  # noqa: BLE001 - the edge of the process for this job
        traceback.print_exc(file=sys.stderr)
    finally:
        sys.stdout.write(f"{job.line()}\n")
        sys.stdout.flush()
