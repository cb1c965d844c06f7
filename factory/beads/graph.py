"""What is ready and what is blocked, and by which bead: one function for every command, the index and the floor.

``standings`` looks upwards from the beads it is asked about, so that an index can ask anew for the few that
an event concerns; ``blockers`` asks for all. Nothing here recurses: a chain may be as long as the store.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from factory.base.errors import Refused
from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.lifecycle import LIVE, State


class Node(NamedTuple):
    """What of a bead decides who waits for it: ``needs`` and ``parents`` are sorted; ``not_before`` may be empty."""

    state: State
    needs: tuple[BeadId, ...]
    parents: tuple[BeadId, ...]
    not_before: str


_TOLD = 8
"""Steps of a cycle that are named."""

_MANY = 50
"""Beads; in a larger tangle all members are told one way round, not each its own, which would take the square."""


@dataclass(frozen=True)
class Ring:
    """A cycle of blocking edges: each ``(bead, edge)`` leads to the next bead, and the last to the first."""

    steps: tuple[tuple[BeadId, str], ...]

    def __str__(self) -> str:
        words = " ".join(f"{bead} {'needs' if edge == 'needs' else 'is part of'}" for bead, edge in self.steps[:_TOLD])
        more = f"... and {len(self.steps) - _TOLD} more, back to " if len(self.steps) > _TOLD else ""
        return f"{words} {more}{self.steps[0][0]}"

    def after(self, bead: BeadId) -> BeadId:
        """The bead that ``bead`` waits for or, where it is not on the way round itself, one that is."""
        members = [member for member, _ in self.steps]
        return members[(members.index(bead) + 1) % len(members)] if bead in members[:_MANY] else members[0]


class View(Protocol):
    """Wherever beads are looked up: in memory, in the index, in the files."""

    def node(self, bead: BeadId) -> Node | None:
        """The bead, or ``None`` when there is none."""
        ...


@dataclass(frozen=True)
class Blocked:
    """A live bead that cannot start, because ``blocker`` is not finished or, without one, because of ``until``.

    ``via`` is the ancestor that it is blocked through, if any. A wait for ``until`` (as ``clock.iso``
    writes it) ends by itself.
    """

    blocker: BeadId | None
    via: BeadId | None
    reason: str
    until: str = ""

    def holds(self, now: str) -> bool:
        """Whether it still does at ``now``."""
        return not self.until or now < self.until


class _Source(NamedTuple):
    """Where a blockage comes from: ``bead``, ``steps`` above, which needs ``blocker`` or stands in a cycle."""

    steps: int
    bead: BeadId
    blocker: BeadId


class _Delay(NamedTuple):
    """The latest ``not_before`` of a bead and its ancestors, and whose it is."""

    until: str
    steps: int
    bead: BeadId


_Found = tuple[_Source | None, _Delay]


def standings(view: View, beads: Iterable[BeadId], rings: Mapping[BeadId, Ring]) -> dict[BeadId, Blocked | None]:
    """What keeps each live bead from starting, or ``None``; ``rings`` are the cycles among them and their ancestors.

    A ``needs`` edge blocks until the other bead is landed or done. A blocked parent blocks its children, at
    any depth; a parent that is merely unfinished does not, and one that is finished hands nothing down. Of
    several blockers the nearest counts, then the one with the smallest id. Each ancestor is looked at once.
    """
    found: dict[BeadId, _Found] = {}
    answer: dict[BeadId, Blocked | None] = {}
    for bead in beads:
        node = view.node(bead)
        if node is None or node.state not in LIVE:
            continue
        stack = [bead]
        while stack:
            here = stack[-1]
            parents = _handing_down(view, here, rings)
            missing = [parent for parent in parents if parent not in found]
            if missing:
                stack += missing
            else:
                stack.pop()
                found[here] = _looked_at(view, here, rings, [found[parent] for parent in parents])
        answer[bead] = _in_words(view, bead, rings, found[bead])
    return answer


def _handing_down(view: View, bead: BeadId, rings: Mapping[BeadId, Ring]) -> list[BeadId]:
    """The live parents; none for a member of a cycle, which is blocked by that and would lead round and round."""
    node = view.node(bead)
    if node is None or bead in rings:
        return []
    return [parent for parent in node.parents if (above := view.node(parent)) is not None and above.state in LIVE]


def _looked_at(view: View, bead: BeadId, rings: Mapping[BeadId, Ring], above: list[_Found]) -> _Found:
    node = view.node(bead)
    assert node is not None
    delays = [_Delay(node.not_before, 0, bead)]
    delays += [_Delay(delay.until, delay.steps + 1, delay.bead) for _, delay in above]
    delay = min(delays, key=lambda one: (one.steps, one.bead))
    latest = max(one.until for one in delays)
    if latest != delay.until:
        delay = min((one for one in delays if one.until == latest), key=lambda one: (one.steps, one.bead))
    if bead in rings:
        return _Source(0, bead, rings[bead].after(bead)), delay
    unmet = next((need for need in node.needs if _unmet(view.node(need), need, "")), None)
    if unmet is not None:
        return _Source(0, bead, unmet), delay
    sources = [_Source(source.steps + 1, source.bead, source.blocker) for source, _ in above if source]
    return min(sources, default=None), delay


def _in_words(view: View, bead: BeadId, rings: Mapping[BeadId, Ring], found: _Found) -> Blocked | None:
    source, delay = found
    if source is not None:
        via = None if source.bead == bead else source.bead
        if source.bead in rings:
            who = f"{via}, which it is part of," if via else "it"
            return Blocked(source.blocker, via, f"{who} waits for itself: {rings[source.bead]}")
        return Blocked(source.blocker, via, _unmet(view.node(source.blocker), source.blocker, via or "it"))
    if not delay.until:
        return None
    via = None if delay.bead == bead else delay.bead
    return Blocked(None, via, f"{via or 'it'} is put off until {_short(delay.until)}", delay.until)


def _unmet(needed: Node | None, id_: BeadId, who: str) -> str:
    """Why ``who`` cannot go on for want of the bead ``id_``, or nothing."""
    if needed is None:
        return f"{who} needs {id_}, which is not in this store"
    if needed.state in ("landed", "done"):
        return ""
    if needed.state == "dropped":
        return f"{who} needs {id_}, which was dropped"
    return f"{who} needs {id_}, which is {needed.state}"


def _short(moment: str) -> str:
    """``2026-12-01`` for a day's first moment, else to the minute."""
    return moment[:10] if moment[10:] == "T00:00:00.000Z" else f"{moment[:16]}Z"


