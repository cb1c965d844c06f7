"""A bead as JSON text and back: how the index keeps what was folded, so that new events are applied to it."""

import json
from typing import Any

from factory.base.ids import BeadId
from factory.beads.bead import Bead, Candidate, Change, Hook, Run, Setback, Verdict

_PARTS: dict[str, type] = {"hook": Hook, "run": Run, "change": Change, "candidate": Candidate, "setback": Setback}


def encode(bead: Bead) -> str:
    """The bead as one line of JSON; what is as it was from the start is left out."""
    said: dict[str, Any] = {
        name: value for name, value in vars(bead).items() if value != _FRESH.get(name) and name not in _PARTS
    }
    said["labels"], said["edges"] = sorted(bead.labels), sorted(bead.edges)
    for name in _PARTS:
        part = getattr(bead, name)
        if part is not None:
            said[name] = vars(part)
    if bead.candidate is not None:
        said["candidate"] = {**vars(bead.candidate), "verdicts": [vars(said_) for said_ in bead.candidate.verdicts]}
    return json.dumps(said, ensure_ascii=False, separators=(",", ":"))


def decode(text: str) -> Bead:
    """The bead that ``encode`` wrote; another text may raise anything."""
    said = json.loads(text)
    for name, kind in _PARTS.items():
        if name in said:
            said[name] = kind(**said[name])
    if "candidate" in said:
        verdicts = tuple(Verdict(**verdict) for verdict in said["candidate"].verdicts)
        said["candidate"] = Candidate(**{**vars(said["candidate"]), "verdicts": verdicts})
    said["labels"] = frozenset(said["labels"])
    said["edges"] = frozenset((kind, BeadId(to)) for kind, to in said["edges"])
    for name in ("lost", "problems"):
        said[name] = tuple(said.get(name, ()))
    return Bead(**said)


_FRESH = vars(Bead(BeadId("")))
