"""The door to the beads of a repository: read them all, append what happened, have it committed.

The live copy under ``<common git dir>/factory/live/beads`` is shared by every worktree and process of
the clone; ``publish`` commits it to the branch ``factory/beads``.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from factory.base.clock import Clock, WallClock, iso
from factory.base.errors import Refused, UserError
from factory.base.files import read_plain, replace_file
from factory.base.ids import BeadId, EventId, HybridClock, SessionId, new_bead_id, new_bead_ids, random_base32
from factory.beads import log, publish
from factory.beads.allowed import TAKES, check
from factory.beads.bead import Bead
from factory.beads.changes import Changes
from factory.beads.events import Event, parse_lines, sentence
from factory.beads.fold import apply
from factory.beads.graph import Blocked, check_edge, cycles, standings
from factory.beads.stories import NoSuchBead, Stories
from factory.git.repository import Repository

if TYPE_CHECKING:
    from factory.beads.payloads import BeadHooked, BeadOpened, Payload

_SAMPLE = 20
"""Folders of days that are counted to guess how many beads there are."""

_TOGETHER = 128
"""Files that are written and made durable at once: as many descriptors are open."""

New = tuple[BeadId, Sequence["Payload"]]
"""A bead to be opened: its id, and what its first events say."""


class NotCommitted(UserError):
    """The events are on the disk, but no commit has them yet."""

    def __init__(self, error: OSError) -> None:
        super().__init__(
            f"the beads are written but not committed yet: {error.strerror or error}",
            "make room on the disk; the next command commits them",
        )


class NotReady(Refused):
    """Something keeps the bead from being worked on."""

    def __init__(self, bead: str, blocked: Blocked) -> None:
        hint = f"factory bead edit {blocked.via or bead} --not-before ''"
        if blocked.blocker:
            hint = f"factory why {blocked.blocker}"
        super().__init__(f"{bead} is not ready: {blocked.reason}", hint)
        self.blocked = blocked


class Store(Stories):
    """The beads of one clone. Cheap to make; any number may work on the same clone at once."""

    def __init__(self, repo: Repository, clock: Clock | None = None, *, sign: Callable[[], bool] | None = None) -> None:
        super().__init__(repo.state_dir / "live" / "beads", Changes(repo.state_dir))
        self._repo = repo
        self._sign = sign or bool
        self._clock = clock or WallClock()
        self._ids = HybridClock(self._clock)
        self._recorded: dict[Path, EventId] = {}
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

    def named(self) -> str:
        """``place``, given now if need be: for whoever is about to take something."""
        if not self._name.exists():
            with self._writing():
                return self._named()
        return self.place

    def now(self) -> str:
        """The time, as events have it."""
        return iso(self._clock.now_ms())

    def pulse(self) -> tuple[int, ...]:
        """A value that changes whenever something was appended or committed; costs two looks at a file."""
        return (*self.changes.stamp(), *publish.stamp(self._repo))

    def is_committed(self) -> bool:
        """Whether everything that is known to have been appended is committed."""
        if self.changes.beginning() is None:
            return True
        since = self.changes.since(publish.published_to(self._repo))
        return since is not None and not since.notes

    # ------------------------------------------------------------------ writing

    def open(self, payload: "BeadOpened", by: str, prefix: str = "fa", *, hook: "BeadHooked | None" = None) -> BeadId:
        """Open a new bead, in the same write put it on a ``hook`` if one is given, and return its id."""
        with self._writing():
            for other in (*payload.needs, *payload.part_of, *payload.found_from, *payload.relates):
                self.path(other)
            bead = self._new_id(prefix)
            path, events = self._first(bead, (payload, hook) if hook else (payload,), by)
            self._append(path, *events)
        return bead

    def open_many(
        self, decide: Callable[[Mapping[BeadId, Bead], Iterator[BeadId]], Iterable[New]], by: str, prefix: str
    ) -> tuple[list[BeadId], UserError | None]:
        """Open every bead that ``decide`` wants, in its order and under one lock, and return the ids.

        ``decide`` is shown every bead and given free ids; it answers with the first payloads of each new bead, and
        its edges lead to beads and make no cycle. Those before one that the disk refuses stand, and its error is told.
        """
        opened: list[BeadId] = []
        with self._writing():
            existing = self.beads()
            new = [self._first(*one, by) for one in decide(existing, new_bead_ids(prefix, existing))]
            try:
                for start in range(0, len(new), _TOGETHER):
                    part = new[start : start + _TOGETHER]
                    for path, events in part:
                        self._announce(path, "; ".join(map(sentence, events)), by)
                    stand, stopped = log.begin(part)
                    opened.extend(BeadId(path.stem) for path, _ in part[:stand])
                    if stopped is not None:
                        raise stopped
            except UserError as error:
                return opened, error
            finally:
                self.changes.settle()
        return opened, None

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
            self._grew(path, after)
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
            self.publish(everything=everything)

    def publish(self, *, everything: bool = False) -> None:
        """Commit, for a caller that holds the lock."""
        try:
            publish.publish(self._repo, self.live, self.changes, everything=everything, sign=self._sign())
        except OSError as error:
            raise NotCommitted(error) from error

    def catch_up(self) -> None:
        """Take in what somebody else did to the branch, and commit nothing; for a caller that holds the lock."""
        from factory.beads.absorb import catch_up

        catch_up(self._repo, self.live, self.changes, sign=self._sign())

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
                    if self.days():
                        self.changes.settle()  # from here on it can be told what changed
                self._heal()
            except OSError as error:
                raise log.NotWritten(self._repo.state_dir, error) from error
            yield

    def _heal(self) -> None:
        """Finish what a writer left that died: a torn last line is set aside before anybody builds on it."""
        left = self.changes.in_flux()
        for path in left:
            if path.startswith(("beads/packed/", "beads/aside/")):
                continue  # written whole or not at all
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
        days = self.days()
        newest = days[-_SAMPLE:]
        counted = sum(1 for day in newest for _ in os.scandir(self.live / day))
        population = counted * len(days) // max(len(newest), 1)
        while True:
            bead = new_bead_id(prefix, population)
            try:
                self.path(bead)
            except NoSuchBead:
                return bead

    def _first(self, bead: BeadId, payloads: Sequence["Payload"], by: str) -> tuple[Path, Sequence[Event]]:
        """The file of a new bead, and the events that it begins with, which are found allowed."""
        events = [self._event(bead, payload, by, None, None) for payload in payloads]
        folded = None
        for event in events:
            check(folded, event)
            folded = apply(folded, event)
        return self.live / events[0].at[:10] / f"{bead}.jsonl", events

    def _append(self, path: Path, *events: Event) -> None:
        self._announced(path, "; ".join(map(sentence, events)), *events)

    def _announced(self, path: Path, says: str, *events: Event) -> None:
        self._announce(path, says, events[0].by)
        try:
            log.append(path, events, aside=self.live / "aside")
        finally:
            self.changes.settle()

    def _announce(self, path: Path, says: str, by: str) -> None:
        try:
            self.changes.announce(self.relative(path), by, says)
        except OSError as error:
            raise log.NotWritten(path, error) from error


def person(repo: Repository) -> str:
    """Who is at the keyboard, as the author of events."""
    name, email = repo.identity()
    return f"human:{email or name}"


def _latest(ledger: Path) -> EventId | None:
    """The id of the last event of a ledger, of which only its own process may have written more since."""
    try:
        items = parse_lines(read_plain(ledger), ledger.name)
    except FileNotFoundError:
        return None
    return max((item.id for item in items if isinstance(item, Event)), default=None)
