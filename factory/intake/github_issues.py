"""Reads GitHub issues as ``gh issue list --json number,title,body,labels,state,url,…`` prints them.

The fields are those that ``gh issue list --json`` offers (GitHub CLI manual); lists of issues come
either plain or as ``{"nodes": [...], "totalCount": n}``. A ``#12`` in a text is no edge.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from factory.beads.fields import MAX_TITLE
from factory.intake.fields import Fields
from factory.intake.foreign import (
    Ending,
    Failure,
    Foreign,
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

_URL = re.compile(r"https?://([^/]+)/([^/#]+/[^/#]+)/issues/([0-9]+)(?:[#?].*)?")
_TOWARDS = {"blockedBy": "needs", "parent": "part_of"}
"""Fields that name issues which this one leads to, and the edge."""
_FROM = {"blocking": "needs", "subIssues": "part_of"}
"""Fields that name issues which lead to this one, and the edge."""


def looks_right(record: Record) -> bool:
    """Whether a record is an issue of GitHub."""
    number = record.data.get("number")
    return isinstance(number, int) and not isinstance(number, bool) and "title" in record.data


def read(records: Iterable[Record]) -> Reading:
    """Every issue, and what it says that a bead cannot."""
    items: list[Foreign] = []
    losses: list[Loss] = []
    failures: list[Failure] = []
    backwards: dict[str, list[tuple[str, str]]] = {}
    for record in records:
        fields = Fields(record, short(f"#{record.data.get('number')}"))
        try:
            items.append(_issue(fields))
        except NotAnItem as error:
            failures.append(Failure(record.where, fields.key, error.sentence))
            continue
        for kind, other in _neighbours(fields, _FROM):
            backwards.setdefault(other, []).append((kind, fields.key))
        fields.lose_rest()
        losses.extend(fields.losses)
    whole = (replace(item, links=tuple(dict.fromkeys((*item.links, *backwards.get(item.key, ()))))) for item in items)
    return Reading(tuple(whole), tuple(losses), tuple(failures))


def _issue(fields: Fields) -> Foreign:
    fields.number("number")
    url = fields.text("url")
    if not url:
        raise NotAnItem("it has no url, which tells it from the issues of other repositories")
    fields.key = _key(url)
    if not is_key(fields.key):
        raise NotAnItem("its url is not that of a GitHub issue")
    comments = [_comment(comment) for comment in fields.objects("comments") if not _is_hidden(fields, comment)]
    body = sections((("", fields.text("body")), ("Comments", conversation(comments))))
    title, text = fields.title_and_text(fields.text("title"), body, MAX_TITLE)
    names = [str(label.get("name") or "") for label in fields.objects("labels")]
    kind = fields.member("issueType").get("name")
    issue = Foreign(
        fields.key,
        f"github:{fields.key}",
        fields.record.where,
        title,
        text,
        labels=fields.labels([*filter(None, names), *([kind] if isinstance(kind, str) else [])]),
        links=tuple(_neighbours(fields, _TOWARDS)),
        ending=_ending(fields),
        opened_at=moment(fields.text("createdAt")),
        updated_at=moment(fields.text("updatedAt")),
    )
    _lose_people(fields)
    fields.lose_fields("date", "createdAt", "updatedAt", "closedAt")
    fields.derived("id", "closed", "subIssuesSummary")
    return issue


def _key(url: str) -> str:
    """``owner/repo#7``, with the host before it when that is not github.com."""
    match = _URL.fullmatch(url)
    if match is None:
        return ""
    host, repository, number = match.groups()
    return f"{repository}#{number}" if host == "github.com" else f"{host}/{repository}#{number}"


def _comment(comment: Mapping[str, object]) -> tuple[str, str, str]:
    return _login(comment.get("author")), str(comment.get("createdAt") or ""), str(comment.get("body") or "")


def _is_hidden(fields: Fields, comment: Mapping[str, object]) -> bool:
    """Whether the comment was hidden over there, as spam or outdated; no agent should read it then."""
    if comment.get("isMinimized") is not True:
        return False
    fields.lose("field:comments", f"one that was hidden as {comment.get('minimizedReason') or 'unwanted'}")
    return True


def _login(person: object) -> str:
    return str(person.get("login") or "") if isinstance(person, dict) else ""


def _ending(fields: Fields) -> Ending | None:
    state, reason = fields.text("state").upper(), fields.text("stateReason").lower().replace("_", " ")
    if state == "CLOSED" or fields.record.data.get("closed") is True:
        return fields.ending(f"closed on GitHub as {reason}" if reason else "closed on GitHub")
    if state not in ("", "OPEN"):
        fields.lose("state", state)
    return None


def _neighbours(fields: Fields, names: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for name, kind in names.items():
        one = fields.member(name)
        issues = [one] if "url" in one else fields.objects(name)
        for issue in issues:
            other = _key(str(issue.get("url") or ""))
            if other:
                yield kind, other
            else:
                fields.lose("edge-missing", f"{name} without the url of an issue")


def _lose_people(fields: Fields) -> None:
    logins = [_login(person) for person in fields.objects("assignees")]
    if logins:
        fields.lose("assignee", ", ".join(logins))
    author = _login(fields.member("author"))
    if author:
        fields.lose("author", author)
    milestone = fields.member("milestone").get("title")
    if milestone:
        fields.lose("milestone", milestone)
