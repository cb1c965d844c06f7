"""Between clones: take what the remote's beads have, give what they lack; by union of events, never by text merge.

The remote is only ever moved forward, by compare-and-swap: whoever pushed first is merged with and tried again.
The live copy and the branch here are changed under the store's lock, the network is used without it.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from factory.base.errors import TryAgain
from factory.base.ids import BeadId, CommitId
from factory.base.locks import held
from factory.beads.absorb import BranchCopy, Merged, join, merged
from factory.beads.allowed import TAKES
from factory.beads.branch import REF
from factory.beads.events import Event, parse_lines
from factory.beads.fold import fold
from factory.beads.graph import cycles
from factory.beads.publish import publish, restore
from factory.beads.store import Store
from factory.beads.union import Clash, bead_of, key, lines
from factory.git.remote import Push, PushRefused, Remote
from factory.git.repository import Move, RefMoved, Repository

_TRIES = 40
_PATIENCE = 5
"""Refusals in a row, with nobody moving the ref, after which the remote means it."""

_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 1.0
"""Who lost a race waits a random time below a bound that doubles, from 20 ms to a second."""


class Crowded(TryAgain):
    """Others pushed first, again and again."""

    def __init__(self, remote: str) -> None:
        super().__init__(
            f"the beads are here but not at {remote}, because others kept pushing there first", "run factory sync again"
        )


@dataclass(frozen=True)
class LostClaim:
    """A session or claim ``loser`` that held ``bead`` until another clone's ``winner`` turned out to be earlier."""

    bead: BeadId
    winner: str
    winner_agent: str
    loser: str
    loser_agent: str
    ours: bool
    """Whether the loser works in this clone."""


@dataclass(frozen=True)
class Report:
    """What a sync did: events that came and went (lines of ledgers among them), beads that changed here."""

    head: CommitId | None = None
    events_in: int = 0
    events_out: int = 0
    beads: frozenset[BeadId] = frozenset()
    lost: tuple[LostClaim, ...] = ()
    clashes: tuple[Clash, ...] = ()
    overtaken: tuple[str, ...] = ()
    """Events of one side that count for nothing since the other's stand before them, each in a sentence."""
    cycles: tuple[tuple[BeadId, ...], ...] = ()
    """Beads that wait for each other in a ring now."""

    def after(self, earlier: Report) -> Report:
        """This step and the one before it, told as one."""
        return replace(
            self,
            events_in=earlier.events_in + self.events_in,
            events_out=self.events_out,
            beads=earlier.beads | self.beads,
            lost=tuple(dict.fromkeys((*earlier.lost, *self.lost))),
            clashes=tuple(dict.fromkeys((*earlier.clashes, *self.clashes))),
            overtaken=tuple(dict.fromkeys((*earlier.overtaken, *self.overtaken))),
        )


@dataclass(frozen=True)
class Clone:
    """The beads of this clone, as a sync needs them."""

    repo: Repository
    store: Store
    sign: bool = False
    pause: Callable[[float], None] = field(default=time.sleep)


def sync(clone: Clone, remote: Remote) -> Report:
    """Make this clone and the remote have the same events; raises ``Unreachable``, ``PushRefused`` and ``Crowded``."""
    with held(clone.repo.state_dir / "sync.lock"):
        report = _sync(clone, remote)
    rings = cycles(clone.store, sorted(report.beads))
    return replace(report, cycles=tuple(sorted({_turned([bead for bead, _ in ring.steps]) for ring in rings.values()})))


def _sync(clone: Clone, remote: Remote) -> Report:
    tracked = f"refs/factory/remotes/{hashlib.sha256(remote.name.encode()).hexdigest()[:12]}/beads"
    report = Report()
    name = clone.store.place
    seen: CommitId | None = None
    said: list[str] = []
    bound = _PAUSE_S
    for _ in range(_TRIES):
        remote.fetch(REF, tracked)
        theirs = clone.repo.peek(tracked)
        said = said if seen == theirs else []
        if len(said) >= _PATIENCE:  # nobody moved it meanwhile: this is no race
            raise PushRefused(remote.name, REF, said[-1])
        try:
            with clone.store.locked():
                report = _take(clone, name, theirs).after(report)
        except RefMoved:  # a person moved the branch here meanwhile
            continue
        if report.head is None or report.head == theirs:
            break
        refused = remote.push([Push(REF, report.head, theirs)])
        if not refused:
            break
        seen = theirs
        said.append(refused[0].said)
        clone.pause(random.uniform(0, bound))  # noqa: S311 - spreads racers, guards nothing
        bound = min(2 * bound, _LONGEST_PAUSE_S)
    else:
        raise Crowded(remote.name)
    return report


