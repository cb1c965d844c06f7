"""How answers are printed: one JSON document for programs, aligned tables for people."""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from factory.base.files import printable

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

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


def document(noun: str, value: object, **more: object) -> None:
    """Print ``{"schema":1, noun: value, …}``."""
    sys.stdout.write(json.dumps({"schema": 1, noun: value, **more}, ensure_ascii=False) + "\n")


def is_terminal() -> bool:
    """Whether people look at standard output right now."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows in columns; the last column is cut to the terminal's width, nothing is cut in a pipe."""
    if not rows:
        say(empty)
        return
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in [list(headings), *shown]) for column in range(len(headings))]
    room = shutil.get_terminal_size().columns if is_terminal() else 0
    for number, row in enumerate([list(headings), *shown]):
        cells = [cell.ljust(width) for cell, width in zip(row[:-1], widths[:-1], strict=True)]
        left = "  ".join(cells)
        last = row[-1]
        if room and len(left) + 2 + len(last) > room:
            last = last[: max(room - len(left) - 3, 0)] + "…"
        coloured = [colour(cell, row[index]) if number else bold(cell) for index, cell in enumerate(cells)]
        say(("  ".join(coloured) + "  " + (last if number else bold(last))).rstrip())


def colour(text: str, state: str) -> str:
    """``text`` in the colour of ``state`` or level, where colours are wanted."""
    if state not in COLOURS or not wants_colour():
        return text
    return typer.style(text, fg=COLOURS[state])


def bold(text: str) -> str:
    """``text`` in bold, where colours are wanted."""
    return typer.style(text, bold=True) if wants_colour() else text


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