class InMemory:
    """A view of beads that are all in memory."""

    def __init__(self, beads: Mapping[BeadId, Bead]) -> None:
        self._nodes = {id_: as_node(bead) for id_, bead in beads.items()}

    def node(self, bead: BeadId) -> Node | None:
        """The bead, or ``None`` when there is none."""
        return self._nodes.get(bead)


def as_node(bead: Bead) -> Node:
    """What the graph needs of a bead."""
    return Node(bead.state, bead.needs, bead.linked("part_of"), bead.not_before)


def blockers(beads: Mapping[BeadId, Bead], now: str) -> dict[BeadId, Blocked]:
    """Why each blocked live bead is blocked at ``now`` (as ``clock.iso`` has it). An open bead not in it is ready."""
    view = InMemory(beads)
    found = standings(view, beads, cycles(view, beads))
    return {id_: blocked for id_, blocked in found.items() if blocked is not None and blocked.holds(now)}


def ready(beads: Mapping[BeadId, Bead], now: str) -> list[Bead]:
    """The open beads that nothing blocks at ``now``, by priority and then age."""
    blocked = blockers(beads, now)
    return sorted(
        (bead for bead in beads.values() if bead.state == "open" and bead.id not in blocked),
        key=lambda bead: bead.order,
    )


def _waits_for(view: View, bead: BeadId) -> list[tuple[str, BeadId]]:
    """The edges along which a live bead waits: needs that are unmet, and live parents."""
    node = view.node(bead)
    if node is None or node.state not in LIVE:
        return []
    needs = [("needs", to) for to in node.needs if (it := view.node(to)) is not None and it.state in LIVE]
    parents = [("part_of", to) for to in node.parents if (it := view.node(to)) is not None and it.state in LIVE]
    return needs + parents


