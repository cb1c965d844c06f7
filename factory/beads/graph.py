"""What is ready and what is blocked, and by which bead: one function for every command and for the floor."""

from collections import deque
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
    """For every live bead that is blocked, its blocker. An open bead not in the answer is ready.

    A ``needs`` edge blocks until the other bead is landed or done. A blocked parent blocks its
    children, at any depth; a parent that is merely unfinished does not. Each bead and edge is looked
    at once.
    """
    children: dict[BeadId, list[BeadId]] = {}
    answer: dict[BeadId, Blocked] = {}
    for bead in beads.values():
        if bead.state not in LIVE:
            continue
        for parent in bead.linked("part_of"):
            children.setdefault(parent, []).append(bead.id)
        unmet = next(((need, reason) for need in bead.needs if (reason := _unmet(beads.get(need), need))), None)
        if unmet is not None:
            answer[bead.id] = Blocked(unmet[0], None, unmet[1])
    spreading = deque(sorted(answer))
    while spreading:
        parent = spreading.popleft()
        above = answer[parent]
        via = above.via or parent
        for child in sorted(children.get(parent, ())):
            if child not in answer:
                answer[child] = Blocked(above.blocker, via, _unmet(beads.get(above.blocker), above.blocker, via))
                spreading.append(child)
    return answer


def _unmet(needed: Bead | None, id_: BeadId, who: str = "it") -> str:
    """Why ``who`` cannot go on for want of the bead ``id_``, or nothing."""
    if needed is None:
        return f"{who} needs {id_}, which is not in this store"
    if needed.state in ("landed", "done"):
        return ""
    if needed.state == "dropped":
        return f"{who} needs {id_}, which was dropped"
    return f"{who} needs {id_}, which is {needed.state}"


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
