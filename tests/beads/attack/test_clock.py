"""The clock jumps by days, both ways, between appends and inside them; another clone lives in the year 9999."""

import contextlib
import json
import shutil
from dataclasses import dataclass, field
from random import Random

import pytest

from factory.base.errors import UserError
from factory.base.ids import BeadId, SessionId
from factory.beads.events import Event
from factory.beads.fold import fold
from factory.beads.payloads import BeadCommented, BeadDropped, BeadHooked, BeadOpened, BeadReopened, checked
from factory.beads.store import Store
from factory.git.repository import Repository
from factory.observe.verify import verify
from tests.beads.making import HandClock

from .conftest import ANA

DAY_MS = 86_400_000
YEAR_9999_MS = 253_370_764_800_000


@dataclass
class Jumping:
    """A clock that is a day off, one way or the other, each time it is asked."""

    ms: int = 1_700_000_000_000
    chance: Random = field(default_factory=lambda: Random(3))

    def now_ms(self) -> int:
        """Anything."""
        self.ms += self.chance.choice([-DAY_MS, DAY_MS, 0, 1])
        return self.ms


def opened(store: Store, title: str = "Do it") -> BeadId:
    return store.open(checked(BeadOpened, title=title), ANA)


def at_id(ms: int, counter: int = 0, node: int = 0) -> str:
    """The event id of that moment."""
    letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
    number = (ms << 80) | (counter << 64) | node
    return "".join(letters[(number >> shift) & 31] for shift in range(125, -5, -5))


def arrives(store: Store, bead: BeadId, id_: str, type_: str = "bead_commented", **data: object) -> None:
    """An event of another clone comes in, as a merge brings it: one more line."""
    record = {"v": 1, "id": id_, "at": "9999-01-01T00:00:00.000Z", "by": ANA, "on": bead, "session": None}
    line = json.dumps(record | {"type": type_, "data": data}, separators=(",", ":")).encode() + b"\n"
    with store.path(bead).open("ab") as file:
        file.write(line)


@pytest.mark.parametrize("clock", [Jumping(), HandClock()], ids=["jumps", "stands still"])
@pytest.mark.parametrize("afresh", [False, True], ids=["one process", "a process each"])
def test_what_was_appended_later_comes_later_whatever_the_clock_says(
    repo: Repository, clock: HandClock | Jumping, *, afresh: bool
) -> None:
    store = Store(repo, clock)
    bead = opened(store)
    for number in range(20):
        store = Store(repo, clock) if afresh else store
        store.append(bead, BeadCommented(text=f"{number}"), ANA)
        assert store.append(bead, BeadDropped(reason="no"), ANA).state == "dropped"
        assert store.append(bead, BeadReopened(), ANA).state == "open"
    hooked = store.open(checked(BeadOpened, title="on a hook"), ANA, hook=BeadHooked(agent="ada"))
    store.commit()

    assert len({event.id for each in (bead, hooked) for event in store.events(each)}) == 63
    ids = [event.id for event in store.events(bead)]
    assert ids == sorted(set(ids))
    assert len(ids) == 61
    assert store.bead(bead).state == "open"
    assert verify(repo, Store(repo)).problems == ()


@pytest.mark.parametrize("afresh", [False, True], ids=["one process", "a process each"])
def test_a_ledger_keeps_its_order_when_the_clock_goes_back(repo: Repository, *, afresh: bool) -> None:
    clock = HandClock()
    store = Store(repo, clock)
    bead = opened(store)
    for number in range(4):
        store = Store(repo, clock) if afresh else store
        store.record(bead, SessionId("s1"), "noted", "agent:ada", {"number": number})
        clock.ms -= DAY_MS

    assert [event.data["number"] for event in store.ledger(bead)] == [0, 1, 2, 3]


def test_a_clone_a_day_ahead_does_not_undo_what_is_done_here_afterwards(repo: Repository) -> None:
    clock = HandClock()
    store = Store(repo, clock)
    bead = opened(store)
    copy = repo.root.with_name("copy")
    shutil.copytree(repo.root, copy)
    ahead = Store(Repository(copy, copy / ".git", copy / ".git"), HandClock(clock.ms + DAY_MS))
    store.append(bead, BeadDropped(reason="here"), ANA)
    ahead.append(bead, BeadDropped(reason="there"), ANA)
    with store.path(bead).open("ab") as file:
        file.write(ahead.path(bead).read_bytes().splitlines(keepends=True)[-1])

    clock.ms += 1000
    after = store.append(bead, BeadReopened(), ANA)

    assert after.state == "open"
    assert Store(repo).bead(bead).state == "open", "it was acknowledged and has no effect"


@pytest.mark.parametrize("type_", ["bead_commented", "bead_painted"], ids=["known", "of a newer program"])
@pytest.mark.parametrize("ms", [YEAR_9999_MS, (1 << 48) - 2], ids=["the year 9999", "the year 10889"])
def test_an_id_of_the_far_future_is_followed_and_troubles_no_other_bead(repo: Repository, ms: int, type_: str) -> None:
    clock = HandClock()
    store = Store(repo, clock)
    far, near = opened(store, "far"), opened(store, "near")
    arrives(store, far, at_id(ms), type_, text="from afar")

    for number in range(3):
        store.append(far, BeadCommented(text=f"{number}"), ANA)
    store.append(near, BeadCommented(text="here"), ANA)

    ids = [event.id for event in store.events(far)]
    assert ids == sorted(set(ids))
    assert Store(repo).snapshot().damage == ()
    assert store.events(near)[-1].id < at_id(clock.ms + DAY_MS), "one bead's future became everybody's"


@pytest.mark.parametrize("last", ["7ZZZZZZZZZZZZZZZZZZZZZZZZZ", "ZZZZZZZZZZZZZZZZZZZZZZZZZZ"])
def test_an_id_from_the_end_of_time_stops_its_own_bead_at_most(repo: Repository, last: str) -> None:
    store = Store(repo, HandClock())
    far, near = opened(store, "far"), opened(store, "near")
    arrives(store, far, last, text="the end")
    before = store.path(far).read_bytes()

    with contextlib.suppress(UserError):
        store.append(far, BeadCommented(text="after the end"), ANA)
        assert max(store.events(far), key=lambda event: event.id).data["text"] == "after the end"
        before = store.path(far).read_bytes()

    assert store.path(far).read_bytes() == before
    assert store.append(near, BeadCommented(text="life goes on"), ANA).state == "open"
    assert opened(store, "another")


def test_a_fold_of_jumping_clocks_does_not_depend_on_the_order_of_arrival(repo: Repository) -> None:
    stores = [Store(repo, Jumping(chance=Random(seed))) for seed in range(3)]
    bead = opened(stores[0])
    chance = Random(5)
    for _ in range(30):
        store = chance.choice(stores)
        dropped = store.bead(bead).state == "dropped"
        store.append(bead, BeadReopened() if dropped else BeadDropped(reason="x"), ANA)
    events: list[Event] = stores[0].events(bead)
    shuffled = chance.sample(events, len(events))

    assert fold(shuffled) == fold(events)
    assert stores[0].bead(bead).problems == ()
