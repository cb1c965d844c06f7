"""The backend "none": no boundary at all, only the same places and the same scrubbed environment."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from factory.workspaces.sandbox import Cage, Launch


class Unconfined:
    """Runs programs as they are; chosen only when the settings say ``sandbox = "none"``."""

    name = "none"
    remounts = False

    def problem(self) -> str | None:
        """Nothing is needed, so nothing is wrong."""
        return None

    def launch(
        self,
        cage: Cage,  # noqa: ARG002 - the Protocol's; there is nothing to build
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
    ) -> Launch:
        """``argv`` itself."""
        return Launch(tuple(argv), dict(env), Path(cwd))
