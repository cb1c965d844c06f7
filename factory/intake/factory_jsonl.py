"""Factory's own exchange format: one bead a line, written by ``factory bead export`` and read back."""

from collections.abc import Iterable

from factory.base.clock import parse_iso
from factory.base.ids import is_bead_id
from factory.beads.bead import Bead
from factory.beads.fields import MAX_TITLE
from factory.beads.lifecycle import LIVE, STATES
from factory.beads.payloads import EDGES
from factory.intake.fields import Fields
from factory.intake.foreign import Ending, Failure, Foreign, Loss, NotAnItem, Reading, Record, is_key, short

_PRIORITIES = range(5)
_DEFAULT_PRIORITY = 2


def record(bead: Bead) -> dict[str, object]:
    """The bead as one object of the format; ``reason`` says why it was dropped."""
    return {
        "id": bead.id,
        "title": bead.title,
        "text": bead.text,
        "state": bead.state,
        "priority": bead.priority,
        "labels": sorted(bead.labels),
        **{edge: list(bead.linked(edge)) for edge in EDGES},
        "not_before": bead.not_before,
        "origin": bead.origin,
        "opened_at": bead.opened_at,
        "opened_by": bead.opened_by,
        "reason": bead.setback.reason if bead.state == "dropped" and bead.setback else "",
    }


def looks_right(found: Record) -> bool:
    """Whether a record is a bead of factory."""
    id_ = found.data.get("id")
    return isinstance(id_, str) and is_bead_id(id_) and found.data.get("state") in STATES and "title" in found.data


def read(records: Iterable[Record]) -> Reading:
    """Every bead, and what it says that a new bead cannot."""
    items: list[Foreign] = []
    losses: list[Loss] = []
    failures: list[Failure] = []
    for found in records:
        fields = Fields(found, short(found.data.get("id") or ""))
        try:
            items.append(_bead(fields))
        except NotAnItem as error:
            failures.append(Failure(found.where, fields.key, error.sentence))
        else:
            losses.extend(fields.losses)
    return Reading(tuple(items), tuple(losses), tuple(failures))


def _bead(fields: Fields) -> Foreign:
    key = fields.text("id")
    if not is_bead_id(key):
        raise NotAnItem("its id is not that of a bead")
    title, text = fields.title_and_text(fields.text("title"), fields.text("text"), MAX_TITLE)
    bead = Foreign(
        key,
        _origin(fields),
        fields.record.where,
        title,
        text,
        _priority(fields),
        fields.labels(fields.texts("labels")),
        tuple((edge, to) for edge in EDGES for to in fields.texts(edge)),
        _time(fields, "not_before"),
        _ending(fields),
        _time(fields, "opened_at"),
    )
    fields.lose_fields("date", "opened_at")
    fields.lose_fields("author", "opened_by")
    fields.lose_rest()
    return bead


def _origin(fields: Fields) -> str:
    """Where the bead first came from: its own origin, else the store that it is read from."""
    own = fields.text("origin")
    if own and not is_key(own):
        fields.lose("field:origin", own)
    return own if is_key(own) else f"factory:{fields.key}"


def _time(fields: Fields, name: str) -> str:
    said = fields.text(name)
    try:
        return said if said and parse_iso(said) else ""
    except ValueError:
        fields.lose("date", f"{name} {said}")
        return ""


def _priority(fields: Fields) -> int:
    priority = fields.number("priority")
    if priority is not None and priority in _PRIORITIES:
        return priority
    fields.derived("priority")
    fields.lose("priority", f"{fields.record.data.get('priority')} there, {_DEFAULT_PRIORITY} here")
    return _DEFAULT_PRIORITY


def _ending(fields: Fields) -> Ending | None:
    state, reason = fields.text("state"), fields.text("reason").strip()
    if state not in STATES:
        raise NotAnItem(f"{state or 'nothing'!r} is not a state of a bead")
    if state in LIVE:
        if state != "open":
            fields.lose("state", state)
        return None
    if state == "dropped":
        return fields.ending(reason or "dropped there, no reason given", meets=False)
    return fields.ending(f"{state} in another store as {fields.key}")
