"""Run a shell command inside the confinement."""

import re

from pydantic import Field

from factory.base.process import Limits
from factory.tools.place import Place
from factory.tools.tool import Input, Tool, ToolResult

_KEPT_BYTES = 24_000
_LONGEST_S = 1_800
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_BASH_IF_THERE = 'command -v bash >/dev/null 2>&1 && exec bash -c "$1"; exec sh -c "$1"'


class Run(Input):
    """A command and how long it may take."""

    command: str = Field(min_length=1, max_length=100_000, description="the command; its folder is the work tree")
    timeout_s: int = Field(default=120, ge=1, le=_LONGEST_S, description="seconds after which it is ended")


async def _run(place: Place, wanted: Run) -> ToolResult:
    limits = Limits(wall_s=float(wanted.timeout_s), kept_bytes=_KEPT_BYTES)
    ended = await place.run(["sh", "-c", _BASH_IF_THERE, "sh", wanted.command], limits=limits)
    output = _COLOURS.sub("", ended.text).replace("\0", "").rstrip()
    if ended.ended_by:
        told = f"ended after {ended.seconds:.0f} s ({ended.ended_by}); nothing of it runs any more"
    elif ended.code < 0:
        told = f"killed by signal {-ended.code}"
    else:
        told = f"exit code {ended.code}"
    return ToolResult(f"{output}\n[{told}]".lstrip("\n"), is_error=bool(ended.code or ended.ended_by))


RUN = Tool(
    "run",
    "Run a shell command and get its output and exit code. Each call is a new shell in the work tree with no "
    "network and no terminal; what it leaves in the background is ended with it.",
    Run,
    read_only=False,
    act=_run,
)
