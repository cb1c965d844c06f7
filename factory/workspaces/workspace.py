"""The life of one workspace: leased, worked in, emptied through the valve, given back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.base.ids import CommitId
from factory.base.process import Finished, Limits


@dataclass(frozen=True)
class Workspace:
    """A linked worktree at ``root`` whose programs run confined."""

    root: Path
    base: CommitId

    async def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """Run a program inside the confinement with the work tree as its folder."""
        raise NotImplementedError
