"""What was done to a file of events between two versions of it: pure, line by line, by event id."""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from factory.beads.lines import event_in


@dataclass(frozen=True)
class Fault:
    """The first event that was ``rewritten``, ``dropped``, ``reordered`` or ``inserted``, and on which line."""

    what: str
    line: int
    event: str

    def __str__(self) -> str:
        return f"{f'event {self.event}' if self.event else 'a line that is no event'} was {self.what}"


def key(line: bytes) -> bytes:
    """What makes two lines the same in a merge, which may give a line another end (``beads/union.py``)."""
    return line.rstrip(b"\r\n")


def fault(old: Sequence[bytes], new: Sequence[bytes], may_leave: Callable[[bytes], bool]) -> Fault | None:
    """Why ``new`` is not ``old`` with lines added at its end, less lines that may leave."""
    at = 0
    for index, line in enumerate(old):
        if at < len(new) and (new[at] == line or (index == len(old) - 1 and _goes_on(line, new[at]))):
            at += 1
        elif not may_leave(line):
            return _diagnosed(old, new, index, at)
    return None


def _goes_on(torn: bytes, line: bytes) -> bool:
    """Whether a last line without its end was merely finished."""
    return not torn.endswith(b"\n") and line.startswith(torn)


def _diagnosed(old: Sequence[bytes], new: Sequence[bytes], index: int, at: int) -> Fault:
    line = old[index]
    event = _id(line)
    if line in new[at:]:
        stranger = new[at]
        if stranger not in old:
            return Fault("inserted", at + 1, _id(stranger))
        return Fault("reordered", index + 1, event)
    known = {_id(other) for other in new} - {""}
    return Fault("rewritten" if event in known else "dropped", index + 1, event)


def _id(line: bytes) -> str:
    event = event_in(line)
    return event.id if event is not None else ""


def merge_fault(
    sides: Iterable[Sequence[bytes]],
    merged: Sequence[bytes],
    is_elsewhere: Callable[[bytes], bool],
    was_elsewhere: Callable[[bytes], bool],
) -> Fault | None:
    """Why ``merged`` is not the union of its sides: a line of one is in no file, or one is there that none had."""
    result = set(map(key, merged))
    known: set[bytes] = set()
    for side in sides:
        for number, line in enumerate(side, start=1):
            known.add(key(line))
            if key(line) not in result and not is_elsewhere(line):
                event = _id(line)
                versions = {_id(other) for other in merged} - {""}
                return Fault("rewritten by a merge" if event in versions else "dropped by a merge", number, event)
    for number, line in enumerate(merged, start=1):
        if key(line) not in known and not was_elsewhere(line):
            return Fault("inserted by a merge", number, _id(line))
    return None


def overruled(content: bytes, ends: Collection[int]) -> Fault | None:
    """The first event of a file whose id a later line has too, with smaller bytes, which would count instead.

    ``ends`` are the sizes that the file once had: lines that arrived together overrule nothing.
    """
    first: dict[bytes, tuple[bytes, int]] = {}
    at = 0
    for number, line in enumerate(content.split(b"\n"), start=1):
        start, at = at, at + len(line) + 1
        found = _EVENT_ID.search(line)
        if found is None:
            continue
        earlier, end = first.setdefault(found[1], (line, at))
        if line < earlier and any(end <= size <= start for size in ends):
            return Fault("rewritten by a second line with its id", number, found[1].decode())
    return None


_EVENT_ID = re.compile(rb'"id":"([0-9A-HJKMNP-TV-Z]{26})"')
