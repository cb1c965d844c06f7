"""The door to the beads of a repository: read them all, append what happened, have it committed.

The live copy under ``<common git dir>/factory/live/beads`` is shared by every worktree and process of
the clone; ``publish`` commits it to the branch ``factory/beads``.
"""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from factory.base.clock import Clock, WallClock, iso
from factory.base.errors import Refused, UserError
from factory.base.files import read_plain, replace_file
from factory.base.ids import BeadId, EventId, HybridClock, SessionId, is_bead_id, new_bead_id, random_base32
from factory.beads import log, publish
from factory.beads.allowed import TAKES, check
from factory.beads.bead import Bead
from factory.beads.changes import Changes, Position
from factory.beads.events import Damage, Event, parse_lines
from factory.beads.fold import apply, fold
from factory.beads.graph import Blocked, Node, as_node, check_edge, cycles, standings
from factory.git.repository import Repository

if TYPE_CHECKING:
    from factory.beads.payloads import BeadHooked, BeadOpened, Payload

_FEW = 1000
"""Files; in a store of no more than these every look is a look at all, so that an edit by hand is seen at once."""

_DAY = "2026-11-21"

_SAMPLE = 20
"""Folders of days that are counted to guess how many beads there are."""


class NoSuchBead(UserError):
    """There is no bead with this id."""

    def __init__(self, bead: str) -> None:
        super().__init__(f"there is no bead {bead}", "factory bead list shows what there is")
        self.bead = bead


class NotCommitted(UserError):
    """The events are on the disk, but no commit has them yet."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the beads are written but not committed yet: {error.strerror or error}",
            "make room on the disk; the next command commits them",
        )


class Unreadable(UserError):
    """A bead's file is there and cannot be read."""

    def __init__(self, path: Path, error: OSError) -> None:
        super().__init__(f"{path} cannot be read: {error.strerror or error}", "factory doctor says what to do")
        self.path = path


class NotReady(Refused):
    """Something keeps the bead from being worked on."""

    def __init__(self, bead: str, blocked: Blocked) -> None:
        where = f"factory why {blocked.blocker}" if blocked.blocker else f"factory bead edit {bead} --not-before ''"
        super().__init__(f"{bead} is not ready: {blocked.reason}", where)
        self.blocked = blocked


class Snapshot(NamedTuple):
    """Every bead as it is now, and every line that is not as it should be."""

    beads: Mapping[BeadId, Bead]
    damage: tuple[Damage, ...]


class _Seen(NamedTuple):
    signature: tuple[int, int, int]
    bead: Bead | None
    damage: tuple[Damage, ...]


