"""Where tools act: all that they, and the agents' runtimes, may rely on of a workspace."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from factory.base.process import Finished, Limits


class Place(Protocol):
    """A folder of files, and a way to run programs in it that is as confined as the place is."""

    @property
    def root(self) -> Path:
        """The work tree, as the host sees it."""
        ...

    async def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        """Run a program with the work tree as its folder; output and errors are one stream."""
        ...
