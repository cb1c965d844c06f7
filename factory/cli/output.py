"""How answers are printed: one JSON document for programs, aligned tables for people.

The quick way of a reading command ends here, so this module imports neither typer nor anything else that
Python's own start has not imported already.
"""

from __future__ import annotations

import os
import sys

from factory.base.printable import printable
from factory.cli.plain_json import dumps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

COLOURS = {
    "landed": "green",
    "done": "green",
    "working": "cyan",
    "queued": "blue",
    "waiting": "yellow",
    "dropped": "bright_black",
    "ok": "green",
    "warning": "yellow",
    "problem": "red",
}
"""The colour of each state of a bead, and of each level of a finding, that has one."""

_CODES = {"red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36, "bright_black": 90}
"""ECMA-48 "select graphic rendition"; 90 is the usual extension for grey."""

_ANY_WIDTH = 80


def document(noun: str, value: object, **more: object) -> None:
    """Print ``{"schema":1, noun: value, …}``."""
    text = dumps({"schema": 1, noun: value, **more}) + "\n"
    if not text.isascii():  # half of a surrogate pair, which no output can write, is written as JSON escapes it
        text = text.encode("utf-8", "backslashreplace").decode()
    sys.stdout.write(text)


def is_terminal() -> bool:
    """Whether people look at standard output right now."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def columns() -> int:
    """The width of the terminal in characters: ``COLUMNS``, else what the terminal says, else 80."""
    said = os.environ.get("COLUMNS", "")
    if said.isdecimal() and int(said):
        return int(said)
    try:
        return os.get_terminal_size(sys.stdout.fileno()).columns or _ANY_WIDTH
    except (OSError, ValueError):
        return _ANY_WIDTH


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows in columns; the last column is cut to the terminal's width, nothing is cut in a pipe."""
    if not rows:
        say(empty)
        return
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [headings, *shown]) for column in range(len(headings))]
    room = columns() if is_terminal() else 0
    coloured = wants_colour()
    for number, row in enumerate([headings, *shown]):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
        last = row[-1]
        left = sum(widths[:-1]) + 2 * len(cells)
        if room and left + len(last) > room:
            last = last[: max(room - left - 1, 0)] + "…"
        if not number:
            cells, last = [bold(cell) for cell in cells], bold(last)
        elif coloured:
            cells = [colour(cell, row[index]) for index, cell in enumerate(cells)]
        say("  ".join([*cells, last]).rstrip())


def colour(text: str, state: str) -> str:
    """``text`` in the colour of ``state`` or level, where colours are wanted."""
    if state not in COLOURS or not wants_colour():
        return text
    return f"\x1b[{_CODES[COLOURS[state]]}m{text}\x1b[0m"


def bold(text: str) -> str:
    """``text`` in bold, where colours are wanted."""
    return f"\x1b[1m{text}\x1b[0m" if wants_colour() else text


def wants_colour() -> bool:
    """Whether to colour: a terminal that does not say ``NO_COLOR``, or ``FORCE_COLOR``."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or is_terminal()


def say(text: str = "") -> None:
    """One line for people."""
    sys.stdout.write(f"{text}\n")


def facts(pairs: Mapping[str, str]) -> None:
    """Names and values below each other, aligned."""
    width = max((len(name) for name in pairs), default=0)
    for name, value in pairs.items():
        first, *more = [printable(line) for line in value.splitlines()] or [""]
        say(f"{bold(name.ljust(width))}  {first}".rstrip())
        for line in more:
            say(f"{' ' * width}  {line}".rstrip())
