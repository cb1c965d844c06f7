"""Bytes that somebody exported elsewhere, as JSON objects: one a line, one array, or one document."""

import json
from collections.abc import Iterable
from dataclasses import dataclass

from factory.base.errors import UserError
from factory.intake.foreign import Failure, Record

MAX_INPUT = 256 * 1024 * 1024
"""Bytes; 10,000 GitHub issues with their comments are about 100 MB."""
MAX_LINE = 4 * 1024 * 1024
"""Bytes; no item of a tracker is longer, and a bead keeps 32,000 characters of it."""

_HINT = "nothing was written; give Beads' issues.jsonl, what factory bead export wrote, or gh issue list --json …"


class NotReadable(UserError):
    """A file as a whole is nothing that could be imported."""

    def __init__(self, problem: str, hint: str = _HINT) -> None:
        super().__init__(problem, hint)


@dataclass(frozen=True)
class Records:
    """The objects of a file in their order, and the lines that hold none."""

    records: tuple[Record, ...]
    failures: tuple[Failure, ...] = ()


def parse(raw: bytes) -> Records:
    """The JSON objects in ``raw``; raises ``NotReadable`` when there is not one, and it is not an empty list."""
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NotReadable("this is UTF-16 text, not UTF-8", "nothing was written; save it as UTF-8")
    body = raw.removeprefix(b"\xef\xbb\xbf")
    if not body.strip():
        raise NotReadable("there is nothing in it")
    if b"\0" in body[:4096]:
        raise NotReadable("this is binary data, not JSON")
    if body.lstrip()[:1] == b"[":
        return _array(body)
    found = _lines(body)
    if not found.records:
        found = _document(body) or found
    if not found.records:
        first = found.failures[0]
        more = f" (and so are {len(found.failures) - 1} more lines)" if len(found.failures) > 1 else ""
        raise NotReadable(f"line {first.where} is {first.reason}{more}")
    return found


def _lines(body: bytes) -> Records:
    records: list[Record] = []
    failures: list[Failure] = []
    for number, line in enumerate(body.split(b"\n"), start=1):
        if not line.strip():
            continue
        read = _line(line)
        if isinstance(read, str):
            failures.append(Failure(number, "", read))
        else:
            records.append(Record(number, read))
    return Records(tuple(records), tuple(failures))


def _line(line: bytes) -> dict[str, object] | str:
    if len(line) > MAX_LINE:
        return f"{len(line)} bytes long, and {MAX_LINE} is the most"
    if b"\0" in line:
        return "not JSON: it holds NUL bytes"
    if line.startswith((b"<<<<<<< ", b"=======", b">>>>>>> ", b"||||||| ")):
        return "a conflict marker of git"
    read = _json(line)
    return read if isinstance(read, dict | str) else "not a JSON object"


def _json(raw: bytes) -> "dict[str, object] | list[object] | str | None":
    """What ``raw`` says, or as a text why it says nothing."""
    try:
        value = json.loads(raw)
    except UnicodeDecodeError:
        return "not UTF-8 text"
    except RecursionError:
        return "nested too deeply"
    except ValueError:
        return "not JSON"
    return value if isinstance(value, dict | list) else None


def _array(body: bytes) -> Records:
    value = _json(body)
    if isinstance(value, str):
        raise NotReadable(f"this begins like a JSON list and is {value}")
    assert isinstance(value, list)
    return _objects(value)


def _objects(values: Iterable[object]) -> Records:
    records: list[Record] = []
    failures: list[Failure] = []
    for number, value in enumerate(values, start=1):
        if isinstance(value, dict):
            records.append(Record(number, value))
        else:
            failures.append(Failure(number, "", "not a JSON object"))
    if failures and not records:
        raise NotReadable("this is a JSON list that holds no issue")
    return Records(tuple(records), tuple(failures))


def _document(body: bytes) -> Records | None:
    """One object over several lines, as ``gh issue view`` or ``jq`` prints it."""
    value = _json(body) if len(body) <= MAX_LINE else None
    return Records((Record(1, value),)) if isinstance(value, dict) else None
