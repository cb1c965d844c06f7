"""Beads as rows and as JSON, for the commands that have them in memory; the form is that of ``answers``."""

import json
from collections.abc import Iterable, Mapping

from factory.base.ids import BeadId
from factory.beads.bead import Bead
from factory.beads.codec import encode
from factory.beads.graph import Blocked
from factory.beads.index_tables import note
from factory.beads.lifecycle import LIVE
from factory.cli import answers


def as_json(bead: Bead, blocked: Mapping[BeadId, Blocked], reason: str = "") -> dict[str, object]:
    """The bead as every ``--json`` shows it."""
    standing = blocked.get(bead.id) if bead.state in LIVE else None
    return answers.document(
        json.loads(encode(bead)),
        ready=bead.state == "open" and standing is None,
        reason=reason or short_reason(bead, blocked),
        blocker=standing.blocker if standing else None,
    )


def short_reason(bead: Bead, blocked: Mapping[BeadId, Blocked]) -> str:
    """Why it is where it is, as far as the beads alone tell."""
    if bead.state in LIVE and bead.id in blocked:
        return blocked[bead.id].reason
    return note(bead)


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


HEADINGS = answers.HEADINGS
