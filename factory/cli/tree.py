"""Beads and their parts, as a tree: what ``bead tree`` answers. Nothing recurses; it may be as deep as the store."""

from __future__ import annotations

from factory.beads.lookup import Unknown
from factory.cli import output
from factory.cli.answers import NONE, cells, document, now, record, standing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    from factory.beads.lookup import Lookup, Row

HEADINGS = ("BEAD", "PRI", "STATE", "AGENT", "TITLE")


class Place:
    """A bead at its place in the tree; ``again`` when its parts stand at an earlier place already."""

    __slots__ = ("again", "depth", "parent", "row")

    def __init__(self, row: Row, depth: int, parent: str | None, *, again: bool) -> None:
        self.row = row
        self.depth = depth
        self.parent = parent
        self.again = again


def tree(
    lookup: Lookup, bead: str | None = None, *, finished: bool = False, as_json: bool = False
) -> Callable[[], None]:
    """A bead with all its parts or, without one, every tree in which something is live (``finished``: every tree)."""
    moment = now()
    rows = {row.id: row for row in lookup.listed((), None, None, finished=True)}
    if bead is not None and bead not in rows:
        raise Unknown(bead)
    places = planted(rows, lookup.parts(), bead)
    if bead is None and not finished:
        places = _with_something_live(places)
    lookup.require_unchanged({place.row.id for place in places})
    if as_json:
        documents: list[dict[str, Any]] = [
            {
                **document(record(lookup, place.row), **standing(place.row, moment)),
                "depth": place.depth,
                "parent": place.parent,
            }
            for place in places
        ]
        return lambda: output.document("beads", documents)
    table = [_cells(place, moment) for place in places]
    return lambda: output.table(HEADINGS, table, empty=NONE if not rows else "no bead is part of another")


def planted(rows: Mapping[str, Row], parts: Sequence[tuple[str, str]], bead: str | None = None) -> list[Place]:
    """Every place of the tree below ``bead`` or, without one, of all trees, in the order of reading.

    A bead with several parents stands below each; its own parts stand only below its first place. Beads that
    are part of each other, round and round, begin at the most urgent.
    """
    below: dict[str, list[Row]] = {}
    has_parent: set[str] = set()
    for child, parent in parts:
        if child in rows and parent in rows:
            below.setdefault(parent, []).append(rows[child])
            has_parent.add(child)
    for children in below.values():
        children.sort(key=_order)
    if bead is not None:
        return _walk([rows[bead]], below, set())
    roots = sorted((rows[parent] for parent in below if parent not in has_parent), key=_order)
    seen: set[str] = set()
    places = _walk(roots, below, seen)
    for row in sorted((rows[parent] for parent in below), key=_order):
        if row.id not in seen:
            places += _walk([row], below, seen)
    return places


def _walk(roots: Sequence[Row], below: Mapping[str, list[Row]], seen: set[str]) -> list[Place]:
    places: list[Place] = []
    waiting: list[tuple[Row, int, str | None]] = [(row, 0, None) for row in reversed(roots)]
    while waiting:
        row, depth, parent = waiting.pop()
        again = row.id in seen and row.id in below
        places.append(Place(row, depth, parent, again=again))
        if row.id not in seen:
            seen.add(row.id)
            waiting += [(child, depth + 1, row.id) for child in reversed(below.get(row.id, ()))]
    return places


def _with_something_live(places: Sequence[Place]) -> list[Place]:
    kept: list[Place] = []
    start = 0
    for end in range(1, len(places) + 1):
        if end == len(places) or places[end].depth == 0:
            if any(place.row.live for place in places[start:end]):
                kept += places[start:end]
            start = end
    return kept


def _cells(place: Place, moment: str) -> list[str]:
    *left, title = cells(place.row, moment)
    return [*left, "  " * place.depth + title + ("  (its parts: see above)" if place.again else "")]


def _order(row: Row) -> tuple[int, str, str]:
    return row.priority, row.opened, row.id
