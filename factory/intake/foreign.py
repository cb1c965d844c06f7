"""What every tracker's items become on their way in: one form, and a note of each thing a bead cannot say."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from factory.base.clock import iso, parse_time
from factory.base.errors import UserError

LOSSES = {
    "closed": "finished there, so left out; --closed imports them as dropped",
    "closed-as-dropped": "finished there, dropped here: nothing is imported as landed or done",
    "deleted": "deleted there, so left out",
    "not-work": "not a piece of work, so left out",
    "duplicate": "stands in the file more than once; the newest was taken",
    "state": "its state is not carried over: it is open here",
    "priority": "its priority is not one of 0 to 4",
    "title": "its title was changed to fit on one line of 300 characters; the text has it whole",
    "text": "its text was changed: characters that no text file should hold were taken out",
    "text-cut": "its text was cut at the limit",
    "label": "a label was changed to the form that is allowed here, or left out",
    "assignee": "who it is assigned to is not carried over",
    "author": "who wrote it is not carried over: the writer here is who imports",
    "date": "its dates are not carried over: here it begins now",
    "milestone": "its milestone is not carried over",
    "field": "a field that beads do not have, or not in this form",
    "edge-type": "a kind of dependency that beads do not have",
    "edge-missing": "an edge to something that is neither in the file nor here",
    "edge-left-out": "an edge to an item that was left out",
    "edge-met": "a need that is already met: what it names is finished there",
    "edge-cycle": "an edge that would make a cycle",
}
"""Every kind of thing that cannot be carried over, in the order of a report, and what it means."""


CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""What no text should hold: control characters but tab and line feed, and halves of surrogate pairs."""
_KEY = re.compile(r"[^\s\x00-\x1f\x7f\ud800-\udfff]{1,200}")
_MAX_DETAIL = 100


@dataclass(frozen=True)
class Record:
    """One JSON object of a file; ``where`` is its line, or its place in an array, from one."""

    where: int
    data: Mapping[str, object]


@dataclass(frozen=True)
class Failure:
    """A line or item that cannot become a bead, and why; ``key`` is its id there, where it has one."""

    where: int
    key: str
    reason: str


@dataclass(frozen=True)
class Loss:
    """Something about the item ``key`` that was not carried over; ``kind`` is a key of ``LOSSES``."""

    kind: str
    key: str
    detail: str = ""


@dataclass(frozen=True)
class Ending:
    """How an item was finished there; ``meets`` says whether that satisfies those that need it."""

    reason: str
    meets: bool = True


@dataclass(frozen=True)
class Foreign:
    """One item of another tracker, as far as a bead can say it.

    ``key`` is its id there and what ``links`` (pairs of edge and key) name; ``origin`` is what its bead
    will remember. ``opened_at`` and ``updated_at`` order the items; no event is written with them.
    """

    key: str
    origin: str
    where: int
    title: str
    text: str = ""
    priority: int = 2
    labels: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    not_before: str = ""
    ending: Ending | None = None
    opened_at: str = ""
    updated_at: str = ""


@dataclass(frozen=True)
class Reading:
    """What a reader made of a file; ``left_out`` holds the keys of items that it knows but does not bring."""

    items: tuple[Foreign, ...] = ()
    losses: tuple[Loss, ...] = ()
    failures: tuple[Failure, ...] = ()
    left_out: frozenset[str] = frozenset()


class NotAnItem(UserError):
    """A record lacks what makes it an item; the reader turns this into a ``Failure``."""


class LeftOut(UserError):
    """A record is understood and not brought: deleted, or no piece of work."""

    def __init__(self, kind: str, key: str, detail: str = "") -> None:
        super().__init__(f"{key}: {LOSSES[kind]}")
        self.loss = Loss(kind, key, short(detail))


def is_key(text: str) -> bool:
    """Whether ``text`` can be the id of an item: one word of at most 200 characters."""
    return _KEY.fullmatch(text) is not None


def sections(parts: Iterable[tuple[str, str]]) -> str:
    """Headed parts of a text, in Markdown; empty parts are left out, and a part without a heading gets none."""
    written = ((heading, body.strip("\r\n")) for heading, body in parts)
    return "\n\n".join(f"## {heading}\n\n{body}" if heading else body for heading, body in written if body.strip())


def conversation(comments: Iterable[tuple[str, str, str]]) -> str:
    """Comments (author, time, text) as one section, in their order."""
    return "\n\n".join(
        f"### {' '.join(part for part in (author, at[:10]) if part) or 'Somebody'}\n\n{body.strip()}"
        for author, at, body in comments
        if body.strip()
    )


def moment(text: str) -> str:
    """An RFC 3339 time as this store writes it, in UTC; nothing for what is no time, or a zero time."""
    try:
        ms = parse_time(text)
    except ValueError:
        return ""
    return iso(ms) if ms > 0 else ""


def says(kind: str) -> str:
    """What a kind of loss means; ``field:x`` names the field."""
    known, _, name = kind.partition(":")
    return LOSSES[known] + (f" ({name})" if name else "")


def short(value: object) -> str:
    """A value in a few words on one line."""
    words = " ".join(CONTROL.sub("?", str(value)[: 2 * _MAX_DETAIL]).split())
    return words if len(words) <= _MAX_DETAIL else words[: _MAX_DETAIL - 1] + "…"
