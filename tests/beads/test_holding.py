from pathlib import Path

import pytest

from factory.base.clock import iso
from factory.base.errors import Refused
from factory.base.ids import BeadId, EventId
from factory.beads import holding
from factory.beads.allowed import Held, LeaseOver, NothingReported, NotYours, OwnWork
from factory.beads.claims import Desk, HeldElsewhere
from factory.beads.events import Event
from factory.beads.fold import fold
from factory.beads.payloads import (
    BeadCommented,
    BeadDropped,
    BeadEdited,
    BeadLinked,
    BeadOpened,
    BeadReleased,
    BeadReopened,
    ClaimRenewed,
    SessionStarted,
    checked,
)
from factory.beads.store import NotReady, Store
from factory.beads.sync import Clone, sync
from factory.git.remote import Remote
from factory.git.repository import Repository, find
from factory.observe.verify import verify
from tests.conftest import git

from .making import OID, HandClock, Maker

ANA, BEN = "human:ana@example.org", "human:ben@example.org"
HOUR = 3600


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def store(repo: Repository, clock: HandClock) -> Store:
    made = Store(repo, clock)
    made.prepare()
    return made


def opened(store: Store, title: str = "Do it", **more: object) -> str:
    return store.open(checked(BeadOpened, title=title, **more), ANA)


def test_one_who_claims_holds_the_bead_and_another_is_told_by_whom_and_until_when(store: Store) -> None:
    bead = opened(store)
    mine = holding.claim(store, bead, ANA, HOUR)
    assert (mine.state, mine.run and mine.run.agent, mine.fence) == ("working", ANA, 1)
    before = store.path(bead).read_bytes()
    with pytest.raises(Held) as refused:
        holding.claim(store, bead, BEN, HOUR)
    assert ANA in refused.value.sentence
    assert mine.run is not None
    assert mine.run.until in refused.value.sentence
    with pytest.raises(Held):
        holding.claim(store, bead, ANA, HOUR)
    assert store.path(bead).read_bytes() == before


def test_a_holder_whose_lease_ended_can_write_nothing_and_the_next_holder_has_a_higher_fence(
    store: Store, clock: HandClock
) -> None:
    bead = opened(store)
    held = holding.claim(store, bead, ANA, HOUR)
    assert held.run is not None
    clock.ms += 2 * HOUR * 1000
    with pytest.raises(LeaseOver):
        holding.renew(store, bead, ANA, HOUR)
    with pytest.raises(LeaseOver):
        holding.finish_unchanged(store, bead, ANA, "it is fine")
    taken = holding.claim(store, bead, BEN, HOUR)
    assert (taken.run and taken.run.agent, taken.fence) == (BEN, 2)
    with pytest.raises(NotYours):
        store.append(bead, ClaimRenewed(until=iso(clock.ms + 10_000)), ANA, held.run.session)


def test_a_lease_that_is_renewed_in_time_runs_on(store: Store, clock: HandClock) -> None:
    bead = opened(store)
    holding.claim(store, bead, ANA, HOUR)
    clock.ms += HOUR * 500
    holding.renew(store, bead, ANA, HOUR)
    clock.ms += HOUR * 900
    with pytest.raises(Held):
        holding.claim(store, bead, BEN, HOUR)
    assert holding.release(store, bead, ANA, "").state == "open"


def test_a_person_may_take_a_bead_away_with_a_reason_and_the_former_holder_is_fenced_off(store: Store) -> None:
    bead = opened(store)
    held = holding.claim(store, bead, ANA, HOUR)
    with pytest.raises(holding.NotHeld):
        holding.release(store, bead, BEN, " ")
    assert holding.release(store, bead, BEN, "she is on leave").state == "open"
    holding.claim(store, bead, BEN, HOUR)
    assert held.run is not None
    with pytest.raises(NotYours):
        store.append(bead, ClaimRenewed(until="2030-01-01"), ANA, held.run.session)


def test_a_session_of_the_floor_is_not_to_be_had_and_its_fence_is_the_stores_own(store: Store) -> None:
    bead = opened(store)
    started = SessionStarted(
        agent="ada", runtime="command", model="", attempt=1, base=OID, branch="factory/x/1", target="main"
    )
    holding.claim(store, bead, ANA, HOUR)
    with pytest.raises(Refused):
        store.append(bead, started, "floor:here")
    holding.release(store, bead, ANA, "")
    working = store.append(bead, started, "floor:here")
    assert working.fence == 2
    with pytest.raises(Held):
        holding.claim(store, bead, BEN, HOUR)


