"""What was done to a file of events between two versions of it: pure, line by line, by event id."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from factory.beads.events import Event, parse_line

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class Fault:
    """The first event that was ``rewritten``, ``dropped``, ``reordered`` or ``inserted``, and on which line."""

    what: str
    line: int
    event: str

    def __str__(self) -> str:
        return f"{f'event {self.event}' if self.event else 'a line that is no event'} was {self.what}"


def lines_of(data: bytes) -> list[bytes]:
    """Lines with their ends, so that they join to the same bytes."""
    *whole, last = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([last] if last else [])


def key(line: bytes) -> bytes:
    """What makes two lines the same in a merge, which may give a line another end (``beads/union.py``)."""
    return line.rstrip(b"\r\n")


def event_in(line: bytes) -> Event | None:
    """The event of a line, also of one that an editor gave a mark at its start or another end."""
    parsed = parse_line(line.removeprefix(BOM).rstrip(b"\r\n"))
    return parsed if isinstance(parsed, Event) else None


def may_be_set_aside(line: bytes, others: Collection[bytes], before: Collection[bytes]) -> bool:
    """Whether repair may take ``line`` out of a file that then holds ``others``, and held ``before``.

    It may when the line is no event; when the same event stands there in its canonical bytes; and when an
    event of the same id and smaller bytes stood there before: that one was in force, and still is.
    """
    event = event_in(line)
    if event is None or not line.endswith(b"\n"):
        return True
    if event.line() in others:
        return True
    same = (other for other in others if other < line and other in before)
    return any(found is not None and found.id == event.id for found in map(event_in, same))


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
