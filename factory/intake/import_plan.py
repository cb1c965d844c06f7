"""Decides what an import opens, in which order and with which edges: pure, over values that tests compare."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from factory.base.ids import BeadId
from factory.beads.events import MAX_LINE_BYTES
from factory.beads.fields import MAX_TEXT
from factory.intake.foreign import Failure, Foreign, Loss, Reading, short

_BLOCKING = ("needs", "part_of")
_ENVELOPE = 2_048
"""Bytes of an event's line that are not its title, text, labels and edges: ids, the time, who."""
_EDGE = 36
"""Bytes of an edge at most: a bead's id of 33 letters, in quotes, and a comma."""
_LEAST_TEXT = 4_096
"""Bytes that a text always has room for; an item with so many edges that it has not is refused."""


@dataclass(frozen=True)
class Skip:
    """An item that is here already, as ``bead``."""

    item: Foreign
    bead: BeadId


@dataclass(frozen=True)
class Plan:
    """What to open, each item after those that it needs or is part of; every link names one of them or is ``here``."""

    openings: tuple[Foreign, ...]
    skips: tuple[Skip, ...]
    losses: tuple[Loss, ...]
    failures: tuple[Failure, ...]


def plan(reading: Reading, here: Mapping[str, BeadId], *, closed: bool) -> Plan:
    """The import of ``reading`` into a store that holds the keys of ``here`` already.

    Finished items are brought only when ``closed``. Older items come first, as far as their needs allow.
    """
    losses: list[Loss] = []
    known = _newest(reading.items, losses)
    skips = tuple(Skip(item, here[item.key]) for item in known.values() if item.key in here)
    new = {key: item for key, item in known.items() if key not in here}
    kind = "closed-as-dropped" if closed else "closed"
    losses.extend(Loss(kind, item.key, short(item.ending.reason)) for item in new.values() if item.ending)
    wanted = {key: item for key, item in new.items() if closed or not item.ending}
    out = reading.left_out | (set(new) - set(wanted))
    there = set(wanted) | set(here)
    linked = {key: replace(item, links=tuple(_links(item, known, there, out, losses))) for key, item in wanted.items()}
    failures = list(reading.failures)
    openings: list[Foreign] = []
    for item in _in_order(linked, losses):
        fitted = _fitted(item, losses)
        if isinstance(fitted, Failure):
            failures.append(fitted)
        else:
            openings.append(fitted)
    brought = {item.key for item in openings}
    kept = _without_links_to(openings, {failure.key for failure in failures} - brought, losses)
    said = [loss for loss in reading.losses if loss.key in brought or loss.kind in ("deleted", "not-work")]
    return Plan(tuple(kept), skips, tuple(dict.fromkeys((*said, *losses))), tuple(failures))


def _newest(items: Iterable[Foreign], losses: list[Loss]) -> dict[str, Foreign]:
    """Each item once, by key: of several the one that was changed last, or stands last."""
    chosen: dict[str, Foreign] = {}
    by_origin: dict[str, str] = {}
    for item in items:
        key = item.key if item.key in chosen else by_origin.get(item.origin, item.key)
        other = chosen.pop(key, None)
        winner, loser = (other, item) if other and other.updated_at > item.updated_at else (item, other)
        if loser is not None:
            same = replace(loser, where=winner.where) == winner
            what = "the same again" if same else "another version"
            losses.append(Loss("duplicate", loser.key, f"item {loser.where} is {what}"))
        chosen[winner.key] = winner
        by_origin[winner.origin] = winner.key
    return chosen


def _links(
    item: Foreign, known: Mapping[str, Foreign], there: set[str], out: frozenset[str] | set[str], losses: list[Loss]
) -> Iterator[tuple[str, str]]:
    """The links that can be made; the others are noted."""
    for edge, to in dict.fromkeys(item.links):
        target = known.get(to)
        if edge == "needs" and target and target.ending and target.ending.meets:
            losses.append(Loss("edge-met", item.key, short(f"needs {to}")))
        elif to == item.key:
            losses.append(Loss("edge-cycle", item.key, f"{edge} itself"))
        elif to in there:
            yield edge, to
        else:
            losses.append(Loss("edge-left-out" if to in out else "edge-missing", item.key, short(f"{edge} {to}")))


def _in_order(items: Mapping[str, Foreign], losses: list[Loss]) -> list[Foreign]:
    """Items by age, each after those it leads to along blocking edges; an edge that closes a cycle is taken out.

    One depth-first walk with a stack of its own: each item and edge is looked at once.
    """
    finished: dict[str, Foreign] = {}
    cut: dict[str, set[tuple[str, str]]] = {}
    open_: set[str] = set()
    for start in sorted(items, key=lambda key: (items[key].opened_at or "~", items[key].where)):
        stack = [(start, iter(items[start].links))] if start not in finished else []
        open_.update(key for key, _ in stack)
        while stack:
            key, links = stack[-1]
            edge, to = next(links, ("", ""))
            if not edge:
                stack.pop()
                open_.discard(key)
                gone = cut.get(key, set())
                finished[key] = replace(items[key], links=tuple(link for link in items[key].links if link not in gone))
            elif edge in _BLOCKING and to in open_:
                cut.setdefault(key, set()).add((edge, to))
                losses.append(Loss("edge-cycle", key, short(f"{edge} {to}")))
            elif edge in _BLOCKING and to in items and to not in finished:
                open_.add(to)
                stack.append((to, iter(items[to].links)))
    return list(finished.values())


def _without_links_to(items: Iterable[Foreign], gone: set[str], losses: list[Loss]) -> Iterator[Foreign]:
    for item in items:
        lost = [link for link in item.links if link[1] in gone]
        losses.extend(Loss("edge-left-out", item.key, f"{edge} {to}") for edge, to in lost)
        yield replace(item, links=tuple(link for link in item.links if link not in lost)) if lost else item


def _fitted(item: Foreign, losses: list[Loss]) -> Foreign | Failure:
    """The item with its text cut so that the event fits on one line."""
    rest = (item.title, item.origin, item.labels, item.not_before)
    room = MAX_LINE_BYTES - _ENVELOPE - _size(rest) - _EDGE * len(item.links)
    if room < _LEAST_TEXT:
        return Failure(item.where, item.key, f"it has {len(item.links)} edges, more than fit in an event")
    if len(item.text) <= MAX_TEXT and _size(item.text) <= room:
        return item
    note = f"\n\n[cut here by the import: {item.origin} has {len(item.text)} characters]"
    kept = item.text[: MAX_TEXT - len(note)]
    while _size(kept + note) > room:
        kept = kept[: min(len(kept) * room // _size(kept + note), len(kept) - 1)]
    headings = [line[3:] for line in kept.splitlines() if line.startswith("## ")]
    where = f", in {headings[-1]}" if headings else ""
    losses.append(Loss("text-cut", item.key, f"after {len(kept)} of {len(item.text)} characters{where}"))
    return replace(item, text=kept + note)


def _size(value: str | Sequence[object]) -> int:
    """Bytes that the value takes in an event's line."""
    return len(json.dumps(value, ensure_ascii=False).encode())