class Store:
    """The beads of one clone. Cheap to make; any number may work on the same clone at once."""

    def __init__(self, repo: Repository, clock: Clock | None = None, *, sign: Callable[[], bool] | None = None) -> None:
        self._repo = repo
        self._sign = sign or bool
        self._clock = clock or WallClock()
        self._ids = HybridClock(self._clock)
        self._seen: dict[str, _Seen] = {}
        self._position: Position | None = None
        self._recorded: dict[Path, EventId] = {}
        self.changes = Changes(repo.state_dir)
        self.live = repo.state_dir / "live" / "beads"
        self._lock = repo.state_dir / "store.lock"
        self._name = repo.state_dir / "clone"

    def prepare(self) -> None:
        """Bring the live copy about from the branch when it is missing: in a fresh clone, or after it was deleted."""
        if not self.live.is_dir():
            with self._writing():
                pass

    @property
    def place(self) -> str:
        """The name of this clone, which no other has: who works here says so in what it takes.

        Empty before anything was taken here.
        """
        try:
            return self._name.read_text()
        except FileNotFoundError:
            return ""

    def now(self) -> str:
        """The time, as events have it."""
        return iso(self._clock.now_ms())

    # ------------------------------------------------------------------ reading

    def snapshot(self) -> Snapshot:
        """Fold what is new since the last call and return everything."""
        since = self.changes.since(self._position)
        if since is None or len(self._seen) <= _FEW:
            self._position = self.changes.position()
            self._seen = {path: self._look(path) for path in self._paths()}
        else:
            self._position = since.position
            for path in {note.path for note in since.notes if note.path.count("/") == 2}:  # noqa: PLR2004 - not ledgers
                self._seen[path] = self._look(path)
        beads = {seen.bead.id: seen.bead for seen in self._seen.values() if seen.bead is not None}
        return Snapshot(beads, tuple(damage for seen in self._seen.values() for damage in seen.damage))

    def beads(self) -> Mapping[BeadId, Bead]:
        """Every bead as it is now."""
        return self.snapshot().beads

    def bead(self, bead: str) -> Bead:
        """One bead; raises ``NoSuchBead``."""
        folded = _folded(self.events(bead), bead)
        if folded is None:
            raise NoSuchBead(bead)
        return folded

    def raw(self, bead: str) -> bytes:
        """The bytes of a bead's file, whatever they are; raises ``NoSuchBead``."""
        path = self.path(bead)
        try:
            return read_plain(path)
        except OSError as error:
            raise Unreadable(path, error) from error

    def events(self, bead: str) -> list[Event]:
        """The events of one bead in file order; raises ``NoSuchBead``."""
        return [event for event in parse_lines(self.raw(bead), f"{bead}.jsonl") if isinstance(event, Event)]

    def ledger(self, bead: str) -> list[Event]:
        """The fine-grained records of every session of a bead, by time."""
        folder = self.path(bead).with_suffix("")
        files = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
        events = [item for file in files for item in parse_lines(file.read_bytes(), file.name)]
        return sorted((item for item in events if isinstance(item, Event)), key=lambda event: event.id)

    def path(self, bead: str) -> Path:
        """The live file of a bead; raises ``NoSuchBead``."""
        if is_bead_id(bead):
            for day in self._days():
                path = self.live / day / f"{bead}.jsonl"
                if os.path.lexists(path):
                    return path
        raise NoSuchBead(bead)

    def node(self, bead: BeadId) -> Node | None:
        """A bead as the graph sees it, read from its file; ``None`` when there is none."""
        try:
            return as_node(self.bead(bead))
        except (NoSuchBead, Unreadable):
            return None

    def _days(self) -> list[str]:
        try:
            names = [entry.name for entry in os.scandir(self.live)]
        except FileNotFoundError:
            return []
        return sorted(name for name in names if len(name) == len(_DAY) and name[:1].isdigit())

    def _paths(self) -> Iterator[str]:
        for day in self._days():
            with contextlib.suppress(OSError):
                names = sorted(entry.name for entry in os.scandir(self.live / day))
                yield from (f"beads/{day}/{name}" for name in names if name.endswith(".jsonl"))

    def _look(self, path: str) -> _Seen:
        file = self.live.parent / path
        try:
            status = file.lstat()
            signature = (status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._seen.get(path)
            if known is not None and known.signature == signature:
                return known
            items = list(parse_lines(read_plain(file), path))
        except OSError as error:
            return _Seen((-1, -1, -1), None, (Damage(path, 0, error.strerror or "unreadable"),))
        damage = tuple(item for item in items if isinstance(item, Damage))
        return _Seen(signature, _folded([item for item in items if isinstance(item, Event)], file.stem), damage)

    def relative(self, path: Path) -> str:
        """The path of a live file as it stands on the branch, e.g. ``beads/2026-11-21/fa-7k2m.jsonl``."""
        return f"beads/{path.relative_to(self.live).as_posix()}"

    def pulse(self) -> tuple[int, ...]:
        """A value that changes whenever something was appended or committed; costs two looks at a file."""
        return (*self.changes.stamp(), *publish.stamp(self._repo))

    def is_committed(self) -> bool:
        """Whether everything that is known to have been appended is committed."""
        since = self.changes.since(publish.published_to(self._repo))
        return since is not None and not since.notes

    # ------------------------------------------------------------------ writing

    def open(self, payload: "BeadOpened", by: str, prefix: str = "fa", *, hook: "BeadHooked | None" = None) -> BeadId:
        """Open a new bead, in the same write put it on a ``hook`` if one is given, and return its id."""
        with self._writing():
            for other in (*payload.needs, *payload.part_of, *payload.found_from, *payload.relates):
                self.path(other)
            bead = self._new_id(prefix)
            events = [self._event(bead, said, by, None, None) for said in (payload, hook) if said is not None]
            folded = None
            for event in events:
                check(folded, event)
                folded = apply(folded, event)
            self._append(self.live / events[0].at[:10] / f"{bead}.jsonl", *events)
        return bead

    def append(self, bead: str, payload: "Payload", by: str, session: SessionId | None = None) -> Bead:
        """Append one event if the lifecycle allows it, durably, and return the bead as it is then."""
        with self._writing():
            path = self.path(bead)
            current = self.bead(bead)
            event = self._event(current.id, payload, by, session, current)
            check(current, event)
            if event.type == "bead_linked":
                to = BeadId(str(event.data["to"]))
                self.path(to)
                check_edge(self, current.id, str(event.data["edge"]), to)
            if event.type in TAKES and current.state == "open":
                self._require_ready(current.id, event.at)
            self._append(path, event)
            after = apply(current, event)
        assert after is not None
        return after

    def record(self, bead: str, session: SessionId, type_: str, by: str, facts: Mapping[str, object]) -> None:
        """Append one event to a session's ledger; only the session's own process calls this."""
        with self._writing():
            path = self.path(bead).with_suffix("") / f"{session}.jsonl"
            event_id, ms = self._ids.next(self._recorded.get(path) or _latest(path))
            self._recorded[path] = event_id
            event = Event(event_id, iso(ms), by, BeadId(bead), session, type_, dict(facts))
            self._announced(path, f"{bead}: {session} recorded its work", event)

    def commit(self, *, everything: bool = False) -> None:
        """Commit what was appended since the last commit to the branch; ``everything`` looks at every file."""
        with self._writing():
            try:
                publish.publish(self._repo, self.live, self.changes, everything=everything, sign=self._sign())
            except OSError as error:
                raise NotCommitted(error) from error

    def locked(self) -> contextlib.AbstractContextManager[None]:
        """Hold the store's lock: for whoever works on the branch or on whole files of the live copy."""
        return self._writing()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        from factory.base.locks import held

        with held(self._lock):
            try:
                if not self.live.is_dir():
                    publish.restore(self._repo, self.live)
                    if self._days():
                        self.changes.settle()  # from here on it can be told what changed
                self._heal()
            except OSError as error:
                raise log.NotWritten(self._repo.state_dir, error) from error
            yield

    def _heal(self) -> None:
        """Finish what a writer left that died: a torn last line is set aside before anybody builds on it."""
        left = self.changes.in_flux()
        for path in left:
            log.heal(self.live.parent / path, aside=self.live / "aside")
        if left:
            self.changes.settle()

    def _event(
        self, bead: BeadId, payload: "Payload", by: str, session: SessionId | None, current: Bead | None
    ) -> Event:
        event_id, ms = self._ids.next(current.last if current and current.last else None)
        data = payload.data()
        if payload.type in TAKES and current is not None:
            data["fence"] = max(current.fence + 1, getattr(payload, "fence", 0))
            data["place"] = self._named()
        return Event(event_id, iso(ms), by, bead, session, payload.type, data)

    def _named(self) -> str:
        if not self._name.exists():
            replace_file(self._name, f"{os.uname().nodename}:{random_base32(8)}".encode())
        return self.place

    def _require_ready(self, bead: BeadId, now: str) -> None:
        blocked = standings(self, [bead], cycles(self, [bead])).get(bead)
        if blocked is not None and blocked.holds(now):
            raise NotReady(bead, blocked)

    def _new_id(self, prefix: str) -> BeadId:
        """An id that no bead here has, long enough that one made elsewhere at the same time hardly has it either."""
        days = self._days()
        newest = days[-_SAMPLE:]
        counted = sum(1 for day in newest for _ in os.scandir(self.live / day))
        population = counted * len(days) // max(len(newest), 1)
        while True:
            bead = new_bead_id(prefix, population)
            try:
                self.path(bead)
            except NoSuchBead:
                return bead

    def _append(self, path: Path, *events: Event) -> None:
        says = [sentence(event) for event in events]
        self._announced(path, says[0] if len(says) == 1 else "; ".join(says), *events)

    def _announced(self, path: Path, says: str, *events: Event) -> None:
        try:
            self.changes.announce(self.relative(path), events[0].by, says)
        except OSError as error:
            raise log.NotWritten(path, error) from error
        try:
            log.append(path, events, aside=self.live / "aside")
        finally:
            self.changes.settle()


def _folded(events: Sequence[Event], name: str) -> Bead | None:
    """The bead that a file tells of. Its name is the id: a bead that lost its id to another keeps its events."""
    bead = fold(events)
    return bead if bead is None or bead.id == name else replace(bead, id=BeadId(name))


def _latest(ledger: Path) -> EventId | None:
    """The id of the last event of a ledger, of which only its own process may have written more since."""
    try:
        items = parse_lines(read_plain(ledger), ledger.name)
    except FileNotFoundError:
        return None
    return max((item.id for item in items if isinstance(item, Event)), default=None)


def sentence(event: Event) -> str:
    """What an event says in a few words, for commit messages and for people."""
    what = event.type.removeprefix("bead_").replace("_", " ")
    detail = next((str(event.data[key]) for key in ("title", "reason", "gate", "agent") if event.data.get(key)), "")
    words = f"{event.on}: {what}" + (f" ({detail})" if detail else "")
    return " ".join(words.split())[:200]
