"""What a field of an event may hold: one check a kind of value."""

import re
from collections.abc import Callable

from factory.base.clock import iso, parse_time
from factory.base.ids import is_bead_id, is_object_id

MAX_TITLE = 300
"""Characters; a title is the subject of a commit and a row of a table."""
MAX_TEXT = 32_000
"""Characters; what is longer belongs in a file of the repository that the bead names."""

_LABEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,49}")
_LOWEST = 4


class Wrong(ValueError):
    """The value is not what the field holds; its text says so in a few words."""


Check = Callable[[object], object]
"""Gives back the value as it is stored, or raises ``Wrong`` with the problem in a few words."""


def _string(value: object, most: int = MAX_TEXT) -> str:
    if not isinstance(value, str):
        raise Wrong("not a text")
    if len(value) > most:
        raise Wrong(f"{len(value)} characters, and {most} is the most")
    return value


def text(value: object) -> str:
    """Any text that UTF-8 can hold, up to ``MAX_TEXT``."""
    said = _string(value)
    if any("\ud800" <= letter <= "\udfff" for letter in said):
        raise Wrong("not UTF-8 text")
    return said


def title(value: object) -> str:
    """One line for people, up to ``MAX_TITLE``."""
    line = text(_string(value, MAX_TITLE)).strip()
    if not line:
        raise Wrong("blank")
    if any(letter < " " or letter in "\x7f\u0085\u2028\u2029" for letter in line):
        raise Wrong("more than one line, or control characters")
    return line


def reason(value: object) -> str:
    """A text that says something."""
    if not text(value).strip():
        raise Wrong("blank")
    return text(value)


def object_id(value: object) -> str:
    """A full git object id."""
    if not isinstance(value, str) or not is_object_id(value):
        raise Wrong("not a git object id")
    return value


def bead_id(value: object) -> str:
    """An id of the form of a bead's."""
    if not isinstance(value, str) or not is_bead_id(value):
        raise Wrong(f"{value!r} is not a bead id")
    return value


def label(value: object) -> str:
    """One label."""
    if not isinstance(value, str) or _LABEL.fullmatch(value) is None:
        raise Wrong(f"{value!r} is not a label: letters, digits and . _ / -, at most 50")
    return value


def priority(value: object) -> int:
    """0 is most urgent, 4 least."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LOWEST:
        raise Wrong(f"{value!r} is not 0, 1, 2, 3 or 4")
    return value


def count(value: object) -> int:
    """A number of things."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise Wrong("not a count")
    return value


def seconds(value: object) -> float:
    """A duration in seconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Wrong("not a number")
    return float(value)


def flag(value: object) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise Wrong("not true or false")
    return value


def moment(value: object) -> str:
    """A time as ``iso`` writes it; a day stands for its first moment in UTC, and nothing for never."""
    if value == "":
        return ""
    try:
        return iso(parse_time(_string(value)))
    except ValueError:
        raise Wrong(f"{value!r} is not a day or a time, such as 2026-12-01 or 2026-12-01T09:00:00Z") from None


def one_of(*words: str) -> Check:
    """One of ``words``."""

    def check(value: object) -> str:
        if not isinstance(value, str) or value not in words:
            raise Wrong(f"{value!r} is not one of {', '.join(words)}")
        return value

    return check


def all_of(check: Check) -> Check:
    """A list whose items all pass ``check``."""

    def checked_all(value: object) -> tuple[object, ...]:
        if not isinstance(value, list | tuple):
            raise Wrong("not a list")
        return tuple(check(item) for item in value)

    return checked_all


def or_none(check: Check) -> Check:
    """Nothing, or what passes ``check``."""
    return lambda value: None if value is None else check(value)
