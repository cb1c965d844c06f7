"""Beads as rows and as JSON, with their reasons: one form for every command that shows beads."""

from collections.abc import Iterable, Mapping

from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.graph import Blocked
from factory.beads.lifecycle import LIVE


def as_json(bead: Bead, blocked: Mapping[BeadId, Blocked], reason: str = "") -> dict[str, object]:
    """The bead as every ``--json`` shows it."""
    change = bead.change
    return {
        "id": bead.id,
        "title": bead.title,
        "text": bead.text,
        "state": bead.state,
        "ready": bead.state == "open" and bead.id not in blocked,
        "priority": bead.priority,
        "labels": sorted(bead.labels),
        "needs": list(bead.needs),
        "part_of": list(bead.linked("part_of")),
        "agent": bead.run.agent if bead.run else bead.hook.agent,
        "attempts": bead.attempts,
        "rounds": bead.rounds,
        "reason": reason or short_reason(bead, blocked),
        "branch": change.branch if change else "",
        "commit": bead.landed or "",
        "opened_at": bead.opened_at,
        "opened_by": bead.opened_by,
        "updated_at": bead.updated_at,
    }


def short_reason(bead: Bead, blocked: Mapping[BeadId, Blocked]) -> str:
    """Why it is where it is, as far as the beads alone tell."""
    if bead.state in LIVE and bead.id in blocked:
        return blocked[bead.id].reason
    if bead.setback and bead.state in ("open", "waiting", "dropped"):
        return bead.setback.reason.split("\n")[0]
    if bead.state == "working" and bead.run:
        return f"{bead.run.agent} works on it, attempt {bead.run.attempt}"
    return f"landed as {bead.landed[:10]}" if bead.landed else ""


def rows(beads: Iterable[Bead], blocked: Mapping[BeadId, Blocked]) -> list[list[str]]:
    """Beads as rows of id, priority, state, agent and title with reason."""
    return [
        [
            bead.id,
            f"P{bead.priority}",
            "blocked" if bead.state == "open" and bead.id in blocked else bead.state,
            bead.run.agent if bead.run else bead.hook.agent,
            bead.title + (f"  ({reason})" if (reason := short_reason(bead, blocked)) else ""),
        ]
        for bead in beads
    ]


HEADINGS = ("BEAD", "PRI", "STATE", "AGENT", "TITLE")
