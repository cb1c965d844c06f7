"""Reads the ``issues.jsonl`` of Beads (``bd``): one issue a line, with labels, dependencies and comments inside.

The fields are those of ``types.Issue`` in Beads' own source (``internal/types/types.go``), old and new.
"""

from collections.abc import Iterable

from factory.beads.fields import MAX_TITLE
from factory.intake.fields import Fields
from factory.intake.foreign import (
    Ending,
    Failure,
    Foreign,
    LeftOut,
    Loss,
    NotAnItem,
    Reading,
    Record,
    conversation,
    is_key,
    moment,
    sections,
    short,
)

EDGES = {
    "blocks": "needs",
    "parent-child": "part_of",
    "discovered-from": "found_from",
    "related": "relates",
    "relates-to": "relates",
}
"""Beads' kinds of dependency that beads here have too; the issue that names one is where the edge begins."""

_NOT_WORK = frozenset({"message", "gate", "event", "agent", "role", "rig", "convoy", "slot", "merge-request"})
"""Issue types that carry the tool's own traffic."""
_HIGHEST, _DEFAULT, _LOWEST = 0, 2, 4


def looks_right(record: Record) -> bool:
    """Whether a record is one of Beads'."""
    data = record.data
    if data.get("_type") == "memory":
        return True
    return isinstance(data.get("id"), str) and "title" in data and ("issue_type" in data or "status" in data)


def read(records: Iterable[Record]) -> Reading:
    """Every issue, and what it says that a bead cannot."""
    items: list[Foreign] = []
    losses: list[Loss] = []
    failures: list[Failure] = []
    left_out: set[str] = set()
    for record in records:
        fields = Fields(record, short(record.data.get("id") or record.data.get("key") or ""))
        try:
            items.append(_issue(fields))
        except LeftOut as out:
            losses.append(out.loss)
            left_out.add(fields.key)
        except NotAnItem as error:
            failures.append(Failure(record.where, fields.key, error.sentence))
        else:
            losses.extend(fields.losses)
    return Reading(tuple(items), tuple(losses), tuple(failures), frozenset(left_out))


def _issue(fields: Fields) -> Foreign:
    key = fields.text("id")
    if fields.text("_type") == "memory":
        raise LeftOut("not-work", fields.key, "a memory")
    if not is_key(key):
        raise NotAnItem("it has no id, or one that is not a single word")
    _leave_out(fields)
    comments = [
        (str(comment.get("author") or ""), str(comment.get("created_at") or ""), str(comment.get("text") or ""))
        for comment in fields.objects("comments")
    ]
    body = sections(
        (
            ("", fields.text("description")),
            ("Design", fields.text("design")),
            ("Acceptance criteria", fields.text("acceptance_criteria")),
            ("Notes", fields.text("notes")),
            ("Comments", conversation(comments)),
        )
    )
    title, text = fields.title_and_text(fields.text("title"), body, MAX_TITLE)
    ending = _ending(fields)
    labels = fields.labels([*fields.texts("labels"), *_label_of_type(fields)])
    issue = Foreign(
        key,
        f"beads:{key}",
        fields.record.where,
        title,
        text,
        _priority(fields),
        labels,
        tuple(_links(fields)),
        moment(fields.text("defer_until")),
        ending,
        moment(fields.text("created_at")),
        moment(fields.text("updated_at")),
    )
    fields.lose_fields("assignee", "assignee", "owner")
    fields.lose_fields("author", "created_by", "sender")
    fields.lose_fields("date", "created_at", "updated_at", "started_at", "closed_at", "due_at")
    fields.derived("_type", "dependency_count", "dependent_count", "comment_count", "parent", "notes_preview")
    fields.derived("content_hash")
    fields.lose_rest()
    return issue


def _leave_out(fields: Fields) -> None:
    """Raise ``LeftOut`` for what was deleted, and for what is no piece of work."""
    data = fields.record.data
    if data.get("status") == "tombstone":
        raise LeftOut("deleted", fields.key, str(data.get("delete_reason") or ""))
    kind = data.get("issue_type")
    if isinstance(kind, str) and kind in _NOT_WORK:
        raise LeftOut("not-work", fields.key, f"of type {kind}")
    marks = [name for name in ("is_template", "pinned", "ephemeral") if data.get(name) is True]
    if data.get("status") == "pinned" or marks:
        raise LeftOut("not-work", fields.key, marks[0] if marks else "pinned")


def _ending(fields: Fields) -> Ending | None:
    status = fields.text("status")
    reason = fields.text("close_reason").strip()
    if status == "closed" or fields.record.data.get("closed_at"):
        return fields.ending(f"closed in Beads: {reason}" if reason else "closed in Beads, no reason given")
    if status not in ("", "open"):
        fields.lose("state", status)
    return None


def _label_of_type(fields: Fields) -> list[str]:
    """The issue's type, where it says more than that it is a task, as the label that it becomes."""
    kind = fields.text("issue_type")
    return [kind] if kind not in ("", "task") else []


def _priority(fields: Fields) -> int:
    priority = fields.number("priority")
    if priority is None and "priority" not in fields.record.data:
        # bd before 0.30 wrote no priority for its highest, and reads it so to this day.
        fields.lose("priority", "not given, which Beads reads as 0")
        return _HIGHEST
    if priority is None or not _HIGHEST <= priority <= _LOWEST:
        fields.derived("priority")
        fields.lose("priority", f"{fields.record.data.get('priority')} there, {_DEFAULT} here")
        return _DEFAULT
    return priority


def _links(fields: Fields) -> Iterable[tuple[str, str]]:
    for dependency in fields.objects("dependencies"):
        kind, to = dependency.get("type"), dependency.get("depends_on_id")
        if dependency.get("issue_id", fields.key) != fields.key or not isinstance(to, str) or not to:
            fields.lose("edge-missing", f"{kind} from {dependency.get('issue_id')} to {to}")
        elif isinstance(kind, str) and kind in EDGES:
            yield EDGES[kind], to
        else:
            fields.lose("edge-type", f"{kind} {to}")
