"""``factory doctor``: what this machine has, what is missing, what to do about it."""

import json as json_
import os
import shutil
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.base.files import printable
from factory.cli import output
from factory.cli.options import Json

if TYPE_CHECKING:
    from factory.observe.doctor import Finding

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_WIDEST = 100


@app.command()
def doctor(
    settings: Annotated[
        bool, typer.Option("--settings", help="Show each setting with its value and where it came from.")
    ] = False,
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend damaged beads: what cannot be read is set aside, nothing is deleted.")
    ] = False,
    json: Json = False,
) -> None:
    """Say what this machine and repository have, what is missing and what to do; exit 1 if something is a problem."""
    if settings:
        _print_settings(as_json=json)
        return
    if repair:
        _repair(as_json=json)
        return
    from factory.observe.doctor import examine

    findings = examine(Path.cwd(), os.environ)
    problems = sum(finding.level == "problem" for finding in findings)
    warnings = sum(finding.level == "warning" for finding in findings)
    if json:
        rows = [
            {"name": row.name, "level": row.level, "found": row.found, "remedy": row.remedy or None} for row in findings
        ]
        output.document("findings", rows, problems=problems, warnings=warnings)
    else:
        _print(findings)
        output.say()
        output.say(_verdict(problems, warnings))
    sys.exit(1 if problems else 0)


def _repair(*, as_json: bool) -> None:
    """Mend the beads, say of each file what was done, and exit with 1 while a person must help."""
    from factory.beads.repair import repair
    from factory.cli.context import here

    place = here()
    found = repair(place.repo, place.store)
    if as_json:
        rows = [
            {"path": item.path, "wrong": item.wrong, "done": item.does or None, "remedy": item.remedy or None}
            | {"aside": item.aside_paths}
            for item in found
        ]
        output.document("repairs", rows)
    else:
        for item in found:
            output.say(printable(f"{item.path}: {item.wrong}"))
            output.say(printable(f"  -> {item.does or item.remedy}"))
            for path in item.aside_paths:
                output.say(f"     kept: {path}")
        output.say("Nothing is damaged." if not found else f"{sum(bool(item.does) for item in found)} mended.")
    sys.exit(1 if any(not item.does for item in found) else 0)


def _print(findings: "Sequence[Finding]") -> None:
    """Level, name and what was found, with the remedy below; long lines are wrapped, nothing is cut."""
    names = max(len(finding.name) for finding in findings)
    left = len("problem  ") + names + 2
    room = max(min(shutil.get_terminal_size().columns, _WIDEST) - left, 30) if output.is_terminal() else sys.maxsize
    for finding in findings:
        first, *more = textwrap.wrap(printable(finding.found), room) or [""]
        level = output.colour(f"{finding.level:<7}", finding.level)
        output.say(f"{level}  {output.bold(finding.name.ljust(names))}  {first}")
        remedy = textwrap.wrap(f"-> {printable(finding.remedy)}", room) if finding.remedy else []
        for line in [*more, *remedy]:
            output.say(" " * left + line)


def _verdict(problems: int, warnings: int) -> str:
    if not problems and not warnings:
        return "Everything is in order."
    counts = [(problems, "problem"), (warnings, "warning")]
    return ", ".join(f"{number} {noun}{'' if number == 1 else 's'}" for number, noun in counts if number) + "."


def _print_settings(*, as_json: bool) -> None:
    from factory.observe.doctor import explain

    rows = explain(Path.cwd())
    if as_json:
        output.document("settings", [{"key": row.key, "value": row.value, "origin": row.origin} for row in rows])
        return
    table = [[row.key, row.origin, json_.dumps(row.value, ensure_ascii=False)] for row in rows]
    output.table(("SETTING", "FROM", "VALUE"), table, empty="")
