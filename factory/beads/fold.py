"""From events to a bead: pure, and the same whatever order the events arrived in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from factory.base.errors import Refused
from factory.base.ids import BeadId, CommitId, SessionId, TreeId
from factory.beads.allowed import TAKES, check
from factory.beads.bead import LOST, NO_CHANGE, STOPPED, Bead, Candidate, Change, Hook, Run, Setback, Verdict
from factory.beads.events import VERSION, Event, in_order
from factory.beads.lifecycle import EVENT_TYPES, State

_EDGES = frozenset({"needs", "part_of", "found_from", "relates"})
"""The kinds of edge that this program knows (``payloads.EDGES``)."""

Changes = dict[str, Any]
"""What an event changes of a bead, by field."""

Effect = Callable[[Bead, Event], Changes]


def fold(events: Iterable[Event]) -> Bead | None:
    """The bead that ``events`` (all of one bead, in any order) tell of, or ``None`` before it was opened.

    An event that the lifecycle does not allow where it stands is not applied; it is named in
    ``problems``. Unknown types and newer versions are passed over: another program wrote them.
    """
    bead: Bead | None = None
    for event in in_order(events):
        changes = _changes(bead, event)
        if changes is None:
            continue
        if bead is None:
            bead = Bead(event.on)
        vars(bead).update(changes)  # nobody else has seen it yet; ``replace`` would copy all of it a thousand times
    return bead


def apply(bead: Bead | None, event: Event) -> Bead | None:
    """One more event."""
    changes = _changes(bead, event)
    if changes is None:
        return bead
    return replace(bead or Bead(event.on), **changes)


def _changes(bead: Bead | None, event: Event) -> Changes | None:
    """What an event changes, by field, or ``None`` when it is not for this program or came before the opening."""
    if event.version > VERSION or event.type not in EVENT_TYPES:
        return {"last": event.id} if bead else None  # what is written next comes after it all the same
    try:
        state = check(bead, event)
    except Refused as refusal:
        return None if bead is None else {**_otherwise(bead, event, refusal), "last": event.id}
    if bead is None:
        opened = {"opened_at": event.at, "opened_by": event.by, "opened": event.id}
        return {**opened, **_effect(Bead(event.on), event, state)}
    return _effect(bead, event, state)


def _effect(bead: Bead, event: Event, state: State) -> Changes:
    changes = _EFFECTS[event.type](bead, event)
    changes.update(state=state, updated_at=event.at, last=event.id)
    return changes


def _otherwise(bead: Bead, event: Event, refusal: Refused) -> Changes:
    """What becomes of an event that no writer may add where it stands now; another clone's may have come between.

    Whoever took the bead with a higher fencing number holds it, as the place where clones meet decided; of two
    with the same number the earlier holds it. What the loser writes counts for nothing.
    """
    if event.type == "bead_landed" and event.role == "landing":
        return _effect(bead, event, "landed")  # the target has moved: nothing another clone did undoes that
    if event.session in bead.lost:
        return {}
    if event.type in TAKES and bead.state != "open":
        if bead.state == "working" and bead.run and _number(event.data, "fence") > bead.run.fence:
            return {**_effect(bead, event, "working"), "lost": (*bead.lost, bead.run.session)}
        fence = max(bead.fence, _number(event.data, "fence"))
        return {"lost": (*bead.lost, SessionId(event.session or "")), "fence": fence}
    return {"problems": (*bead.problems, f"{event.id}: {refusal.sentence}")}


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""


def _number(data: Mapping[str, object], name: str, default: int = 0) -> int:
    value = data.get(name)
    return value if isinstance(value, int) else default


def _texts(data: Mapping[str, object], name: str) -> tuple[str, ...]:
    value = data.get(name)
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list) else ()


def _opened(_: Bead, event: Event) -> Changes:
    data = event.data
    return {
        "title": _text(data, "title"),
        "text": _text(data, "text"),
        "priority": _number(data, "priority", 2),
        "labels": frozenset(_texts(data, "labels")),
        "edges": frozenset((kind, BeadId(to)) for kind in _EDGES for to in _texts(data, kind)),
        "not_before": _text(data, "not_before"),
        "origin": _text(data, "origin"),
    }


def _edited(bead: Bead, event: Event) -> Changes:
    data = event.data
    labels = (bead.labels | set(_texts(data, "add_labels"))) - set(_texts(data, "remove_labels"))
    return {
        "title": _text(data, "title") or bead.title,
        "text": _text(data, "text") if "text" in data else bead.text,
        "priority": _number(data, "priority", bead.priority),
        "labels": labels,
        "not_before": _text(data, "not_before") if "not_before" in data else bead.not_before,
    }


def _linked(bead: Bead, event: Event) -> Changes:
    edge = (_text(event.data, "edge"), BeadId(_text(event.data, "to")))
    return {"edges": bead.edges | {edge}} if edge[0] in _EDGES else {}


def _unlinked(bead: Bead, event: Event) -> Changes:
    return {"edges": bead.edges - {(_text(event.data, "edge"), BeadId(_text(event.data, "to")))}}


def _hooked(_: Bead, event: Event) -> Changes:
    return {"hook": Hook(_text(event.data, "agent"), event.data.get("land") is not False)}


def _started(bead: Bead, event: Event) -> Changes:
    data = event.data
    run = Run(
        SessionId(event.session or ""),
        _text(data, "agent"),
        _text(data, "runtime"),
        _text(data, "model"),
        _number(data, "attempt"),
        _number(data, "fence"),
        CommitId(_text(data, "base")),
        _text(data, "branch"),
        event.at,
        _text(data, "target"),
        _text(data, "place"),
        _text(data, "until"),
    )
    return {"run": run, "attempts": max(bead.attempts, run.attempt), "fence": max(bead.fence, run.fence)}


def _claimed(bead: Bead, event: Event) -> Changes:
    data, session, fence = event.data, SessionId(event.session or ""), _number(event.data, "fence")
    run = Run(
        session, event.by, "", "", bead.attempts, fence, CommitId(""), "", event.at, "",
        _text(data, "place"), _text(data, "until"),
    )  # fmt: skip
    return {"run": run, "fence": max(bead.fence, fence), "setback": None}


def _renewed(bead: Bead, event: Event) -> Changes:
    return {"run": bead.run and replace(bead.run, until=_text(event.data, "until"))}


def _released(_: Bead, event: Event) -> Changes:
    reason = _text(event.data, "reason")
    return {"setback": Setback("released", reason, at=event.at) if reason else None}


def _submitted(bead: Bead, event: Event) -> Changes:
    data, run = event.data, bead.run
    assert run is not None
    change = Change(
        CommitId(_text(data, "head")),
        CommitId(_text(data, "base")),
        run.branch,
        run.session,
        run.agent,
        _text(data, "model") or run.model,
        _text(data, "summary"),
        event.id,
    )
    return {"change": change, "candidate": None, "setback": None, "failures": 0}


def _set_back(_: Bead, event: Event) -> Changes:
    data = event.data
    setback = Setback(
        _text(data, "code"), _text(data, "reason"), _text(data, "evidence"), _text(data, "remedy"), event.at
    )
    return {"setback": setback}


def _failed(bead: Bead, event: Event) -> Changes:
    counts = _text(event.data, "code") not in (LOST, STOPPED)
    return {**_set_back(bead, event), "failures": bead.failures + int(counts)}


def _stopped(code: str) -> Effect:
    def effect(_: Bead, event: Event) -> Changes:
        return {"setback": Setback(code, _text(event.data, "reason"), remedy="", at=event.at)}

    return effect


def _candidate(_: Bead, event: Event) -> Changes:
    data = event.data
    built = Candidate(CommitId(_text(data, "commit")), TreeId(_text(data, "tree")), CommitId(_text(data, "onto")))
    return {"candidate": built}


def _gate(bead: Bead, event: Event) -> Changes:
    data, candidate = event.data, bead.candidate
    if candidate is None or candidate.commit != _text(data, "commit"):
        return {}
    seconds = data.get("seconds")
    verdict = Verdict(
        _text(data, "gate"),
        _text(data, "answer"),
        _text(data, "reason"),
        float(seconds) if isinstance(seconds, int | float) else 0.0,
        _text(data, "evidence"),
    )
    others = tuple(other for other in candidate.verdicts if other.gate != verdict.gate)
    return {"candidate": replace(candidate, verdicts=(*others, verdict))}


def _announced(bead: Bead, event: Event) -> Changes:
    if bead.candidate is None:
        return {}
    announced = replace(
        bead.candidate, landing=CommitId(_text(event.data, "commit")), target=_text(event.data, "target")
    )
    return {"candidate": announced}


def _returned(bead: Bead, event: Event) -> Changes:
    return {**_set_back(bead, event), "rounds": bead.rounds + 1}


def _landed(_: Bead, event: Event) -> Changes:
    commit, target = CommitId(_text(event.data, "commit")), _text(event.data, "target")
    return {"landed": commit, "landed_on": target, "setback": None}


def _afresh(bead: Bead, _: Event) -> Changes:
    return {"rounds": 0, "failures": 0, "setback": None if bead.state == "dropped" else bead.setback}


def _approved(bead: Bead, _: Event) -> Changes:
    return {"setback": None, "candidate": None, "rounds": 0, "hook": replace(bead.hook, land=True)}


def _nothing(_: Bead, __: Event) -> Changes:
    return {}


_EFFECTS: dict[str, Effect] = {
    "bead_opened": _opened,
    "bead_edited": _edited,
    "bead_linked": _linked,
    "bead_unlinked": _unlinked,
    "bead_commented": _nothing,
    "bead_hooked": _hooked,
    "session_started": _started,
    "bead_claimed": _claimed,
    "claim_renewed": _renewed,
    "bead_released": _released,
    "change_submitted": _submitted,
    "no_change_reported": _stopped(NO_CHANGE),
    "question_asked": _stopped("question"),
    "session_failed": _failed,
    "bead_held": _set_back,
    "candidate_built": _candidate,
    "gate_finished": _gate,
    "landing_announced": _announced,
    "bead_returned": _returned,
    "bead_landed": _landed,
    "change_approved": _approved,
    "no_change_accepted": _nothing,
    "bead_reopened": _afresh,
    "bead_dropped": _set_back,
}
