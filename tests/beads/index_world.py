"""A live copy without git around it, to which a test does everything that may happen to one, by hand and by chance."""

import os
import random
from pathlib import Path

from factory.base.clock import iso
from factory.base.ids import BeadId, HybridClock, SessionId
from factory.beads.changes import Changes
from factory.beads.codec import decode
from factory.beads.events import Event
from factory.beads.graph import blockers, ready
from factory.beads.index import Index
from factory.beads.lookup import Lookup
from factory.beads.packs import name_of, seal
from factory.beads.store import Store
from factory.git.repository import Repository

from .making import HandClock

ANA, ADA = "human:ana@example.org", "agent:ada"
NOW = "2026-11-21T12:00:00.000Z"
OID = "1" * 40
_DAY_MS = 86_400_000


class World:
    """A state folder with beads; ``chance`` decides what happens next."""

    def __init__(self, folder: Path, seed: int = 0) -> None:
        self.folder = folder
        self.repo = Repository(folder, folder, folder)
        self.state_dir = self.repo.state_dir
        self.live = self.state_dir / "live" / "beads"
        self.live.mkdir(parents=True)
        self.changes = Changes(self.state_dir)
        self.clock = HandClock(1_795_176_000_000)
        self.ids = HybridClock(self.clock, node=1)
        self.chance = random.Random(seed)
        self.names = [f"fa-{number:04d}" for number in range(9)]
        self.index = Index(self.state_dir)

    def event(self, bead: str, type_: str, data: dict[str, object], by: str = ANA, session: str | None = None) -> Event:
        self.clock.ms += 1 + self.chance.randrange(1000)
        event_id, ms = self.ids.next()
        return Event(event_id, iso(ms), by, BeadId(bead), SessionId(session) if session else None, type_, data)

    def path(self, bead: str) -> Path:
        return self.live / f"2026-11-{10 + int(bead[-1]) % 3}" / f"{bead}.jsonl"

    def relative(self, path: Path) -> str:
        return f"beads/{path.relative_to(self.live).as_posix()}"

    def append(self, bead: str, *events: Event) -> None:
        """As the store does it: announced, whole, settled."""
        path = self.path(bead)
        self.changes.announce(self.relative(path), ANA, "it grew")
        self.by_hand(bead, b"".join(event.line() for event in events))
        self.changes.settle()

    def by_hand(self, bead: str, data: bytes) -> None:
        """Behind everybody's back."""
        path = self.path(bead)
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as file:
            file.write(data)

    def open(self, bead: str, **data: object) -> None:
        self.append(bead, self.event(bead, "bead_opened", {"title": f"Do {bead}", **data}))

    # ------------------------------------------------------------------ by chance

    def step(self) -> None:
        """One thing that may happen, whether the lifecycle allows it or not."""
        bead = self.chance.choice(self.names)
        kind = self.chance.choices(
            (self.some_events, self.unannounced, self.damaged, self.replaced, self.gone, self.late, self.packed),
            (30, 2, 2, 2, 1, 2, 3),
        )[0]
        kind(bead)

    def some_event(self, bead: str) -> Event:
        other = self.chance.choice([*self.names, "fa-zzzz"])
        edge = self.chance.choice(("needs", "needs", "part_of", "part_of", "relates"))
        session = f"s{self.chance.randrange(2)}"
        until = iso(self.clock.ms + self.chance.choice((-1, 1)) * _DAY_MS) if self.chance.random() < 0.7 else ""
        made: list[tuple[str, dict[str, object], str, str | None]] = [
            ("bead_opened", {"title": f"Do {bead}", edge: [other], "priority": self.chance.randrange(5)}, ANA, None),
            ("bead_opened", {"title": f"Think of {bead}", "labels": ["x"]}, ADA, None),
            ("bead_linked", {"edge": edge, "to": other}, ANA, None),
            ("bead_linked", {"edge": edge, "to": other}, ANA, None),
            ("bead_unlinked", {"edge": edge, "to": other}, ANA, None),
            (
                "bead_edited",
                {"priority": self.chance.randrange(5), "add_labels": ["y"], "not_before": until},
                ANA,
                None,
            ),
            ("bead_commented", {"text": f"about {other}"}, ANA, None),
            (
                "session_started",
                {"agent": "ada", "attempt": 1, "fence": 1, "base": OID, "branch": "b"},
                "floor:x",
                session,
            ),
            ("change_submitted", {"head": OID, "base": OID, "summary": "did it"}, ADA, session),
            ("bead_landed", {"commit": OID, "target": "main", "head": OID}, "landing:x", None),
            ("bead_dropped", {"reason": "no"}, ANA, None),
            ("bead_reopened", {}, ANA, None),
            ("made_up", {"text": "of a later version"}, ANA, None),
        ]
        type_, data, by, who = self.chance.choice(made)
        return self.event(bead, type_, data, by, who)

    def some_events(self, bead: str) -> None:
        if not self.path(bead).exists():
            self.open(bead)
        self.append(bead, *(self.some_event(bead) for _ in range(self.chance.randrange(1, 4))))

    def unannounced(self, bead: str) -> None:
        self.by_hand(bead, self.some_event(bead).line())

    def damaged(self, bead: str) -> None:
        whole = self.some_event(bead).line()
        self.by_hand(
            bead, self.chance.choice((b"garbage\n", b"\n", whole[:20], whole[:-1] + b"\r\n", b"\xef\xbb\xbf" + whole))
        )

    def replaced(self, bead: str) -> None:
        path = self.path(bead)
        if path.exists():
            lines = path.read_bytes().splitlines(keepends=True)
            self.changes.announce(self.relative(path), ANA, "merged", replaced=True)
            path.with_suffix(".new").write_bytes(b"".join(lines[: self.chance.randrange(len(lines) + 1)]))
            path.with_suffix(".new").replace(path)
            self.changes.settle()

    def gone(self, bead: str) -> None:
        self.path(bead).unlink(missing_ok=True)

    def packed(self, bead: str) -> None:
        """Its file leaves for a pack; sometimes a pack leaves again."""
        packs = self.live / "packed"
        packs.mkdir(exist_ok=True)
        for old in sorted(packs.iterdir()):
            if self.chance.random() < 0.2:
                self.changes.announce(f"beads/packed/{old.name}", ANA, "unpacked", replaced=True)
                old.unlink()
        path = self.path(bead)
        if path.exists() and path.read_bytes().endswith(b"\n"):
            data = seal("2026-10", {self.relative(path): path.read_bytes()})
            name = name_of("2026-10", data)
            for one in (f"beads/packed/{name}", self.relative(path)):
                self.changes.announce(one, ANA, "packed", replaced=True)
            (packs / name).write_bytes(data)
            path.unlink()
        self.changes.settle()

    def late(self, bead: str) -> None:
        """An event that was made before others that are there already."""
        early = self.some_event(bead)
        self.some_events(bead)
        self.append(bead, early)

    # ------------------------------------------------------------------ what must hold

    def check(self, *, now: str = NOW) -> None:
        """The index says what the files say, in every answer."""
        lookup = self.index.refreshed()
        try:
            self.compare(lookup, now)
        finally:
            lookup.close()

    def compare(self, lookup: Lookup, now: str) -> None:
        snapshot = Store(self.repo).snapshot()
        beads, blocked = snapshot.beads, blockers(snapshot.beads, now)
        rows = {row.id: row for row in lookup.listed((), None, None, finished=True)}
        assert {id_: decode(lookup.story(row.number)) for id_, row in rows.items()} == dict(beads)
        assert list(rows) == [bead.id for bead in sorted(beads.values(), key=lambda bead: bead.order)]
        found = {id_: (row.blocker, row.via, row.reason) for id_, row in rows.items() if row.is_blocked(now)}
        assert found == {id_: (it.blocker, it.via, it.reason) for id_, it in blocked.items()}
        assert [row.id for row in lookup.ready(now)] == [bead.id for bead in ready(beads, now)]
        open_ = {bead.id for bead in beads.values() if bead.state == "open"}
        assert {row.id for row in lookup.blocked(now)} == open_ & blocked.keys()
        assert [row.id for row in lookup.ready(now, 2)] == [bead.id for bead in ready(beads, now)][:2]
        assert {id_ for id_, row in rows.items() if row.live} == {
            row.id for row in lookup.listed((), None, None, finished=False)
        }
        labelled = [bead.id for bead in sorted(beads.values(), key=lambda it: it.order) if "x" in bead.labels]
        assert [row.id for row in lookup.listed((), "x", None, finished=True)] == labelled
        counts = lookup.counts()
        assert all(counts.get(state, 0) == sum(bead.state == state for bead in beads.values()) for state in counts)
        assert sum(counts.values()) == len(beads)
        assert sorted(lookup.damage()) == sorted(snapshot.damage)
        edges = {(bead.id, to) for bead in beads.values() for kind, to in bead.edges if kind == "part_of"}
        assert set(lookup.parts()) == edges


def everything_in(lookup: Lookup) -> dict[str, list[tuple[object, ...]]]:
    """What stands in the index, whatever way it came there."""
    queries = {
        "beads": "SELECT id, state, priority, opened, title, agent, note, live, not_before, latest, blocker, via,"
        " reason, until, bead FROM beads JOIN stories USING (number)",
        "search": "SELECT id, search.title, text, decisions FROM beads JOIN search ON search.rowid = number",
        "labels": "SELECT id, label FROM beads JOIN labels USING (number)",
        "edges": "SELECT * FROM edges",
        "rings": "SELECT * FROM rings",
        "damage": "SELECT * FROM damage",
        "files": "SELECT * FROM files",
    }
    return {name: sorted(lookup.db.execute(query).fetchall(), key=repr) for name, query in queries.items()}


def beside(world: World) -> Lookup:
    """An index of the same files made from nothing, in another state folder."""
    state_dir = world.folder / f"beside{os.urandom(4).hex()}"
    state_dir.mkdir()
    (state_dir / "live").symlink_to(world.state_dir / "live")
    return Index(state_dir).refreshed()
