"""What the reading commands answer: one implementation for the quick way in and for the commands themselves."""

from __future__ import annotations

import time

from factory.cli import output
from factory.cli.plain_json import loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from factory.beads.lookup import Lookup, Row

    Say = Callable[[], None]

HEADINGS = ("BEAD", "PRI", "STATE", "AGENT", "TITLE")
NONE = "no beads; factory bead add opens one"
NOTHING = "nothing is ready; factory bead ready --explain says why"


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
    return lambda: _explained(rows, others, moment) if explain else _table(rows, moment, NOTHING)


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
    told = record(lookup, row)
    if as_json:
        return _document("bead", document(told, **standing(row, moment)))
    return lambda: output.facts(facts(told, row.why(moment)))


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
    return [document(record(lookup, row), **standing(row, moment)) for row in rows]


def document(told: Mapping[str, Any], *, ready: bool | None, reason: str, blocker: str | None = None) -> dict[str, Any]:
    """A bead, as ``codec`` wrote it, as every ``--json`` shows it; ``ready`` is ``None`` where it was not asked."""
    return {
        "id": told["id"],
        "title": told.get("title", ""),
        "text": told.get("text", ""),
        "state": told.get("state", "open"),
        "ready": ready,
        "priority": told.get("priority", 2),
        "labels": told["labels"],
        **{kind: _linked(told, kind) for kind in ("needs", "part_of", "found_from", "relates")},
        "agent": _agent(told),
        "attempts": told.get("attempts", 0),
        "rounds": told.get("rounds", 0),
        "reason": reason,
        "blocked_by": blocker,
        "not_before": told.get("not_before", ""),
        "branch": told["change"]["branch"] if "change" in told else "",
        "commit": told.get("landed") or "",
        "origin": told.get("origin", ""),
        "opened_at": told.get("opened_at", ""),
        "opened_by": told.get("opened_by", ""),
        "updated_at": told.get("updated_at", ""),
    }


def facts(told: Mapping[str, Any], reason: str) -> dict[str, str]:
    """A bead as people read it, by name; what it does not have is left out."""
    verdicts = told["candidate"]["verdicts"] if "candidate" in told else ()
    run = told.get("run") or {}
    pairs = {
        "bead": told["id"],
        "title": told.get("title", ""),
        "state": told.get("state", "open"),
        "reason": reason,
        "priority": f"P{told.get('priority', 2)}",
        "labels": ", ".join(told["labels"]),
        **{kind: ", ".join(_linked(told, kind)) for kind in ("needs", "part_of", "found_from", "relates")},
        "not before": told.get("not_before", ""),
        "origin": told.get("origin", ""),
        "opened": f"{told.get('opened_at', '')} by {told.get('opened_by', '')}",
        "agent": _agent(told),
        "lease": run.get("until", "") if told.get("state") == "working" else "",
        "attempts": str(told.get("attempts") or ""),
        "branch": told["change"]["branch"] if "change" in told else "",
        "gates": ", ".join(f"{verdict['gate']} {verdict['answer']}" for verdict in verdicts),
        "text": told.get("text", ""),
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


def record(lookup: Lookup, row: Row) -> dict[str, Any]:
    """The whole bead, as ``codec`` wrote it."""
    loaded: dict[str, Any] = loads(lookup.story(row.number))
    return loaded


def standing(row: Row, moment: str) -> dict[str, Any]:
    """What of a document follows from the other beads and the clock."""
    blocker = row.blocker if row.is_blocked(moment) else None
    return {"ready": row.is_ready(moment), "reason": row.why(moment), "blocker": blocker}


def _state(row: Row, moment: str) -> str:
    return "blocked" if row.state == "open" and row.is_blocked(moment) else row.state


def _linked(told: Mapping[str, Any], kind: str) -> list[str]:
    return [to for edge, to in told["edges"] if edge == kind]


def _agent(told: Mapping[str, Any]) -> str:
    holder = told.get("run") or told.get("hook") or {}
    return str(holder.get("agent", ""))
