"""What the reading commands answer: one implementation for the quick way in and for the commands themselves."""

from __future__ import annotations

import sys
import time

from factory.cli import output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from factory.beads.lookup import Lookup, Row

    Say = Callable[[], None]

HEADINGS = ("BEAD", "PRI", "STATE", "AGENT", "TITLE")
NONE = "no beads; factory bead add opens one"


def now() -> str:
    """The time as events have it."""
    ms = time.time_ns() // 1_000_000
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(ms // 1000)) + f".{ms % 1000:03d}Z"


def ready(lookup: Lookup, limit: int | None = None, *, explain: bool = False, as_json: bool = False) -> Say:
    """What could be worked on now; with ``explain`` also the open beads that could not, each with its reason."""
    moment = now()
    rows = lookup.ready(moment, limit)
    others = lookup.blocked(moment) if explain else []
    if as_json:
        more = {"blocked": documents(lookup, others, moment)} if explain else {}
        return _document("beads", documents(lookup, rows, moment), **more)
    lookup.require_unchanged(row.id for row in (*rows, *others))
    return lambda: _explained(rows, others, moment) if explain else _table(rows, moment)


def blocked(lookup: Lookup, limit: int | None = None, *, as_json: bool = False) -> Say:
    """The open beads that nobody could work on now."""
    moment = now()
    return _beads(lookup, lookup.blocked(moment, limit), moment, as_json=as_json, empty="no bead is blocked")


def listed(
    lookup: Lookup,
    states: Sequence[str] = (),
    label: str | None = None,
    limit: int | None = None,
    *,
    finished: bool = False,
    as_json: bool = False,
) -> Say:
    """Beads by priority and age."""
    return _beads(lookup, lookup.listed(states, label, limit, finished=finished), now(), as_json=as_json, empty=NONE)


def shown(lookup: Lookup, bead: str, *, as_json: bool = False) -> Say:
    """Everything about one bead; raises ``Unknown``."""
    moment = now()
    row = lookup.row(bead)
    lookup.require_unchanged((bead,))
    record = _record(lookup, row)
    if as_json:
        return _document("bead", document(record, **_standing(row, moment)))
    return lambda: output.facts(facts(record, row.why(moment)))


def found(lookup: Lookup, words: str, limit: int | None = None, *, as_json: bool = False) -> Say:
    """The beads whose title, text or decisions have all the words, best first."""
    moment = now()
    hits = lookup.found(words, limit)
    if as_json:
        bodies = documents(lookup, [row for row, _ in hits], moment)
        return _document("beads", [{**body, "found": place} for body, (_, place) in zip(bodies, hits, strict=True)])
    lookup.require_unchanged(row.id for row, _ in hits)
    rows = [[row.id, _state(row, moment), row.title, " ".join(place.split())] for row, place in hits]
    return lambda: output.table(("BEAD", "STATE", "TITLE", "FOUND"), rows, empty="no bead has all these words")


def documents(lookup: Lookup, rows: Sequence[Row], moment: str) -> list[dict[str, Any]]:
    """Beads as every ``--json`` shows them."""
    lookup.require_unchanged(row.id for row in rows)
    return [document(_record(lookup, row), **_standing(row, moment)) for row in rows]


def document(
    record: Mapping[str, Any], *, ready: bool | None, reason: str, blocker: str | None = None
) -> dict[str, Any]:
    """A bead, as ``codec`` wrote it, as every ``--json`` shows it; ``ready`` is ``None`` where it was not asked."""
    return {
        "id": record["id"],
        "title": record.get("title", ""),
        "text": record.get("text", ""),
        "state": record.get("state", "open"),
        "ready": ready,
        "priority": record.get("priority", 2),
        "labels": record["labels"],
        **{kind: _linked(record, kind) for kind in ("needs", "part_of", "found_from", "relates")},
        "agent": _agent(record),
        "attempts": record.get("attempts", 0),
        "rounds": record.get("rounds", 0),
        "reason": reason,
        "blocked_by": blocker,
        "not_before": record.get("not_before", ""),
        "branch": record["change"]["branch"] if "change" in record else "",
        "commit": record.get("landed") or "",
        "origin": record.get("origin", ""),
        "opened_at": record.get("opened_at", ""),
        "opened_by": record.get("opened_by", ""),
        "updated_at": record.get("updated_at", ""),
    }


def facts(record: Mapping[str, Any], reason: str) -> dict[str, str]:
    """A bead as people read it, by name; what it does not have is left out."""
    verdicts = record["candidate"]["verdicts"] if "candidate" in record else ()
    run = record.get("run") or {}
    pairs = {
        "bead": record["id"],
        "title": record.get("title", ""),
        "state": record.get("state", "open"),
        "reason": reason,
        "priority": f"P{record.get('priority', 2)}",
        "labels": ", ".join(record["labels"]),
        **{kind: ", ".join(_linked(record, kind)) for kind in ("needs", "part_of", "found_from", "relates")},
        "not before": record.get("not_before", ""),
        "origin": record.get("origin", ""),
        "opened": f"{record.get('opened_at', '')} by {record.get('opened_by', '')}",
        "agent": _agent(record),
        "lease": run.get("until", "") if record.get("state") == "working" else "",
        "attempts": str(record.get("attempts") or ""),
        "branch": record["change"]["branch"] if "change" in record else "",
        "gates": ", ".join(f"{verdict['gate']} {verdict['answer']}" for verdict in verdicts),
        "text": record.get("text", ""),
    }
    return {name: value for name, value in pairs.items() if value}


def cells(row: Row, moment: str) -> list[str]:
    """A bead as a row under ``HEADINGS``."""
    why = row.why(moment)
    return [row.id, f"P{row.priority}", _state(row, moment), row.agent, row.title + (f"  ({why})" if why else "")]


def _beads(lookup: Lookup, rows: Sequence[Row], moment: str, *, as_json: bool, empty: str) -> Say:
    if as_json:
        return _document("beads", documents(lookup, rows, moment))
    lookup.require_unchanged(row.id for row in rows)
    return lambda: _table(rows, moment, empty)


def _table(rows: Iterable[Row], moment: str, empty: str = NONE) -> None:
    output.table(HEADINGS, [cells(row, moment) for row in rows], empty=empty)


def _explained(rows: Sequence[Row], others: Sequence[Row], moment: str) -> None:
    _table(rows, moment, "nothing is ready")
    if others:
        output.say()
        headings = ("BEAD", "PRI", "BLOCKED BY", "THROUGH", "WHY")
        table = [[row.id, f"P{row.priority}", row.blocker or "", row.via or "", row.why(moment)] for row in others]
        output.table(headings, table, empty="")


def _document(noun: str, value: object, **more: object) -> Say:
    return lambda: output.document(noun, value, **more)


def _record(lookup: Lookup, row: Row) -> dict[str, Any]:
    import json

    loaded: dict[str, Any] = json.loads(lookup.story(row.number))
    return loaded


def _standing(row: Row, moment: str) -> dict[str, Any]:
    blocker = row.blocker if row.is_blocked(moment) else None
    return {"ready": row.is_ready(moment), "reason": row.why(moment), "blocker": blocker}


def _state(row: Row, moment: str) -> str:
    return "blocked" if row.state == "open" and row.is_blocked(moment) else row.state


def _linked(record: Mapping[str, Any], kind: str) -> list[str]:
    return [to for edge, to in record["edges"] if edge == kind]


def _agent(record: Mapping[str, Any]) -> str:
    holder = record.get("run") or record.get("hook") or {}
    return str(holder.get("agent", ""))
