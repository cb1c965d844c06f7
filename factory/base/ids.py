"""Ids with types, so that one cannot stand for another, and the hybrid logical clock behind event ids."""

import os
import re
import threading
from collections.abc import Iterable, Iterator
from typing import NewType

from factory.base.clock import Clock
from factory.base.errors import UserError

BeadId = NewType("BeadId", str)
SessionId = NewType("SessionId", str)
EventId = NewType("EventId", str)
CommitId = NewType("CommitId", str)
TreeId = NewType("TreeId", str)
BlobId = NewType("BlobId", str)

BASE32 = "0123456789abcdefghjkmnpqrstvwxyz"
"""Crockford's alphabet in lower case: no i, l, o, u, so an id survives being read aloud."""

_EVENT_ALPHABET = BASE32.upper()
_EVENT_VALUES = {letter: value for value, letter in enumerate(_EVENT_ALPHABET)}
_EVENT_ID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BEAD_ID = re.compile(r"[a-z][a-z0-9]{0,15}-[0-9a-hjkmnp-tv-z]{4,16}")

_TIME_BITS = 48
_COUNTER_BITS = 16
_NODE_BITS = 64


def random_base32(length: int) -> str:
    """``length`` random characters of ``BASE32``, five bits each, from the system's random source."""
    return "".join(BASE32[byte & 31] for byte in os.urandom(length))


def new_bead_id(prefix: str, population: int) -> BeadId:
    """A random id such as ``fa-7k2m``; ``population`` beads exist already, and the id grows with them.

    The length keeps the chance that a new id meets an old one below about one in a thousand; the
    store still checks, so a collision costs one more draw, never a bead.
    """
    length = 4
    while 32**length < 1000 * (population + 1) and length < 16:  # noqa: PLR2004 - the pattern's bound
        length += 1
    return BeadId(f"{prefix}-{random_base32(length)}")


def new_bead_ids(prefix: str, taken: Iterable[BeadId]) -> Iterator[BeadId]:
    """As many random ids as are asked for, none of them ``taken`` and none of them twice."""
    used = set(taken)
    while True:
        bead = new_bead_id(prefix, len(used))
        if bead not in used:
            used.add(bead)
            yield bead


def new_session_id() -> SessionId:
    """A random session id of fifty bits."""
    return SessionId(f"s{random_base32(10)}")


def new_claim_id() -> SessionId:
    """A random id for a claim: what a session is to the floor, a claim is to whoever works by hand."""
    return SessionId(f"c{random_base32(10)}")


def is_bead_id(text: str) -> bool:
    """Whether ``text`` has the form of a bead id; it says nothing about whether the bead exists."""
    return _BEAD_ID.fullmatch(text) is not None


def is_event_id(text: str) -> bool:
    """Whether ``text`` has the form of an event id."""
    return _EVENT_ID.fullmatch(text) is not None


def is_object_id(text: str) -> bool:
    """Whether ``text`` is a full git object id (SHA-1 or SHA-256)."""
    return _OBJECT_ID.fullmatch(text) is not None


class OutOfTime(UserError):
    """An event claims to be from the last moment that an id can hold, and nothing can come after it."""

    def __init__(self, seen: EventId | None) -> None:
        super().__init__(
            f"no event can be written after {seen}, whose id is from the end of time",
            "no clock made that id; factory verify names the commit that brought it",
        )


class HybridClock:
    """Makes event ids that sort by hybrid logical time (Kulkarni et al., 2014).

    An id is 48 bits of milliseconds, 16 bits of counter and 64 bits of node, as 26 characters. It
    is larger than every id this process made by its own clock and than the id it was shown, whatever
    the wall clock does. An id that was shown counts for that one answer alone: a bead that comes from
    the year 9999 must not take every other bead there. So that two such answers differ, each then has
    a node of its own.
    """

    def __init__(self, clock: Clock, node: int | None = None) -> None:
        self._clock = clock
        self._node = int.from_bytes(os.urandom(8), "big") if node is None else node
        self._last = (0, 0)
        self._mutex = threading.Lock()

    def next(self, seen: EventId | None = None) -> tuple[EventId, int]:
        """The next id, later than ``seen``, and the wall-clock milliseconds it was made at."""
        now = self._clock.now_ms()
        with self._mutex:
            self._last = (now, 0) if now > self._last[0] else _after(self._last)
            (ms, counter), node = self._last, self._node
        if seen and _time_of(seen) >= (ms, counter):
            (ms, counter), node = _after(_time_of(seen)), int.from_bytes(os.urandom(8), "big")
        if ms >> _TIME_BITS:
            raise OutOfTime(seen)
        number = (ms << (_COUNTER_BITS + _NODE_BITS)) | (counter << _NODE_BITS) | node
        return EventId(_encode(number)), now


def _after(moment: tuple[int, int]) -> tuple[int, int]:
    ms, counter = moment
    return (ms, counter + 1) if counter + 1 < 1 << _COUNTER_BITS else (ms + 1, 0)


def _encode(number: int) -> str:
    return "".join(_EVENT_ALPHABET[(number >> shift) & 31] for shift in range(125, -5, -5))


def _time_of(event_id: EventId) -> tuple[int, int]:
    number = 0
    for letter in event_id:
        number = (number << 5) | _EVENT_VALUES[letter]
    return number >> (_COUNTER_BITS + _NODE_BITS), (number >> _NODE_BITS) & 0xFFFF


def time_of(event_id: str) -> int:
    """The milliseconds since the epoch in an event's id; never earlier than the wall clock was when it was made."""
    return _time_of(EventId(event_id))[0]
