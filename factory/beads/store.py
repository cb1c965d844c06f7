"""The door to the beads of a repository: read them all, append what happened, have it committed.

The live copy under ``<common git dir>/factory/live/beads`` is shared by every worktree and process of
the clone; ``publish`` commits it to the branch ``factory/beads``.
"""

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from factory.base.clock import Clock, WallClock, iso
from factory.base.errors import UserError
from factory.base.ids import BeadId, HybridClock, SessionId, is_bead_id, new_bead_id
from factory.beads import log, publish
from factory.beads.events import Damage, Event, parse_lines
from factory.beads.fold import Bead, apply, check, fold
from factory.beads.graph import check_edge
from factory.git.repository import Repository

if TYPE_CHECKING:
    from factory.beads.payloads import BeadHooked, BeadOpened, Payload


New = tuple[BeadId, Sequence["Payload"]]
"""A bead to be opened: its id, and what its first events say."""


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


@dataclass(frozen=True)
class Snapshot:
    """Every bead as it is now, and every line that could not be read."""

    beads: Mapping[BeadId, Bead]
    damage: tuple[Damage, ...]


@dataclass(frozen=True)
class _Seen:
    signature: tuple[int, int]
    bead: Bead | None
    damage: tuple[Damage, ...]


class Store:
    """The beads of one clone. Cheap to make; any number may work on the same clone at once."""

    def __init__(self, repo: Repository, clock: Clock | None = None) -> None:
        self._repo = repo
        self._ids = HybridClock(clock or WallClock())
        self._cache: dict[Path, _Seen] = {}
        self.live = repo.state_dir / "live" / "beads"
        self._lock = repo.state_dir / "store.lock"
        self._aside = repo.state_dir / "aside"

    def prepare(self) -> None:
        """Bring the live copy about from the branch when it is missing: in a fresh clone, or after it was deleted."""
        if not self.live.is_dir():
            with self._writing():
                pass

    # ------------------------------------------------------------------ reading

    def snapshot(self) -> Snapshot:
        """Fold what is new since the last call (files whose size or time changed) and return everything."""
        current = {path: self._seen(path) for path in self._files()}
        self._cache = current
        beads = {seen.bead.id: seen.bead for seen in current.values() if seen.bead is not None}
        return Snapshot(beads, tuple(damage for seen in current.values() for damage in seen.damage))

    def beads(self) -> Mapping[BeadId, Bead]:
        """Every bead as it is now."""
        return self.snapshot().beads

    def bead(self, bead: str) -> Bead:
        """One bead; raises ``NoSuchBead``."""
        folded = fold(self.events(bead))
        if folded is None:
            raise NoSuchBead(bead)
        return folded

    def events(self, bead: str) -> list[Event]:
        """The events of one bead in file order; raises ``NoSuchBead``."""
        path = self.path(bead)
        parsed = parse_lines(path.read_bytes(), path.name)
        return [event for event in parsed if isinstance(event, Event)]

    def ledger(self, bead: str) -> list[Event]:
        """The fine-grained records of every session of a bead, by time."""
        folder = self.path(bead).with_suffix("")
        files = sorted(folder.glob("*.jsonl")) if folder.is_dir() else []
        events = [item for file in files for item in parse_lines(file.read_bytes(), file.name)]
        return sorted((item for item in events if isinstance(item, Event)), key=lambda event: event.id)

    def path(self, bead: str) -> Path:
        """The live file of a bead; raises ``NoSuchBead``."""
        if is_bead_id(bead):
            for path in self.live.glob(f"*/{bead}.jsonl"):
                return path
        raise NoSuchBead(bead)

    def _files(self) -> Iterator[Path]:
        with contextlib.suppress(FileNotFoundError):
            for day in sorted(os.scandir(self.live), key=lambda entry: entry.name):
                if day.is_dir(follow_symlinks=False):
                    names = sorted(entry.name for entry in os.scandir(day) if entry.name.endswith(".jsonl"))
                    yield from (Path(day.path, name) for name in names)

    def _seen(self, path: Path) -> _Seen:
        try:
            status = path.stat()
            signature = (status.st_size, status.st_mtime_ns)
            known = self._cache.get(path)
            if known is not None and known.signature == signature:
                return known
            items = list(parse_lines(path.read_bytes(), self.relative(path)))
        except OSError as error:
            return _Seen((-1, -1), None, (Damage(self.relative(path), 0, error.strerror or "unreadable"),))
        damage = tuple(item for item in items if isinstance(item, Damage))
        return _Seen(signature, fold(item for item in items if isinstance(item, Event)), damage)

    def relative(self, path: Path) -> str:
        """The path of a live file as it stands on the branch, e.g. ``beads/2026-11-21/fa-7k2m.jsonl``."""
        return f"beads/{path.relative_to(self.live).as_posix()}"

    def pulse(self) -> tuple[int, int]:
        """A value that changes whenever something was appended or committed; costs one look at one file."""
        return publish.pulse(self._repo)

    def is_committed(self) -> bool:
        """Whether everything that is known to have been appended is committed."""
        return self.pulse()[0] == 0

    # ------------------------------------------------------------------ writing

    def open(self, payload: "BeadOpened", by: str, prefix: str = "fa", *, hook: "BeadHooked | None" = None) -> BeadId:
        """Open a new bead, in the same write put it on a ``hook`` if one is given, and return its id."""
        with self._writing():
            existing = self.beads()
            for need in (*payload.needs, *payload.part_of, *payload.found_from, *payload.relates):
                if need not in existing:
                    raise NoSuchBead(need)
            bead = new_bead_id(prefix, len(existing))
            while bead in existing:
                bead = new_bead_id(prefix, len(existing))
            events = [self._event(bead, said, by, None, None) for said in (payload, hook) if said is not None]
            folded = None
            for event in events:
                check(folded, event)
                folded = apply(folded, event)
            self._append(self.live / events[0].at[:10] / f"{bead}.jsonl", *events)
        return bead

    def open_many(
        self, decide: Callable[[Mapping[BeadId, Bead], Callable[[], BeadId]], Iterable[New]], by: str, prefix: str
    ) -> tuple[list[BeadId], UserError | None]:
        """Open every bead that ``decide`` wants, in its order and under one lock, and return the ids.

        ``decide`` is shown every bead and given a maker of ids that are free; it answers with each new
        bead's payloads, ``bead_opened`` first, and sees to it itself that edges lead to beads and make no
        cycle. When the disk refuses one, those before it stand, and the error is returned with them.
        """
        opened: list[BeadId] = []
        with self._writing():
            existing = self.beads()
            given: set[BeadId] = set()

            def new_id() -> BeadId:
                bead = new_bead_id(prefix, len(existing) + len(given))
                while bead in existing or bead in given:
                    bead = new_bead_id(prefix, len(existing) + len(given))
                given.add(bead)
                return bead

            for bead, payloads in decide(existing, new_id):
                events = [self._event(bead, payload, by, None, None) for payload in payloads]
                folded = None
                for event in events:
                    check(folded, event)
                    folded = apply(folded, event)
                try:
                    self._append(self.live / events[0].at[:10] / f"{bead}.jsonl", *events)
                except UserError as error:
                    return opened, error
                opened.append(bead)
        return opened, None

    def append(self, bead: str, payload: "Payload", by: str, session: SessionId | None = None) -> Bead:
        """Append one event if the lifecycle allows it, durably, and return the bead as it is then."""
        with self._writing():
            path = self.path(bead)
            current = self.bead(bead)
            event = self._event(current.id, payload, by, session, current)
            check(current, event)
            if event.type == "bead_linked":
                self._check_link(current.id, event)
            self._append(path, event)
            return self.bead(bead)

    def record(self, bead: str, session: SessionId, type_: str, by: str, facts: Mapping[str, object]) -> None:
        """Append one event to a session's ledger; only the session's own process calls this."""
        with self._writing():
            event_id, ms = self._ids.next()
            event = Event(event_id, iso(ms), by, BeadId(bead), session, type_, dict(facts))
            path = self.path(bead).with_suffix("") / f"{session}.jsonl"
            log.append(path, [event], aside=self._aside)
            publish.mark(self._repo, self.relative(path), by, f"{bead}: {session} recorded its work")

    def commit(self, *, everything: bool = False) -> None:
        """Commit what was appended since the last commit to the branch; ``everything`` looks at every file."""
        with self._writing():
            try:
                publish.publish(self._repo, self.live, everything=everything)
            except OSError as error:
                raise NotCommitted(error) from error

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        from factory.base.locks import held

        with held(self._lock):
            if not self.live.is_dir():
                try:
                    publish.restore(self._repo, self.live)
                except OSError as error:
                    raise log.NotWritten(self._repo.state_dir, error) from error
            yield

    def _event(
        self, bead: BeadId, payload: "Payload", by: str, session: SessionId | None, current: Bead | None
    ) -> Event:
        event_id, ms = self._ids.next(current.last if current and current.last else None)
        data = payload.model_dump(mode="json", exclude_defaults=True)
        return Event(event_id, iso(ms), by, bead, session, payload.type, data)

    def _check_link(self, bead: BeadId, event: Event) -> None:
        beads = self.beads()
        to = BeadId(str(event.data["to"]))
        if to not in beads:
            raise NoSuchBead(to)
        check_edge(beads, bead, str(event.data["edge"]), to)

    def _append(self, path: Path, *events: Event) -> None:
        log.append(path, list(events), aside=self._aside)
        for event in events:
            publish.mark(self._repo, self.relative(path), event.by, sentence(event))


def sentence(event: Event) -> str:
    """What an event says in a few words, for commit messages and for people."""
    what = event.type.removeprefix("bead_").replace("_", " ")
    detail = next((str(event.data[key]) for key in ("title", "reason", "gate", "agent") if event.data.get(key)), "")
    words = f"{event.on}: {what}" + (f" ({detail})" if detail else "")
    return " ".join(words.split())[:200]
