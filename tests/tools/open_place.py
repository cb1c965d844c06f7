"""A place without confinement, for tests: real files, real processes, a mark by which they are found."""

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from factory.base.children import run_async
from factory.base.process import RUN_MARK, Finished, Limits


@dataclass(frozen=True)
class OpenPlace:
    root: Path
    mark: str = field(default_factory=lambda: uuid4().hex)

    async def run(
        self,
        argv: Sequence[str],
        *,
        limits: Limits,
        env: Mapping[str, str] | None = None,
        stdin: bytes = b"",
        on_output: Callable[[bytes], None] | None = None,
    ) -> Finished:
        base = {"PATH": os.environ["PATH"], "HOME": str(self.root), "LANG": "C.UTF-8", RUN_MARK: self.mark}
        return await run_async(
            argv, env=base | dict(env or {}), cwd=self.root, limits=limits, stdin=stdin, on_output=on_output
        )

    def survivors(self) -> list[str]:
        """The processes of this place that still run."""
        needle = f"{RUN_MARK}={self.mark}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if needle in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(entry.name)
            except OSError:
                continue
        return found


def git_place(folder: Path) -> OpenPlace:
    """A place that is an empty git repository."""
    folder.mkdir(parents=True, exist_ok=True)
    sealed = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    subprocess.run(["git", "init", "-q", "-b", "main", str(folder)], check=True, env=sealed)
    return OpenPlace(folder)