def _take(clone: Clone, name: str, theirs: CommitId | None) -> Report:
    """Bring what the remote has into the branch and the live copy; the store's lock is held. May raise ``RefMoved``."""
    repo, live, changes = clone.repo, clone.store.live, clone.store.changes
    if theirs is not None and repo.peek(REF) is None and not any(path.is_file() for path in live.rglob("*")):
        return _begin(clone, theirs)
    publish(repo, live, changes, sign=clone.sign)
    ours = repo.peek(REF)
    if ours is None or ours == theirs:
        return Report(head=ours)
    if theirs is None:
        return Report(head=ours, events_out=_size(repo, ours))
    found = merged(repo, ours, theirs)
    report = _told(found, name)
    if found.differs or not repo.is_ancestor(theirs, ours):  # a text merge by hand may have dropped lines of theirs
        is_behind = repo.is_ancestor(ours, theirs)
        head = theirs if is_behind else join(repo, found, (ours, theirs), "beads: sync\n", sign=clone.sign)
        repo.move_refs([Move(REF, head, ours)], "factory: sync")
        publish(repo, live, changes, sign=clone.sign)
    return replace(report, head=repo.peek(REF))


def _begin(clone: Clone, theirs: CommitId) -> Report:
    """A clone without beads takes those of the remote as they are."""
    live = clone.store.live
    clone.repo.move_refs([Move(REF, theirs, None)], "factory: beads of the remote")
    shutil.rmtree(live)
    restore(clone.repo, live)
    clone.store.changes.restart()
    copy = BranchCopy(clone.repo, theirs)
    beads = frozenset(bead for path in copy.paths() if (bead := bead_of(path)))
    return Report(head=theirs, events_in=_size(clone.repo, theirs), beads=beads)


def _size(repo: Repository, commit: CommitId) -> int:
    """The lines of events in a commit."""
    copy = BranchCopy(repo, commit)
    paths = [path for path in copy.paths() if _has_events(path)]
    copy.expect(paths)
    return sum((copy.read(path) or b"").count(b"\n") for path in paths)


def _has_events(path: str) -> bool:
    return path.endswith(".jsonl") and not path.startswith("beads/aside/")


def _told(found: Merged, place: str) -> Report:
    paths = [path for path in found.paths if _has_events(path)]
    mine = {key(row) for path in paths for row in lines(found.ours.read(path))}
    other = {key(row) for path in paths for row in lines(found.theirs.read(path))}
    touched = {
        path: bead
        for path, content in found.united.files.items()
        if (bead := bead_of(path)) and content is not None and content != found.ours.read(path)
    }
    lost = [
        claim
        for path, bead in touched.items()
        for claim in _lost(bead, _events(found.ours.read(path)), _events(found.united.files[path]), place)
    ]
    return Report(
        events_in=len(other - mine),
        events_out=len(mine - other),
        beads=frozenset(touched.values()),
        lost=tuple(lost),
        clashes=found.united.clashes,
        overtaken=tuple(
            said
            for path in touched
            for said in _overtaken(found.ours.read(path), found.theirs.read(path), found.united.files[path])
        ),
    )


def _events(raw: bytes | None) -> list[Event]:
    return [item for item in parse_lines(raw or b"", "") if isinstance(item, Event)]


def _overtaken(ours: bytes | None, theirs: bytes | None, united: bytes | None) -> Iterator[str]:
    """What the lifecycle refuses in the union and refused on neither side."""
    before = [bead.problems for side in (ours, theirs) if (bead := fold(_events(side))) is not None]
    after = fold(_events(united))
    known = {said for problems in before for said in problems}
    yield from (said.partition(": ")[2] for said in (after.problems if after else ()) if said not in known)


def _lost(bead: BeadId, before: list[Event], after: list[Event], place: str) -> Iterator[LostClaim]:
    """Who held the bead by the events ``before`` and does not by those ``after``, though nobody took it from them."""
    was, now = fold(before), fold(after)
    if was is None or now is None:
        return
    for loser in now.lost:
        taken = next((event for event in after if event.session == loser and event.type in TAKES), None)
        if loser in was.lost or taken is None:
            continue
        holder = fold(event for event in after if event.id < taken.id)
        run = holder.run if holder else None
        yield LostClaim(
            bead,
            winner=run.session if run else "",
            winner_agent=run.agent if run else "",
            loser=loser,
            loser_agent=str(taken.data.get("agent") or taken.by),
            ours=taken.data.get("place") == place,
        )


def _turned(ring: Sequence[BeadId]) -> tuple[BeadId, ...]:
    """A ring from its smallest bead on, so that one ring is told once."""
    first = ring.index(min(ring))
    return (*ring[first:], *ring[:first])
