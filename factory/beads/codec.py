"""A bead as JSON text and back: how the index keeps what was folded, so that new events are applied to it."""

import json
from typing import Any, TypeVar

from factory.base.ids import BeadId
from factory.beads.bead import Bead, Candidate, Change, Hook, Run, Setback, Verdict

T = TypeVar("T")

_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False).encode

_PARTS: dict[str, type] = {"hook": Hook, "run": Run, "change": Change, "candidate": Candidate, "setback": Setback}


def encode(bead: Bead) -> str:
    """The bead as one line of JSON; what is as it was from the start is left out."""
    said: dict[str, Any] = {
        name: value for name, value in vars(bead).items() if name not in _PARTS and value != _FRESH.get(name)
    }
    said["labels"], said["edges"] = sorted(bead.labels), sorted(bead.edges)
    for name in _PARTS:
        part = getattr(bead, name)
        if part is not None:
            said[name] = vars(part)
    if bead.candidate is not None:
        said["candidate"] = {**vars(bead.candidate), "verdicts": [vars(said_) for said_ in bead.candidate.verdicts]}
    return _write(said)


def decode(text: str) -> Bead:
    """The bead that ``encode`` wrote; another text may raise anything."""
    said = json.loads(text)
    for name, kind in _PARTS.items():
        if name in said:
            said[name] = _made(kind, said[name])
    if "candidate" in said:
        vars(said["candidate"])["verdicts"] = tuple(_made(Verdict, verdict) for verdict in said["candidate"].verdicts)
    said["labels"] = frozenset(said["labels"])
    said["edges"] = frozenset((kind, BeadId(to)) for kind, to in said["edges"])
    for name in ("lost", "problems"):
        said[name] = tuple(said.get(name, ()))
    return _made(Bead, _FRESH | said)


def _made(kind: type[T], fields: dict[str, Any]) -> T:
    """The value with these fields, all of them; a frozen dataclass's own way takes four times as long."""
    made = object.__new__(kind)
    vars(made).update(fields)
    return made


_FRESH = vars(Bead(BeadId("")))