def cycles(view: View, beads: Iterable[BeadId]) -> dict[BeadId, Ring]:
    """Each bead that waits for itself, and a shortest way round; a ring begins with its bead.

    Looks at ``beads`` and all that they wait for. Strongly connected components by Tarjan's algorithm
    (1972), with a stack of its own in place of recursion.
    """
    found: dict[BeadId, Ring] = {}
    for tangle in _components(view, beads):
        if len(tangle) > _MANY:
            found |= dict.fromkeys(tangle, _way_round(view, min(tangle), tangle))
        else:
            found |= {bead: _way_round(view, bead, tangle) for bead in tangle}
    return found


def _components(view: View, beads: Iterable[BeadId]) -> list[frozenset[BeadId]]:
    """The strongly connected components with more than one bead, or with one that waits for itself."""
    number: dict[BeadId, int] = {}
    low: dict[BeadId, int] = {}
    stack: list[BeadId] = []
    on_stack: set[BeadId] = set()
    found: list[frozenset[BeadId]] = []
    for start in beads:
        if start in number:
            continue
        work = [(start, iter(_waits_for(view, start)))]
        number[start] = low[start] = len(number)
        stack.append(start)
        on_stack.add(start)
        while work:
            bead, edges = work[-1]
            following = next((to for _, to in edges if to not in number or to in on_stack), None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[bead])
                if low[bead] == number[bead]:
                    found += _popped(view, bead, stack, on_stack)
            elif following in number:
                low[bead] = min(low[bead], number[following])
            else:
                number[following] = low[following] = len(number)
                stack.append(following)
                on_stack.add(following)
                work.append((following, iter(_waits_for(view, following))))
    return found


def _popped(view: View, root: BeadId, stack: list[BeadId], on_stack: set[BeadId]) -> list[frozenset[BeadId]]:
    at = len(stack) - 1
    while stack[at] != root:
        at -= 1
    ring = frozenset(stack[at:])
    del stack[at:]
    on_stack -= ring
    is_ring = len(ring) > 1 or any(to == root for _, to in _waits_for(view, root))
    return [ring] if is_ring else []


def _way_round(view: View, bead: BeadId, ring: frozenset[BeadId]) -> Ring:
    """The shortest way from ``bead`` back to itself inside its component."""
    came: dict[BeadId, tuple[BeadId, str]] = {}
    level = [bead]
    while True:
        following = []
        for here in level:
            for edge, to in sorted(_waits_for(view, here), key=lambda step: step[1]):
                if to == bead:
                    steps = [(here, edge)]
                    while steps[-1][0] != bead:
                        steps.append(came[steps[-1][0]])
                    return Ring(tuple(reversed(steps)))
                if to in ring and to not in came:
                    came[to] = (here, edge)
                    following.append(to)
        level = following


class WouldCycle(Refused):
    """The edge would make a bead wait for itself."""

    def __init__(self, path: tuple[BeadId, ...]) -> None:
        told = [*path[:_TOLD], f"... ({len(path) - _TOLD} more)"] if len(path) > _TOLD + 1 else path
        hint = "factory bead unlink takes one of these edges out"
        super().__init__(f"that would make a cycle: {' -> '.join(told)}", hint)
        self.path = path


def check_edge(view: View, start: BeadId, edge: str, to: BeadId) -> None:
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
        node = view.node(current)
        for following in (*node.needs, *node.parents) if node else ():
            if following != to and following not in came_from:
                came_from[following] = current
                waiting.append(following)


def _path_back(came_from: Mapping[BeadId, BeadId], first: BeadId, last: BeadId) -> tuple[BeadId, ...]:
    path = [last]
    while path[-1] != first:
        path.append(came_from[path[-1]])
    return (last, *reversed(path))
