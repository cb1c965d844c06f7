"""The envelope of an event: one line of JSON, written once, never changed.

``{"v":1,"id":…,"at":…,"by":…,"on":…,"session":…,"type":…,"data":{…}}`` in one canonical byte form, so
that two clones that hold the same event hold the same bytes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from operator import itemgetter, lt
from types import MappingProxyType
from typing import NamedTuple

from factory.base.ids import BeadId, EventId, SessionId, is_bead_id, is_event_id

VERSION = 1
MAX_LINE_BYTES = 64 * 1024
"""Longer text does not fit in an event; a writer shortens or refuses it (DESIGN §5)."""


class Event(NamedTuple):
    """One thing that happened to a bead: who (``by``), when (``at``, RFC 3339 in UTC), what (``type``, ``data``).

    A named tuple, because a million of them are made when an index is built (a frozen dataclass takes
    four times as long).
    """

    id: EventId
    at: str
    by: str
    on: BeadId
    session: SessionId | None
    type: str
    data: Mapping[str, object]
    version: int = VERSION

    @property
    def role(self) -> str:
        """The part of ``by`` before the colon: ``human``, ``agent``, ``floor`` or ``landing``."""
        return self.by.partition(":")[0]

    def line(self) -> bytes:
        """The event as its canonical line, newline included."""
        record = {
            "v": self.version,
            "id": self.id,
            "at": self.at,
            "by": self.by,
            "on": self.on,
            "session": self.session,
            "type": self.type,
            "data": dict(self.data),
        }
        return json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode() + b"\n"


class Damage(NamedTuple):
    """A line that is not as a writer leaves it: where it is, and what is wrong with it."""

    file: str
    line: int
    reason: str


_MARKERS = (b"<<<<<<<", b"=======", b">>>>>>>", b"|||||||")
_DRESSED = (b"", b"\xef")
_BOM = b"\xef\xbb\xbf"


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


_scan = json.JSONDecoder(parse_constant=_no_constant).scan_once  # type: ignore[attr-defined]
_fields = itemgetter("v", "id", "at", "by", "on", "session", "type", "data")


def parse_line(raw: bytes) -> Event | str:
    """The event in a line, or the reason why there is none."""
    if len(raw) > MAX_LINE_BYTES:
        return f"a line of {len(raw)} bytes, and {MAX_LINE_BYTES} is the most"
    try:
        text = raw.decode().strip(" \t\r\n")
        record, end = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration):
        return _what_else(raw)
    if end != len(text):
        return "more than one JSON value on the line"
    if ("\\ud" in text or "\\uD" in text) and not _is_text(record):
        return "half of a surrogate pair, which no text holds"
    if not isinstance(record, dict):
        return "not a JSON object"
    return _event(record)


def _is_text(record: object) -> bool:
    """Whether everything in ``record`` can be written as UTF-8; JSON's escapes can say more than that."""
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _event(record: dict[str, object]) -> Event | str:
    try:
        version, id_, at, by, on, session, type_, data = _fields(record)
    except KeyError:
        if "session" not in record:
            return _event(record | {"session": None})
        return "not an event: a field is missing or of the wrong type"
    if not (
        isinstance(version, int)
        and isinstance(data, dict)
        and isinstance(id_, str)
        and isinstance(at, str)
        and isinstance(by, str)
        and isinstance(on, str)
        and isinstance(type_, str)
    ):
        return "not an event: a field is missing or of the wrong type"
    if not is_event_id(id_) or not is_bead_id(on) or not (session is None or isinstance(session, str)):
        return "not an event: an id is malformed"
    held = None if session is None else SessionId(session)
    return Event(EventId(id_), at, by, BeadId(on), held, type_, MappingProxyType(data), version)


def _what_else(raw: bytes) -> str:
    """What a line is that is not JSON, in the words that help to mend it."""
    if raw.startswith(_MARKERS):
        return "a conflict marker that a merge left"
    if b"\0" in raw:
        return "NUL bytes, which a crash of the machine leaves"
    return "truncated JSON" if raw.startswith(b"{") else "not JSON"


def parse_lines(raw: bytes, file: str) -> Iterator[Event | Damage]:
    """Every event of a file's bytes in file order, and a ``Damage`` for each line that is not as it should be.

    A line that can be read in spite of its damage (a byte order mark, CRLF) gives both. A last line
    without its newline is a write that was cut short: it was never acknowledged, so it is reported as
    damage and not applied, whatever it holds.
    """
    if not raw:
        yield Damage(file, 1, "the file is empty")
        return
    *lines, tail = raw.split(b"\n")
    seen: dict[str, bytes] = {}
    for number, line in enumerate(lines, start=1):
        if (line[:1] in _DRESSED or line[-1:] == b"\r") and (dressed := _dress(line)):
            yield Damage(file, number, dressed)
            line = line.removeprefix(_BOM).rstrip(b"\r")  # noqa: PLW2901 - what is read is the line without its dress
            if not line:
                continue
        parsed = parse_line(line)
        if isinstance(parsed, str):
            yield Damage(file, number, parsed)
            continue
        if seen.setdefault(parsed.id, line) != line:
            yield Damage(file, number, f"the id {parsed.id} stands on another line with other content")
        yield parsed
    if tail:
        yield Damage(file, len(lines) + 1, "the last line is torn")


def _dress(line: bytes) -> str:
    """What is wrong around a line, or nothing."""
    if not line:
        return "a blank line"
    if line[:1] == b"\xef" and line.startswith(_BOM):
        return "a byte order mark"
    if line[-1:] == b"\r":
        return "it ends in CRLF" if line != b"\r" else "a blank line that ends in CRLF"
    return ""


def in_order(events: Iterable[Event]) -> list[Event]:
    """Events by id, each id once: the order in which a fold applies them, whatever order they came in.

    Of two events with one id and different content, which no writer makes, the bytewise smaller counts in
    every clone.
    """
    listed = list(events)
    ids = [event.id for event in listed]
    if all(map(lt, ids, islice(ids, 1, None))):  # as they nearly always stand
        return listed
    by_id: dict[EventId, Event] = {}
    for event in listed:
        other = by_id.setdefault(event.id, event)
        if other is not event and other != event:
            by_id[event.id] = min(other, event, key=Event.line)
    return [by_id[id_] for id_ in sorted(by_id)]


def sentence(event: Event) -> str:
    """What an event says in a few words, for commit messages and for people."""
    what = event.type.removeprefix("bead_").replace("_", " ")
    if event.type in ("bead_linked", "bead_unlinked"):
        detail = f"{event.data.get('edge')} {event.data.get('to')}"
    elif event.type == "bead_edited":
        detail = ", ".join(event.data)
    else:
        named = ("title", "reason", "gate", "agent", "text")
        detail = next((str(event.data[key]) for key in named if event.data.get(key)), "")
    words = f"{event.on}: {what}" + (f" ({detail})" if detail else "")
    return " ".join(words.split())[:200]