def test_what_is_blocked_or_put_off_is_not_to_be_had_and_a_deferral_ends_by_itself(
    store: Store, clock: HandClock
) -> None:
    first = opened(store)
    second = opened(store, needs=(first,))
    later = opened(store, not_before=iso(clock.ms + HOUR * 1000))
    with pytest.raises(NotReady, match=first):
        holding.claim(store, second, ANA, HOUR)
    with pytest.raises(NotReady, match="put off"):
        holding.claim(store, later, ANA, HOUR)
    clock.ms += HOUR * 1000
    assert holding.claim(store, later, ANA, HOUR).state == "working"


def test_next_gives_each_ready_bead_once_in_order_and_then_says_that_there_is_none(store: Store) -> None:
    low = opened(store, priority=3)
    old, new = opened(store), opened(store)
    store.append(new, BeadLinked(edge="needs", to=low), ANA)
    got = [holding.claim_next(store, lambda bead: holding.claim(store, bead, ANA, HOUR)).id for _ in range(2)]
    assert got == [old, low]
    with pytest.raises(holding.NothingReady):
        holding.claim_next(store, lambda bead: holding.claim(store, bead, BEN, HOUR))


def test_done_needs_a_report_and_somebody_else(store: Store) -> None:
    bead = opened(store)
    holding.claim(store, bead, ANA, HOUR)
    assert holding.finish_unchanged(store, bead, ANA, "the test passes already").state == "waiting"
    with pytest.raises(OwnWork):
        holding.finish_unchanged(store, bead, ANA, "I say so")
    assert holding.finish_unchanged(store, bead, BEN, "seen").state == "done"


def test_a_question_is_no_report_that_nothing_needs_to_change() -> None:
    maker = Maker()
    story = [maker.opened(), maker.started(), maker.event("question_asked", "agent:ada", {"reason": "how?"}, "s1")]
    bead = fold([*story, maker.event("no_change_accepted", BEN, {"reason": "fine"})])
    assert bead is not None
    assert bead.state == "waiting"
    with pytest.raises(NothingReported) as refused:
        raise NothingReported(bead.id)
    assert refused.value.sentence in bead.problems[0]


def test_two_clones_that_claimed_at_once_agree_on_one_winner_and_what_the_loser_does_counts_for_nothing() -> None:
    maker = Maker()
    opening = maker.opened()
    ours = maker.event("bead_claimed", ANA, {"until": "2099-01-01T00:00:00.000Z", "fence": 1}, "cours")
    theirs = maker.event("bead_claimed", BEN, {"until": "2099-01-01T00:00:00.000Z", "fence": 1}, "ctheirs")
    late = maker.event("no_change_reported", BEN, {"reason": "fine"}, "ctheirs")
    for arrived in ([opening, ours, theirs, late], [opening, theirs, late, ours]):
        bead = fold(arrived)
        assert bead is not None
        assert bead.run is not None
        assert (bead.state, bead.run.session, bead.lost, bead.problems) == ("working", "cours", ("ctheirs",), ())


def test_who_took_it_with_a_higher_fence_where_clones_meet_holds_it_whatever_the_clocks_say() -> None:
    until = "2099-01-01T00:00:00.000Z"
    for ben_is_first in (True, False):
        maker = Maker()
        story = [maker.opened()]
        claims = [(ANA, 1, "cfirst"), (BEN, 2, "csecond")]
        for by, fence, session in reversed(claims) if ben_is_first else claims:
            story.append(maker.event("bead_claimed", by, {"until": until, "fence": fence}, session))
        bead = fold([*story, maker.event("bead_released", ANA, {}, "cfirst")])
        assert bead is not None
        assert bead.run is not None
        assert (bead.state, bead.run.session, bead.lost, bead.problems) == ("working", "csecond", ("cfirst",), ())


def test_what_landed_stays_landed_whatever_another_clone_claimed_before() -> None:
    maker = Maker()
    opening = maker.opened()
    early = maker.event("bead_claimed", BEN, {"until": "2099-01-01T00:00:00.000Z", "fence": 1}, "ctheirs")
    story = [maker.started(), maker.submitted()]
    landed = maker.event("bead_landed", "landing:main", {"commit": OID, "target": "main"})
    bead = fold([opening, *story, landed, early])
    assert bead is not None
    assert (bead.state, bead.landed) == ("landed", OID)


def test_an_append_after_the_clock_went_back_still_comes_last(store: Store, clock: HandClock) -> None:
    bead = opened(store)
    clock.ms -= 86_400_000
    store.append(bead, BeadCommented(text="a day earlier"), ANA)
    clock.ms += 2 * 86_400_000
    store.append(bead, BeadCommented(text="a day later"), ANA)
    ids = [event.id for event in store.events(bead)]
    assert ids == sorted(ids)


