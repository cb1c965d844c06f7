"""What is ready and what is blocked, and by which bead: one function for every command and for the floor."""

from collections.abc import Mapping
from dataclasses import dataclass

from factory.base.errors import Refused
from factory.base.ids import BeadId
from factory.beads.fold import Bead
from factory.beads.lifecycle import LIVE


@dataclass(frozen=True)
class Blocked:
    """An open bead cannot start because ``blocker`` is not finished; ``via`` is the ancestor that needs it, if any."""

    blocker: BeadId
    via: BeadId | None
    reason: str


def blockers(beads: Mapping[BeadId, Bead]) -> dict[BeadId, Blocked]:
    """For every live bead that is blocked, its first blocker. An open bead not in the answer is ready.

    A ``needs`` edge blocks until the other bead is landed or done. A blocked parent blocks its
    children; a parent that is merely unfinished does not. Works without recursion at any depth.
    """
    answer: dict[BeadId, Blocked] = {}
    for bead in beads.values():
        if bead.state in LIVE:
            found = _first_blocker(bead, beads)
            if found is not None:
                answer[bead.id] = found
    return answer


def _first_blocker(bead: Bead, beads: Mapping[BeadId, Bead]) -> Blocked | None:
    seen: set[BeadId] = set()
    waiting: list[Bead] = [bead]
    while waiting:
        current = waiting.pop()
        if current.id in seen:
            continue
        seen.add(current.id)
        for need in current.needs:
            reason = _unmet(beads.get(need), need)
            if reason:
                via = None if current.id == bead.id else current.id
                return Blocked(need, via, f"{reason}, and {via} needs it" if via else reason)
        waiting.extend(beads[parent] for parent in current.linked("part_of") if parent in beads)
    return None


def _unmet(needed: Bead | None, id_: BeadId) -> str:
    if needed is None:
        return f"it needs {id_}, which is not in this store"
    if needed.state in ("landed", "done"):
        return ""
    if needed.state == "dropped":
        return f"it needs {id_}, which was dropped"
    return f"it needs {id_}, which is {needed.state}"


def ready(beads: Mapping[BeadId, Bead]) -> list[Bead]:
    """The open beads that nothing blocks, by priority and then age."""
    blocked = blockers(beads)
    return sorted(
        (bead for bead in beads.values() if bead.state == "open" and bead.id not in blocked),
        key=lambda bead: bead.order,
    )


class WouldCycle(Refused):
    """The edge would make a bead wait for itself."""

    def __init__(self, path: tuple[BeadId, ...]) -> None:
        super().__init__(f"that would make a cycle: {' needs '.join(path)}", "remove one of these edges first")
        self.path = path


def check_edge(beads: Mapping[BeadId, Bead], start: BeadId, edge: str, to: BeadId) -> None:
    """Raise ``WouldCycle`` when ``start`` could be reached from ``to`` along blocking edges."""
    if edge not in ("needs", "part_of"):
        return
    if start == to:
        raise WouldCycle((start, to))
    came_from: dict[BeadId, BeadId] = {}
    waiting = [to]
    while waiting:
        current = waiting.pop()
        if current == start:
            raise WouldCycle(_path_back(came_from, to, start))
        bead = beads.get(current)
        if bead is None:
            continue
        for kind in ("needs", "part_of"):
            for following in bead.linked(kind):
                if following != to and following not in came_from:
                    came_from[following] = current
                    waiting.append(following)


def _path_back(came_from: Mapping[BeadId, BeadId], first: BeadId, last: BeadId) -> tuple[BeadId, ...]:
    path = [last]
    while path[-1] != first:
        path.append(came_from[path[-1]])
    return (last, *reversed(path))
