"""Events made by hand, for the pure parts: a clock that only a test moves, and stories as short words."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from factory.base.clock import iso
from factory.base.ids import BeadId, HybridClock, SessionId
from factory.beads.events import Event

BEAD = BeadId("fa-0000")
OID = "1" * 40


@dataclass
class HandClock:
    """A clock that stands still until it is moved; milliseconds since the epoch."""

    ms: int = 1_700_000_000_000

    def now_ms(self) -> int:
        """The time it was last moved to."""
        return self.ms


@dataclass
class Maker:
    """Makes events of one bead, each later than the one before."""

    clock: HandClock = field(default_factory=HandClock)
    ids: HybridClock = field(init=False)

    def __post_init__(self) -> None:
        self.ids = HybridClock(self.clock, node=1)

    def event(self, type_: str, by: str, data: Mapping[str, object] | None = None, session: str | None = None) -> Event:
        """One event."""
        event_id, ms = self.ids.next()
        return Event(event_id, iso(ms), by, BEAD, SessionId(session) if session else None, type_, dict(data or {}))

    def opened(self, **data: object) -> Event:
        """``bead_opened`` by a person."""
        return self.event("bead_opened", "human:ana@example.org", {"title": "Do it", **data})

    def started(self, session: str = "s1", attempt: int = 1) -> Event:
        """``session_started`` by the floor."""
        data = {"agent": "ada", "runtime": "command", "attempt": attempt, "base": OID, "branch": f"factory/x/{attempt}"}
        return self.event("session_started", "floor:here", data, session)

    def submitted(self, session: str = "s1") -> Event:
        """``change_submitted`` by the agent of ``session``."""
        return self.event("change_submitted", "agent:ada", {"head": OID, "base": OID, "summary": "did it"}, session)
