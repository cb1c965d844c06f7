"""What the store refuses, and what it says then."""

from pathlib import Path

from factory.base.errors import Refused, UserError
from factory.beads.graph import Blocked


class NoSuchBead(UserError):
    """There is no bead with this id."""

    def __init__(self, bead: str) -> None:
        super().__init__(f"there is no bead {bead}", "factory bead list shows what there is")
        self.bead = bead


class NotCommitted(UserError):
    """The events are on the disk, but no commit has them yet."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the beads are written but not committed yet: {error.strerror or error}",
            "make room on the disk; the next command commits them",
        )


class Unreadable(UserError):
    """A bead's file is there and cannot be read."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be read: {error.strerror or error}", "factory doctor says what to do")
        self.path = path


class NotReady(Refused):
    """Something keeps the bead from being worked on."""

    def __init__(self, bead: str, blocked: Blocked) -> None:
        where = f"factory why {blocked.blocker}" if blocked.blocker else f"factory bead edit {bead} --not-before ''"
        super().__init__(f"{bead} is not ready: {blocked.reason}", where)
        self.blocked = blocked
