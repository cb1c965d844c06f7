"""The lines of a file that was damaged: which stay, which are mended, which are set aside. Pure.

Nothing is thrown away: what does not stay is answered byte for byte. A line whose event can be read in spite of
its damage (a byte order mark, CRLF) is set aside as it is, and the same line without the damage stands at the
end of the file: so the file, on the branch too, only loses what was set aside and only grows at its end. Of two
lines with one id the one that the branch has stays; where it has both, the bytewise smaller event, which was in
force in every clone.
"""

from collections.abc import Collection
from typing import NamedTuple

from factory.beads.events import Event, parse_line, parse_lines

BOM = b"\xef\xbb\xbf"


class Mended(NamedTuple):
    """What the file becomes, what is set aside of it (pieces without an end each by themselves), and what was wrong."""

    content: bytes
    aside: tuple[bytes, ...]
    is_mangled: bool
    """Whether bytes that the branch has were not in the file any more."""
    reasons: tuple[str, ...]


def lines_of(data: bytes) -> list[bytes]:
    """Lines with their ends, so that they join to the same bytes."""
    *whole, last = data.split(b"\n")
    return [line + b"\n" for line in whole] + ([last] if last else [])


def undressed(line: bytes) -> bytes:
    """A line without what an editor put around it."""
    return line.removeprefix(BOM).rstrip(b"\r\n") + b"\n"


def event_in(line: bytes) -> Event | None:
    """The event of a line, also of one that an editor dressed."""
    parsed = parse_line(undressed(line))
    return parsed if isinstance(parsed, Event) else None


def mend(raw: bytes, published: bytes) -> Mended:
    """What becomes of a file that holds ``raw`` where the branch has ``published``."""
    is_mangled = not raw.startswith(published)
    rows, lost = _restored(raw, published) if is_mangled else (lines_of(raw), [])
    found = [(row, event_in(row) if row.endswith(b"\n") else None) for row in rows]
    best = _best([event for _, event in found[: len(lines_of(published))] if event is not None])
    best = _best([event for _, event in found if event is not None]) | best
    stays: dict[str, bytes] = {}
    kept: list[bytes] = []
    dressed: dict[str, bytes] = {}
    reasons: list[str] = []
    for row, event in found:
        reason = _wrong(row)
        if event is not None and not reason and event.line() == best[event.id]:
            if stays.setdefault(event.id, row) == row:
                kept.append(row)
                continue
        elif event is not None and event.line() == best[event.id]:
            dressed.setdefault(event.id, undressed(row))
        lost.append(row)
        reasons.append(reason or "an id that stands on another line with other content")
    kept += [row for id_, row in dressed.items() if id_ not in stays]
    whole = b"".join(row for row in lost if row.endswith(b"\n"))
    aside = (whole, *(row for row in lost if not row.endswith(b"\n")))
    return Mended(b"".join(kept), tuple(filter(None, aside)), is_mangled, tuple(reasons))


def _best(events: list[Event]) -> dict[str, bytes]:
    """The event that counts of each id."""
    best: dict[str, bytes] = {}
    for event in events:
        line = event.line()
        best[event.id] = min(best.get(event.id, line), line)
    return best


def _restored(raw: bytes, published: bytes) -> tuple[list[bytes], list[bytes]]:
    """The branch's lines with our later whole events after them, and whatever else the file held."""
    rows = lines_of(published)
    known = set(rows)
    ids = {event.id for event in map(event_in, rows) if event is not None}
    lost: list[bytes] = []
    for row in lines_of(raw):
        event = event_in(row) if row.endswith(b"\n") else None
        if event is not None and event.id not in ids:
            rows.append(row)
        elif row not in known:
            lost.append(row)
    return rows, lost


def _wrong(row: bytes) -> str:
    """What is wrong with one line by itself, or nothing."""
    return next((item.reason for item in parse_lines(row, "") if not isinstance(item, Event)), "")


def may_be_set_aside(line: bytes, others: Collection[bytes], before: Collection[bytes]) -> bool:
    """Whether repair may take ``line`` out of a file that then holds ``others``, and held ``before``.

    It may when the line is no event; when the same line without its damage stands there; and when an event of
    the same id and no larger bytes stood there before: that one was in force, and still is.
    """
    event = event_in(line)
    if event is None or not line.endswith(b"\n"):
        return True
    if undressed(line) != line and undressed(line) in others:
        return True
    same = (event_in(other) for other in others if other != line and other in before)
    return any(found is not None and found.id == event.id and found.line() <= event.line() for found in same)
