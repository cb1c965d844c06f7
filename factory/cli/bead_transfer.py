"""``factory bead import`` and ``export``: beads to and from other stores and trackers."""

import json as json_
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from factory.base.files import printable
from factory.cli import output, reading
from factory.cli.context import here
from factory.cli.options import Json

if TYPE_CHECKING:
    from factory.intake.foreign import Loss
    from factory.intake.importing import Imported

_SHOWN = 5
"""How many ids of a kind people are shown; ``--json`` has all."""


def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="The file, or - for standard input.")],
    source: Annotated[
        str | None, typer.Option("--from", metavar="FORMAT", help="factory, beads or github; else it is recognised.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be imported, and write nothing.")] = False,
    closed: Annotated[bool, typer.Option("--closed", help="Also what is finished there, as dropped beads.")] = False,
    json: Json = False,
) -> None:
    """Open a bead for each item of another tracker.

    Reads Beads' issues.jsonl, what gh issue list --json prints, and what factory bead export wrote.

    What is here already is skipped, so it is safe to run twice. What a bead cannot say is reported.
    """
    from factory.intake.formats import FORMATS, read
    from factory.intake.importing import Wanted, bring, rehearse

    if source is not None and source not in FORMATS:
        raise typer.BadParameter(f"{source!r} is not a format; there are {', '.join(FORMATS)}")
    name, reading = read(_content(file), source)
    place = here()
    wanted = Wanted(name, reading, closed)
    if dry_run:
        done = rehearse(place.store, wanted)
        _show(done, name, dry_run=True, as_json=json)
    else:
        done = bring(place.store, wanted, place.person, place.settings.prefix)
        try:
            place.store.commit()
        finally:
            _show(done, name, dry_run=False, as_json=json)
    sys.exit(1 if done.failures else 0)


def export(
    everything: Annotated[bool, typer.Option("-a", "--all", help="Also finished and dropped beads.")] = False,
    file: Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write to a file.")] = None,
    json: Json = False,
) -> None:
    """Print beads as JSON lines, oldest first.

    factory bead import reads them.
    """
    from factory.intake.factory_jsonl import record
    from factory.intake.importing import exported

    found = here().store.snapshot()
    beads = exported(tuple(found.beads.values()), finished=everything)
    rows = [record(bead) for bead in beads]
    lines = "".join(json_.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if file is not None:
        _write(file, lines.encode())
    if json:
        output.document("beads", rows)
    elif file is not None:
        output.say(f"{len(rows)} beads written to {printable(str(file))}")
    else:
        sys.stdout.write(lines)
    if found.damage:
        reading.degraded([(item.file, item.line, item.reason) for item in found.damage])
        raise typer.Exit(reading.DEGRADED)


def _content(file: str) -> bytes:
    from factory.intake.records import MAX_INPUT, NotReadable

    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MAX_INPUT + 1)
        else:
            with Path(file).open("rb") as opened:
                raw = opened.read(MAX_INPUT + 1)
    except OSError as error:
        hint = "give a file that factory, bd or gh wrote, or - for standard input"
        raise NotReadable(f"{printable(file)} cannot be read: {error.strerror}", hint) from error
    if len(raw) > MAX_INPUT:
        raise NotReadable(f"this is larger than {MAX_INPUT >> 20} MiB", "nothing was written; import it in parts")
    return raw


def _write(file: Path, content: bytes) -> None:
    from factory.base.errors import UserError
    from factory.base.files import replace_file

    try:
        replace_file(file, content)
    except OSError as error:
        sentence = f"{printable(str(file))} cannot be written: {error.strerror}"
        raise UserError(sentence, "name a file in a folder that you may write to") from error


def _show(done: "Imported", name: str, *, dry_run: bool, as_json: bool) -> None:
    from factory.intake.foreign import says

    kinds = _by_kind(done.losses)
    if as_json:
        output.document(
            "beads",
            [{"id": one.bead, "origin": one.item.origin, "title": one.item.title} for one in done.beads],
            skipped=[{"id": skip.bead, "origin": skip.item.origin} for skip in done.skips],
            left_out=[
                {
                    "kind": kind,
                    "says": says(kind),
                    "count": len(losses),
                    "items": [{"id": loss.key, "detail": loss.detail} for loss in losses],
                }
                for kind, losses in kinds.items()
            ],
            failed=[{"where": bad.where, "id": bad.key, "reason": bad.reason} for bad in done.failures],
            dry_run=dry_run,
            **{"from": name},
        )
        return
    for one in done.beads:
        output.say(f"{one.bead or 'new'}  {printable(one.item.origin)}  {printable(one.item.title)}")
    for bad in done.failures:
        output.say(f"failed: {printable(bad.key) or 'item'} at {bad.where}: {printable(bad.reason)}")
    if kinds:
        output.say("not carried over:")
    for kind, losses in kinds.items():
        output.say(f"  {printable(says(kind))}: {_named(losses)}")
    verb = "would be imported" if dry_run else "imported"
    output.say(f"{len(done.beads)} {verb}, {len(done.skips)} were here already, {len(done.failures)} failed")


def _by_kind(losses: "tuple[Loss, ...]") -> "dict[str, list[Loss]]":
    """Losses by their kind, in the order of a report."""
    from factory.intake.foreign import LOSSES

    place = {kind: number for number, kind in enumerate(LOSSES)}
    kinds: dict[str, list[Loss]] = {}
    for loss in sorted(losses, key=lambda loss: (place[loss.kind.partition(":")[0]], loss.kind)):
        kinds.setdefault(loss.kind, []).append(loss)
    return kinds


def _named(losses: "list[Loss]") -> str:
    """How many, and the first few by name."""
    first = [loss.key + (f" ({loss.detail})" if loss.detail else "") for loss in losses[:_SHOWN]]
    more = f" and {len(losses) - _SHOWN} more" if len(losses) > _SHOWN else ""
    return f"{len(losses)}: {printable(', '.join(first))}{more}"
