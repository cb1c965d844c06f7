"""The plainest model of a store that says what must come out: a list of what happened, and a table of its own.

It knows nothing of files, ids, clocks, locks or git, and shares no code with the store: the table below is written
down a second time on purpose, from the issue's words.
"""

from dataclasses import dataclass, field

LIVE = {"proposed", "open", "working", "waiting", "queued"}
EVERY = LIVE | {"landed", "done", "dropped"}
SAME = ""

TABLE: dict[str, tuple[set[str], str, set[str]]] = {
    "bead_edited": (LIVE, SAME, {"human", "agent"}),
    "bead_linked": (LIVE, SAME, {"human", "agent"}),
    "bead_unlinked": (LIVE, SAME, {"human", "agent"}),
    "bead_commented": (EVERY, SAME, {"human", "agent", "floor", "landing"}),
    "bead_hooked": ({"proposed", "open", "waiting"}, SAME, {"human", "floor"}),
    "candidate_built": ({"queued"}, SAME, {"landing"}),
    "session_started": ({"open"}, "working", {"floor"}),
    "bead_claimed": ({"open"}, "working", {"human", "agent"}),
    "bead_released": ({"working"}, "open", {"human", "agent"}),
    "change_submitted": ({"working"}, "queued", {"agent", "human"}),
    "no_change_reported": ({"working"}, "waiting", {"agent", "human"}),
    "question_asked": ({"working"}, "waiting", {"agent", "human"}),
    "session_failed": ({"working"}, "open", {"agent", "floor"}),
    "bead_held": ({"open", "queued"}, "waiting", {"floor", "landing"}),
    "bead_returned": ({"queued"}, "open", {"landing"}),
    "bead_landed": ({"queued"}, "landed", {"landing"}),
    "change_approved": ({"waiting"}, "queued", {"human"}),
    "bead_reopened": ({"waiting", "dropped"}, "open", {"human"}),
    "bead_dropped": ({"proposed", "open", "waiting", "queued"}, "dropped", {"human"}),
}
"""In which states, to which state, by which roles."""

BY_HOLDER = {"change_submitted", "no_change_reported", "question_asked", "session_failed"}
TAKES = {"session_started", "bead_claimed"}


@dataclass
class Plain:
    """A bead as plain facts."""

    title: str
    state: str
    priority: int = 2
    labels: set[str] = field(default_factory=set)
    edges: set[tuple[str, str]] = field(default_factory=set)
    said: list[str] = field(default_factory=list)
    holder: str | None = None
    changed: bool = False


@dataclass
class World:
    """Every bead."""

    beads: dict[str, Plain] = field(default_factory=dict)

    def allows(self, bead: str, type_: str, role: str, session: str | None) -> bool:
        """Whether the table, the holder and what it needs let this happen."""
        one = self.beads[bead]
        states, _, roles = TABLE[type_]
        if one.state not in states or role not in roles:
            return False
        if type_ in BY_HOLDER or (type_ == "bead_released" and session is not None):
            return session == one.holder
        if type_ == "change_approved":
            return one.changed
        return type_ not in TAKES or not self.is_blocked(bead)

    def is_blocked(self, bead: str) -> bool:
        """By what it, or a bead above it that is not finished, needs and does not have."""
        above, seen = [bead], set()
        while above:
            one = above.pop()
            if one in seen or self.beads[one].state not in LIVE:
                continue
            seen.add(one)
            for kind, to in self.beads[one].edges:
                if kind == "needs" and self.beads[to].state not in {"landed", "done"}:
                    return True
                if kind == "part_of":
                    above.append(to)
        return False

    def would_cycle(self, start: str, edge: str, to: str) -> bool:
        """Whether ``to`` leads back to ``start`` along edges that block."""
        if edge not in {"needs", "part_of"}:
            return False
        waiting, seen = [to], set()
        while waiting:
            one = waiting.pop()
            if one == start:
                return True
            if one not in seen:
                seen.add(one)
                waiting += [next_ for kind, next_ in self.beads[one].edges if kind in {"needs", "part_of"}]
        return False

    def happens(self, bead: str, type_: str, session: str | None) -> None:
        """The state that follows, and who holds it."""
        one = self.beads[bead]
        one.state = TABLE[type_][1] or one.state
        if type_ in TAKES:
            one.holder = session
        one.changed = one.changed or type_ == "change_submitted"
