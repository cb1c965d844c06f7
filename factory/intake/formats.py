"""Which format a file of items is in: said by the caller, or recognised by what stands in it."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from factory.base.files import printable
from factory.intake import beads_jsonl, factory_jsonl, github_issues, records
from factory.intake.foreign import Reading, Record, short
from factory.intake.records import NotReadable

_SHOWN_FIELDS = 6
_NEEDED = {
    "factory": "nothing was written; each line needs id, title and state, as factory bead export writes them",
    "beads": "nothing was written; each line needs id and title, as bd export writes them",
    "github": "nothing was written; gh issue list --json number,title,body,labels,state,url,createdAt,comments",
}


@dataclass(frozen=True)
class Format:
    """One format: what people call it, how its records look, and what reads them."""

    says: str
    looks_right: Callable[[Record], bool]
    read: Callable[[Iterable[Record]], Reading]


FORMATS = {
    "factory": Format("a bead of factory", factory_jsonl.looks_right, factory_jsonl.read),
    "beads": Format("an issue of Beads", beads_jsonl.looks_right, beads_jsonl.read),
    "github": Format("an issue of GitHub", github_issues.looks_right, github_issues.read),
}
"""Every format that can be imported, by the name that ``--from`` takes; in the order in which they are tried."""


def read(raw: bytes, wanted: str | None = None) -> tuple[str, Reading]:
    """The format of ``raw`` and what stands in it; raises ``NotReadable`` when nothing of it can be imported."""
    found = records.parse(raw)
    if not found.records:
        return wanted or "", Reading()
    kinds = [_kind(record, wanted) for record in found.records]
    name = _the_one(found.records, kinds, wanted)
    reading = FORMATS[name].read(found.records)
    if not (reading.items or reading.losses):
        first = reading.failures[0]
        raise NotReadable(f"item {first.where} cannot be imported: {first.reason}", _NEEDED[name])
    failures = sorted((*found.failures, *reading.failures), key=lambda failure: failure.where)
    return name, replace(reading, failures=tuple(failures))


def _kind(record: Record, wanted: str | None) -> str:
    """The format a record looks to be in, the wanted one first; nothing when it looks like none."""
    order = sorted(FORMATS, key=lambda name: name != wanted)
    return next((name for name in order if FORMATS[name].looks_right(record)), "")


def _the_one(found: Iterable[Record], kinds: list[str], wanted: str | None) -> str:
    counts = Counter(filter(None, kinds))
    names = wanted or (counts.most_common(1)[0][0] if counts else "")
    if len(counts) > 1 and not wanted:
        said = " and ".join(f"{count} of {name}" for name, count in counts.most_common())
        raise NotReadable(f"this mixes {said}", "nothing was written; import each kind from a file of its own")
    if not counts.get(names):
        first = next(iter(found))
        saw = FORMATS[kinds[0]].says if kinds[0] else f"JSON but no issue: it has {_fields_of(first)}"
        asked = f", not {FORMATS[wanted].says}" if wanted else ""
        raise NotReadable(f"item {first.where} is {saw}{asked}", _hint(kinds[0] if wanted else ""))
    return names


def _fields_of(record: Record) -> str:
    names = [printable(short(name)) for name in list(record.data)[:_SHOWN_FIELDS]]
    return ("the fields " + ", ".join(names) if names else "no fields") + ("…" if len(record.data) > len(names) else "")


def _hint(name: str) -> str:
    fits = f"--from {name} fits" if name else f"--from says which it is: {', '.join(FORMATS)}"
    return f"nothing was written; {fits}"
