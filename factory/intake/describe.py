"""Work that people describe on the command line or in a file, checked as a whole before any of it is written."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from factory.base.errors import UserError
from factory.base.ids import BeadId
from factory.beads.payloads import BeadHooked, BeadOpened, Malformed, checked
from factory.beads.store import Store


class BadFile(UserError):
    """A file of beads cannot be used; the sentence names file and line."""

    def __init__(self, path: Path, line: int, problem: str) -> None:
        super().__init__(f"{path}:{line}: {problem}", "nothing was written; each line is {'title': …, 'key': …}")
        self.path = path
        self.line = line


@dataclass(frozen=True)
class Wish:
    """A piece of work to be opened. ``key`` names it inside its file, ``needs`` keys or ids of others."""

    title: str
    text: str = ""
    priority: int = 2
    labels: tuple[str, ...] = ()
    key: str = ""
    needs: tuple[str, ...] = ()
    agent: str = ""


def from_file(path: Path) -> list[Wish]:
    """The wishes in a JSON-lines file, one object a line: ``title`` and, optionally, the other fields of a wish."""
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path} cannot be read: {error.strerror}", "give a file with one JSON object a line"
        ) from error
    wishes: list[Wish] = []
    for number, line in enumerate(raw.split(b"\n"), start=1):
        if line.strip():
            wishes.append(_wish(path, number, line, {wish.key for wish in wishes if wish.key}))
    if not wishes:
        raise BadFile(path, 1, "there is no bead in it")
    return wishes


def _wish(path: Path, number: int, line: bytes, keys: set[str]) -> Wish:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadFile(path, number, "not JSON") from error
    if not isinstance(record, dict):
        raise BadFile(path, number, "not a JSON object")
    known = {"title", "text", "priority", "labels", "key", "needs", "agent"}
    if set(record) - known:
        raise BadFile(path, number, f"unknown field {min(set(record) - known)!r}")
    labels, needs = (record.pop(name, []) for name in ("labels", "needs"))
    if not all(isinstance(items, list) and all(isinstance(item, str) for item in items) for items in (labels, needs)):
        raise BadFile(path, number, "labels and needs are lists of strings")
    try:
        wish = Wish(**record, labels=tuple(labels), needs=tuple(needs))
        _payload(wish, ())
    except TypeError as error:
        raise BadFile(path, number, "a bead needs a title") from error
    except Malformed as error:
        raise BadFile(path, number, error.sentence) from error
    if wish.key in keys:
        raise BadFile(path, number, f"the key {wish.key!r} is there twice")
    return wish


def _payload(wish: Wish, needs: tuple[BeadId, ...]) -> BeadOpened:
    return checked(
        BeadOpened, title=wish.title, text=wish.text, priority=wish.priority, labels=wish.labels, needs=needs
    )


def check_all(store: Store, wishes: Sequence[Wish]) -> None:
    """Raise for the first wish that cannot be opened."""
    existing = store.beads()
    keys = {wish.key for wish in wishes if wish.key}
    for wish in wishes:
        _payload(wish, ())
        unknown = [need for need in wish.needs if need not in keys and need not in existing]
        if unknown:
            sentence = f"{wish.title!r} needs {unknown[0]!r}, which is neither a key here nor a bead"
            raise UserError(sentence, "nothing was written; factory bead list shows what there is")
    _order(wishes, keys)


def open_all(
    store: Store, wishes: Sequence[Wish], by: str, prefix: str, hook: BeadHooked | None = None
) -> list[BeadId]:
    """Open every wish, each after those it needs; raises before anything is written when one cannot be opened.

    With ``hook`` each is put on it at once, or on that of the agent that the wish itself names.
    """
    check_all(store, wishes)
    made: dict[str, BeadId] = {}
    keys = {wish.key for wish in wishes if wish.key}
    answer: dict[int, BeadId] = {}
    for index in _order(wishes, keys):
        wish = wishes[index]
        needs = tuple(made.get(need, BeadId(need)) for need in wish.needs)
        own = hook.but(agent=wish.agent) if hook and wish.agent else hook
        answer[index] = store.open(_payload(wish, needs), by, prefix, hook=own)
        if wish.key:
            made[wish.key] = answer[index]
    return [answer[index] for index in range(len(wishes))]


def _order(wishes: Sequence[Wish], keys: set[str]) -> list[int]:
    from graphlib import CycleError, TopologicalSorter

    place = {wish.key: index for index, wish in enumerate(wishes) if wish.key}
    needed = {index: [place[need] for need in wish.needs if need in keys] for index, wish in enumerate(wishes)}
    try:
        return list(TopologicalSorter(needed).static_order())
    except CycleError as error:
        names = " needs ".join(wishes[index].key for index in error.args[1])
        raise UserError(f"these beads need each other: {names}", "nothing was written") from error