def test_every_clone_has_a_name_of_its_own(repo: Repository, store: Store, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", str(repo.root), "clone")
    places = set()
    for one in (store, Store(find(tmp_path / "clone"))):
        one.prepare()
        held = holding.claim(one, opened(one), ANA, HOUR)
        assert held.run is not None
        assert held.run.place == one.place != ""
        places.add(one.place)
    assert len(places) == 2


def test_two_clones_that_meet_at_a_remote_never_both_hold_a_bead_and_the_fence_grows_there_too(
    repo: Repository, store: Store, clock: HandClock, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q", "--bare", "hub.git")
    hub = str(tmp_path / "hub.git")
    bead = opened(store)
    sync(Clone(repo, store), Remote(repo, hub))
    git(tmp_path, "clone", "-q", str(repo.root), "clone")
    there = find(tmp_path / "clone")
    other = Store(there, clock)
    other.prepare()
    ours, theirs = (Desk(Remote(one, hub), now_ms=clock.now_ms) for one in (repo, there))
    holding.claim_everywhere(ours, store, bead, ANA, HOUR)
    with pytest.raises(HeldElsewhere, match=ANA):
        holding.claim_everywhere(theirs, other, bead, BEN, HOUR)
    assert other.bead(bead).state == "open"
    holding.renew(store, bead, ANA, 2 * HOUR, ours)
    holding.release(store, bead, ANA, "", ours)
    assert holding.claim_everywhere(theirs, other, bead, BEN, HOUR).fence == 2
    report = sync(Clone(there, other), Remote(there, hub))
    assert report.lost == ()
    with pytest.raises(HeldElsewhere, match=BEN):
        holding.claim_everywhere(ours, store, bead, ANA, HOUR)
    sync(Clone(repo, store), Remote(repo, hub))
    assert store.bead(bead).run == other.bead(bead).run


def test_next_also_gives_what_somebody_held_until_the_lease_ended(store: Store, clock: HandClock) -> None:
    bead = opened(store)
    holding.claim(store, bead, ANA, HOUR)
    with pytest.raises(holding.NothingReady):
        holding.claim_next(store, lambda one: holding.claim(store, one, BEN, HOUR))
    clock.ms += 2 * HOUR * 1000
    assert holding.claim_next(store, lambda one: holding.claim(store, one, BEN, HOUR)).id == bead


def test_the_floor_may_free_a_bead_only_when_its_lease_is_over(store: Store, clock: HandClock) -> None:
    bead = opened(store)
    holding.claim(store, bead, ANA, HOUR)
    with pytest.raises(Held):
        store.append(bead, BeadReleased(reason="I am the floor"), "floor:here")
    clock.ms += 2 * HOUR * 1000
    assert store.append(bead, BeadReleased(reason="its lease ended"), "floor:here").state == "open"


def test_done_on_a_bead_that_nobody_holds_says_so(store: Store) -> None:
    with pytest.raises(holding.NotHeld, match="it is open"):
        holding.finish_unchanged(store, opened(store), ANA, "looks fine")


def test_a_bead_that_was_dropped_and_reopened_has_no_reason_left(store: Store) -> None:
    bead = opened(store)
    store.append(bead, BeadDropped(reason="long ago"), ANA)
    assert store.append(bead, BeadReopened(), ANA).setback is None


def test_what_another_clone_overtook_is_told_by_sync_noted_by_verify_and_no_problem(
    repo: Repository, store: Store, clock: HandClock, tmp_path: Path
) -> None:
    git(tmp_path, "init", "-q", "--bare", "hub.git")
    hub = str(tmp_path / "hub.git")
    bead = opened(store)
    sync(Clone(repo, store), Remote(repo, hub))
    git(tmp_path, "clone", "-q", str(repo.root), "clone")
    there = find(tmp_path / "clone")
    other = Store(there, clock)
    other.prepare()
    store.append(bead, BeadDropped(reason="no"), ANA)
    clock.ms += 1000
    other.append(bead, BeadEdited(priority=0), BEN)
    sync(Clone(repo, store), Remote(repo, hub))
    (told,) = sync(Clone(there, other), Remote(there, hub)).overtaken
    assert "bead edited is not allowed, because it is dropped" in told
    sync(Clone(repo, store), Remote(repo, hub))
    for place, one in ((repo, store), (there, other)):
        report = verify(place, one)
        assert report.problems == ()
        assert [note.where for note in report.notes] == [bead]
    forged = Event(EventId("7" + "0" * 25), iso(clock.ms), "human:x", BeadId(bead), None, "bead_hooked", {"agent": "a"})
    with store.path(bead).open("ab") as file:
        file.write(forged.line())
    assert any("bead hooked is not allowed" in problem.says for problem in verify(repo, store).problems)
