"""Finished work, packed: the files of beads that ended long ago become one sealed file a month.

The order makes every step a safe last one: everything is announced, the pack is durable beside the live files,
the live files go, and one commit of the branch has the pack arrive and the files leave; whoever commits next
finishes it. What is there twice in between does no harm, because an event is applied once; the next run finds
what is packed already and only takes it away.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from factory.base.clock import iso
from factory.base.errors import UserError
from factory.base.files import read_plain
from factory.base.ids import time_of
from factory.beads.absorb import put
from factory.beads.events import VERSION, Damage, Event, parse_lines
from factory.beads.lifecycle import EVENT_TYPES, LIVE
from factory.beads.packs import FOLDER, Packs, is_ledger, name_of, seal
from factory.beads.store import Store
from factory.git.repository import Repository

_REST = timedelta(days=30)
"""How long a month must be over before it is packed, so that hardly anything comes late."""

_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
BY = "human:compact"


class NotOver(UserError):
    """Only months that are over can be packed."""

    def __init__(self, month: str) -> None:
        super().__init__(f"{month} is no month up to now", "give a month like 2026-08; what is before it is packed")
        self.month = month


class Size(NamedTuple):
    """What the beads take: live files and their bytes, git's loose objects, its packs and their bytes on disk."""

    files: int
    bytes: int
    loose_objects: int
    git_packs: int
    git_bytes: int


class Packed(NamedTuple):
    """One pack that was made, or would be."""

    month: str
    name: str
    files: int
    bytes: int


@dataclass(frozen=True)
class Compacted:
    """What was packed; ``removed`` counts the live files that left, ``after`` is missing when nothing was done."""

    packs: tuple[Packed, ...]
    removed: int
    before: Size
    after: Size | None


def compact(repo: Repository, store: Store, before: str = "", *, dry_run: bool = False) -> Compacted:
    """Pack what ended in a month before ``before`` (empty: in one that has been over for thirty days)."""
    limit = _limit(store.now(), before)
    with store.locked():
        size = _size(repo, store.live)
        if not dry_run:
            store.publish(everything=True)
        months = _finished(store, limit)
        packs = {month: seal(month, _not_packed(store.live, files)) for month, files in months.items()}
        made = [
            Packed(month, name_of(month, data), count, len(data))
            for month, data in packs.items()
            if (count := len(_not_packed(store.live, months[month])))
        ]
        if dry_run:
            return Compacted(tuple(made), sum(map(len, months.values())), size, None)
        arrive = {f"beads/{FOLDER}/{item.name}": packs[item.month] for item in made}
        leave = [path for files in months.values() for path in files]
        if leave:
            _swap(store, arrive, leave)
            store.publish()
        tidy(repo)
        return Compacted(tuple(made), len(leave), size, _size(repo, store.live))


def _swap(store: Store, arrive: Mapping[str, bytes], leave: list[str]) -> None:
    for path in (*arrive, *leave):
        store.changes.announce(path, BY, f"{path.removeprefix('beads/')} packed", replaced=True)
    put(store.live, {**arrive, **dict.fromkeys(leave)})
    store.changes.settle()


def tidy(repo: Repository) -> None:
    """Put git's loose objects into a pack; the caller holds the store's lock.

    Without ``-a`` and without a prune: an object only leaves its loose file once a pack has it, and what no ref
    reaches stays. After 3,000 commits of one event it took 3 s and 1.5 MB, as ``gc`` gives; ``maintenance run
    --task=loose-objects``, which does not know the files' names, took 13 s and 3.6 MB (git 2.39, 2 cores).
    """
    repo.ask("repack", "-q", "-d", "-l")


def _limit(now: str, before: str) -> str:
    if not before:
        return (datetime.fromisoformat(now) - _REST).strftime("%Y-%m")
    if not _MONTH.fullmatch(before) or before > now[:7]:
        raise NotOver(before)
    return before


def _finished(store: Store, limit: str) -> dict[str, dict[str, bytes]]:
    """The files that may be packed, by the month of their last event."""
    months: dict[str, dict[str, bytes]] = {}
    snapshot = store.snapshot()
    damaged = {item.file for item in snapshot.damage}
    for bead in sorted(snapshot.beads.values(), key=lambda bead: bead.id):
        if bead.state in LIVE:
            continue
        for path in _files(store, bead.id):
            if f"beads/{path.relative_to(store.live).as_posix()}" not in damaged:
                raw = read_plain(path)
                name = store.relative(path)
                month = _month(raw, name)
                if month and month < limit:
                    months.setdefault(month, {})[name] = raw
    return dict(sorted(months.items()))


def _files(store: Store, bead: str) -> Iterator[Path]:
    for file in sorted(store.live.glob(f"????-??-??/{bead}.jsonl")):
        if file.is_file() and not file.is_symlink():
            yield file
    for file in sorted(store.live.glob(f"????-??-??/{bead}/*.jsonl")):
        if file.is_file() and not file.is_symlink():
            yield file


def _month(raw: bytes, path: str) -> str:
    """The month of a file's last event; none when something in it is damaged, or from a newer program."""
    last = ""
    for item in parse_lines(raw, path):
        if isinstance(item, Damage) or not _is_known(item, path):
            return ""
        last = max(last, item.id)
    return iso(time_of(last))[:7] if last else ""


def _is_known(event: Event, path: str) -> bool:
    return event.version <= VERSION and (is_ledger(path) or event.type in EVENT_TYPES)


def _not_packed(live: Path, files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files whose very bytes no sound pack holds already."""
    packs = [pack for pack in Packs(live).all() if not pack.check()]
    known = {(entry.path, entry.sha256) for pack in packs for entry in pack.entries()}
    return {path: raw for path, raw in files.items() if (path, hashlib.sha256(raw).hexdigest()) not in known}


def _size(repo: Repository, live: Path) -> Size:
    sizes = [file.stat().st_size for file in live.rglob("*.jsonl") if file.is_file()]
    rows = dict(line.split(": ") for line in repo.ask("count-objects", "-v").text.splitlines())
    disk = 1024 * (int(rows["size"]) + int(rows["size-pack"]))
    return Size(len(sizes), sum(sizes), int(rows["count"]), int(rows["packs"]), disk)
