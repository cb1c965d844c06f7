"""Claims between clones: one winner each, fencing numbers that grow, and a holder whose lease ended holds nothing."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.base.clock import iso
from factory.base.ids import BeadId
from factory.beads.claims import Claim, ClaimLost, Desk, HeldElsewhere, Holds, Lost, may_take, standing
from factory.git import repository
from factory.git.remote import Remote, Unreachable
from tests.beads.clones import begin
from tests.beads.making import HandClock
from tests.conftest import git

BEAD = BeadId("fa-0000")
CLAIM = Claim(BEAD, "human:ana", "c1", 3, iso(1_000))


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def desk(root: Path, name: str, clock: HandClock) -> Desk:
    git(root, "clone", "-q", str(root / "remote.git"), name)
    return Desk(Remote(repository.find(root / name), "origin"), name, clock.now_ms)


@pytest.fixture
def two(sealed: Path, tmp_path: Path, clock: HandClock) -> tuple[Desk, Desk]:  # noqa: ARG001 - seals
    begin(tmp_path)
    return desk(tmp_path, "a", clock), desk(tmp_path, "b", clock)


# ---------------------------------------------------------------- the decision


@given(st.integers(0, 2000), st.integers(0, 9), st.booleans(), st.sampled_from(["c1", "c2"]))
def test_a_new_fence_is_above_every_old_one_and_a_running_lease_is_the_holders(
    now: int, least: int, released: bool, claim: str
) -> None:
    previous = replace(CLAIM, released=released)
    answer = may_take(previous, now, claim, least)
    if previous.runs(now) and claim != "c1":
        assert answer == previous
    elif previous.runs(now):
        assert answer == 3
    else:
        assert answer == max(3, least) + 1


def test_the_first_claim_is_above_the_beads_own_last_fence() -> None:
    assert may_take(None, 0, "c1", 7) == 8


@pytest.mark.parametrize(
    ("claim", "fence", "now", "reason"),
    [("c1", 3, 1000, "its lease ended"), ("c1", 2, 0, "took it with fence 3"), ("c2", 3, 0, "took it with fence 3")],
)
def test_a_claim_that_is_not_the_one_that_runs_is_lost(claim: str, fence: int, now: int, reason: str) -> None:
    answer = standing(CLAIM, claim, fence, now)
    assert isinstance(answer, Lost)
    assert reason in answer.reason
    assert standing(CLAIM, "c1", 3, 999) == Holds(CLAIM)


# ---------------------------------------------------------------- at a remote


def test_a_running_claim_keeps_others_out_until_it_ends(two: tuple[Desk, Desk], clock: HandClock) -> None:
    a, b = two
    taken = a.take(BEAD, "human:ana", "c1", 60, at_least=4)
    assert (taken.fence, taken.until) == (5, iso(clock.ms + 60_000))
    with pytest.raises(HeldElsewhere, match=r"held by human:ana \(c1 .*\) until "):
        b.take(BEAD, "human:bob", "c2", 60)
    assert b.check(BEAD, "c1", 5) == Holds(taken)
    clock.ms += 60_000
    assert isinstance(a.check(BEAD, "c1", 5), Lost)
    assert b.take(BEAD, "human:bob", "c2", 60).fence == 6
    with pytest.raises(ClaimLost, match=r"human:bob \(c2\) has it since"):
        a.renew(BEAD, "c1", 5, 60)
    assert isinstance(a.check(BEAD, "c1", 5), Lost)
    assert isinstance(b.check(BEAD, "c2", 6), Holds)


def test_a_claim_is_renewed_released_and_taken_with_the_next_fence(two: tuple[Desk, Desk], clock: HandClock) -> None:
    a, b = two
    a.take(BEAD, "human:ana", "c1", 60)
    clock.ms += 59_000
    assert a.renew(BEAD, "c1", 1, 60).until == iso(clock.ms + 60_000)
    assert a.take(BEAD, "human:ana", "c1", 90).fence == 1
    released = a.release(BEAD, "c1", 1)
    assert released is not None
    assert released.fence == 1
    assert b.check(BEAD, "c1", 1) == Lost("it was released", released)
    assert b.take(BEAD, "human:bob", "c2", 60).fence == 2
    assert a.release(BEAD, "c1", 1) is None
    assert isinstance(b.check(BEAD, "c2", 2), Holds)


def test_the_ref_is_its_own_history(two: tuple[Desk, Desk], tmp_path: Path) -> None:
    a, b = two
    a.take(BEAD, "human:ana", "c1", 60)
    a.release(BEAD, "c1", 1)
    b.take(BEAD, "human:bob", "c2", 60)
    told = git(tmp_path / "remote.git", "log", "--format=%B", f"refs/factory/claims/{BEAD}")
    assert [line.count('"released": true') for line in told.splitlines() if line] == [0, 1, 0]
    git(tmp_path / "remote.git", "fsck", "--strict")


def test_a_claim_that_nobody_can_read_keeps_nobody_out(two: tuple[Desk, Desk], tmp_path: Path) -> None:
    git(tmp_path / "remote.git", "update-ref", f"refs/factory/claims/{BEAD}", "refs/heads/main")
    assert two[0].take(BEAD, "human:ana", "c1", 60, at_least=9).fence == 10


def test_a_remote_out_of_reach_is_said(two: tuple[Desk, Desk]) -> None:
    a, _ = two
    git(a.remote.repo.root, "remote", "set-url", "origin", "/nowhere/at/all")
    with pytest.raises(Unreachable):
        a.check(BEAD, "c1", 1)


def test_of_sixteen_clones_that_race_exactly_one_wins_each_round(
    sealed: Path, tmp_path: Path, clock: HandClock
) -> None:
    assert sealed.is_dir()
    begin(tmp_path)
    desks = [desk(tmp_path, f"c{number}", clock) for number in range(16)]
    for turn in (1, 2, 3):
        won: list[Claim] = []
        refused: list[HeldElsewhere] = []

        def race(number: int) -> None:
            try:
                won.append(desks[number].take(BEAD, f"human:{number}", f"c{number}", 60))  # noqa: B023 - joined below
            except HeldElsewhere as error:
                refused.append(error)  # noqa: B023

        racing = [threading.Thread(target=race, args=(number,)) for number in range(16)]
        for thread in racing:
            thread.start()
        for thread in racing:
            thread.join()
        assert [claim.fence for claim in won] == [turn]
        assert {error.claim for error in refused} == {won[0]}
        assert len(refused) == 15
        clock.ms += 60_000
