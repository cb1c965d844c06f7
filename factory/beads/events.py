"""The envelope of an event: one line of JSON, written once, never changed.

``{"v":1,"id":…,"at":…,"by":…,"on":…,"session":…,"type":…,"data":{…}}`` in one canonical byte form, so
that two clones that hold the same event hold the same bytes.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from factory.base.ids import BeadId, EventId, SessionId, is_bead_id, is_event_id

VERSION = 1
MAX_LINE_BYTES = 64 * 1024
"""Longer text does not fit in an event; a writer shortens or refuses it (DESIGN §5)."""


@dataclass(frozen=True)
class Event:
    """One thing that happened to a bead: who (``by``), when (``at``, RFC 3339 in UTC), what (``type``, ``data``)."""

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


@dataclass(frozen=True)
class Damage:
    """A line that is not an event this program can read: where it is, and what is wrong with it."""

    file: str
    line: int
    reason: str


def parse_line(raw: bytes) -> Event | str:
    """The event in a line, or the reason why there is none."""
    try:
        record = json.loads(raw)
    except (UnicodeDecodeError, ValueError, RecursionError):
        return "not JSON"
    if not isinstance(record, dict):
        return "not a JSON object"
    version, data, session = record.get("v"), record.get("data"), record.get("session")
    texts = [record.get(name) for name in ("id", "at", "by", "on", "type")]
    if not isinstance(version, int) or not isinstance(data, dict) or not all(isinstance(text, str) for text in texts):
        return "not an event: a field is missing or of the wrong type"
    id_, at, by, on, type_ = (str(text) for text in texts)
    if not is_event_id(id_) or not is_bead_id(on) or not (session is None or isinstance(session, str)):
        return "not an event: an id is malformed"
    return Event(
        EventId(id_),
        at,
        by,
        BeadId(on),
        None if session is None else SessionId(session),
        type_,
        MappingProxyType(data),
        version,
    )


def parse_lines(raw: bytes, file: str) -> Iterator[Event | Damage]:
    """Every event of a file's bytes in file order, and a ``Damage`` for each line that holds none.

    A last line without its newline is a write that was cut short: it was never acknowledged, so it is
    reported as damage and not applied, whatever it holds.
    """
    lines = raw.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if number == len(lines):
            yield Damage(file, number, "the last line is torn")
            continue
        parsed = parse_line(line)
        yield Damage(file, number, parsed) if isinstance(parsed, str) else parsed


def in_order(events: Iterable[Event]) -> list[Event]:
    """Events by id, each id once: the order in which a fold applies them, whatever order they came in."""
    return [event for _, event in sorted({event.id: event for event in events}.items())]
