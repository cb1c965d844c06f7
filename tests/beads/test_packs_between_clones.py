"""Two clones: one packs or repairs what the other still writes to, and after ``sync`` both have everything."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from factory.base.ids import BeadId
from factory.beads.branch import BRANCH
from factory.beads.compact import compact
from factory.beads.payloads import BeadCommented, BeadDropped
from factory.beads.repair import repair
from factory.beads.store import Store
from factory.git.repository import Repository, find
from factory.observe.verify import verify
from tests.conftest import git
from tests.house.program import factory

from .damaging import ANA, opened
from .making import HandClock

DAY_MS = 24 * 3600 * 1000


@dataclass
class Two:
    """A clone here and one there, which share a bare repository."""

    clock: HandClock
    here: Repository
    there: Repository

    def store(self, repo: Repository) -> Store:
        made = Store(repo, self.clock)
        made.prepare()
        return made

    def sync(self) -> None:
        """Both have what both had."""
        for repo in (self.here, self.there, self.here):
            done = factory(repo.root, "sync")
            assert done.code == 0, done.err

    def agree(self) -> None:
        """Both answer the same, nothing is damaged, and the history is proven in both."""
        stores = [self.store(repo) for repo in (self.here, self.there)]
        beads = [sorted(store.snapshot().beads.items()) for store in stores]
        assert beads[0] == beads[1]
        for bead, _ in beads[0]:
            ids = [{event.id for event in (*store.events(bead), *store.ledger(bead))} for store in stores]
            assert ids[0] == ids[1]
        for repo, store in zip((self.here, self.there), stores, strict=True):
            assert store.snapshot().damage == ()
            assert verify(repo, store).problems == ()
            assert repair(repo, store) == []


@pytest.fixture
def two(repo: Repository, tmp_path: Path) -> Two:
    clock = HandClock()
    store = Store(repo, clock)
    store.prepare()
    store.commit(everything=True)
    git(tmp_path, "clone", "-q", "--bare", str(repo.root), "shared.git")
    git(repo.root, "remote", "add", "origin", str(tmp_path / "shared.git"))
    git(tmp_path, "clone", "-q", str(tmp_path / "shared.git"), "there")
    return Two(clock, repo, find(tmp_path / "there"))


def ended(store: Store, title: str) -> BeadId:
    bead = opened(store, title)
    store.append(bead, BeadDropped(reason="not now"), ANA)
    return bead


def test_a_comment_there_on_a_bead_that_was_packed_here(two: Two) -> None:
    here, there = two.store(two.here), two.store(two.there)
    beads = [ended(here, "one"), ended(here, "two")]
    here.commit()
    two.sync()
    two.clock.ms += 100 * DAY_MS
    compact(two.here, here)
    there.append(beads[0], BeadCommented(text="still of interest"), ANA)
    there.commit()
    two.sync()
    assert [event.type for event in two.store(two.here).events(beads[0])][-1] == "bead_commented"
    two.agree()


def test_both_pack_the_same_month_in_different_ways(two: Two) -> None:
    here, there = two.store(two.here), two.store(two.there)
    shared, mine, yours = ended(here, "shared"), ended(here, "mine"), None
    here.commit()
    two.sync()
    yours = ended(there, "yours")
    two.clock.ms += 100 * DAY_MS
    compact(two.here, here)
    compact(two.there, there)
    two.sync()
    assert set(two.store(two.here).beads()) == {shared, mine, yours}
    two.agree()


def test_both_repair_the_same_damage(two: Two) -> None:
    here, there = two.store(two.here), two.store(two.there)
    bead = opened(here, "one")
    path = here.path(bead)
    whole = path.read_bytes()
    path.write_bytes(b"\xef\xbb\xbf" + whole.replace(b"\n", b"\r\n") + b"garbage\n")
    here.commit(everything=True)
    two.sync()
    there.append(bead, BeadCommented(text="meanwhile"), ANA)
    repair(two.here, here)
    repair(two.there, there)
    two.sync()
    assert len(two.store(two.here).events(bead)) == 4
    two.agree()


def test_a_branch_that_was_merged_by_git_itself_is_proven_or_its_fault_is_named(two: Two, tmp_path: Path) -> None:
    here, there = two.store(two.here), two.store(two.there)
    bead = opened(here, "one")
    here.commit()
    two.sync()
    here.append(bead, BeadCommented(text="here"), ANA)
    there.append(bead, BeadCommented(text="there"), ANA)
    here.commit()
    there.commit()
    git(two.here.root, "fetch", "-q", str(two.there.root), f"{BRANCH}:refs/heads/theirs")
    desk = tmp_path / "desk"
    git(two.here.root, "worktree", "add", "-q", str(desk), BRANCH)
    git(desk, "merge", "-q", "--no-edit", "theirs")
    shutil.rmtree(desk)
    git(two.here.root, "worktree", "prune")
    assert verify(two.here, here).problems == ()
    assert len(here.events(bead)) == 5
