"""Packing what ended long ago: nothing is lost, every answer stays the same, and no step is a bad last one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from factory.base.ids import BeadId, SessionId
from factory.beads.bead import Bead
from factory.beads.branch import BRANCH
from factory.beads.compact import NotOver, compact
from factory.beads.payloads import BeadCommented, BeadDropped, BeadReopened
from factory.beads.repair import repair
from factory.beads.store import Store
from factory.git.repository import Repository
from factory.observe.verify import verify
from tests.conftest import git
from tests.house.program import factory

from .damaging import ANA, every_file, opened
from .making import HandClock

DAY_MS = 24 * 3600 * 1000


@pytest.fixture
def clock() -> HandClock:
    return HandClock()  # the 14th of November 2023


@pytest.fixture
def store(repo: Repository, clock: HandClock) -> Store:
    made = Store(repo, clock)
    made.prepare()
    return made


def ended(store: Store, title: str) -> BeadId:
    bead = opened(store, title)
    store.append(bead, BeadDropped(reason="not now"), ANA)
    return bead


def answers(store: Store, *beads: BeadId) -> list[object]:
    """Everything that the store says about some beads."""
    whole: list[tuple[str, Bead]] = sorted(store.snapshot().beads.items())
    return [whole, *((store.events(bead), store.ledger(bead), store.bead(bead), store.raw(bead)) for bead in beads)]


def test_finished_beads_are_packed_byte_for_byte_and_every_answer_stays_the_same(
    repo: Repository, store: Store, clock: HandClock
) -> None:
    beads = [ended(store, f"bead {number}") for number in range(3)]
    alive = opened(store, "alive")
    before, files = answers(store, *beads, alive), every_file(store.live)
    clock.ms += 100 * DAY_MS

    done = compact(repo, store)

    assert [(item.month, item.files) for item in done.packs] == [("2023-11", 6)]
    assert done.removed == 6
    assert answers(store, *beads, alive) == before
    assert answers(Store(repo, clock), *beads, alive) == before
    (pack,) = store.packs.all()
    assert {path: pack.read(path) for path in pack.paths()} == {
        f"beads/{path}": data for path, data in files.items() if alive not in path
    }
    tree = git(repo.root, "ls-tree", "-r", "--name-only", BRANCH).split()
    assert [path for path in tree if path.startswith("beads/2")] == sorted(
        f"beads/{path}" for path in files if alive in path
    )
    assert verify(repo, store).problems == ()
    assert repair(repo, store) == []


def test_files_leave_and_the_pack_arrives_in_one_commit(repo: Repository, store: Store, clock: HandClock) -> None:
    bead = ended(store, "done")
    store.commit()
    clock.ms += 100 * DAY_MS
    compact(repo, store)
    said = git(repo.root, "log", "-1", "--format=%s", "--name-status", "--no-renames", BRANCH)
    assert [line[0] for line in said.splitlines()[2:]] == ["D", "D", "A"]
    assert bead in said


def test_what_is_alive_recent_damaged_or_from_a_newer_program_stays(
    repo: Repository, store: Store, clock: HandClock
) -> None:
    alive, damaged, newer, unknown = opened(store, "a"), *(ended(store, title) for title in "bcd")
    for bead, line in ((damaged, b"garbage\n"), (newer, b'"v":9'), (unknown, b'"bead_sung"')):
        raw = store.path(bead).read_bytes()
        last = raw.splitlines(keepends=True)[-1].replace(b'"id":"01', b'"id":"02')
        replaced = last.replace(b'"v":1', line) if bead == newer else last.replace(b'"bead_dropped"', line)
        store.path(bead).write_bytes(raw + (line if bead == damaged else replaced))
    clock.ms += 100 * DAY_MS
    recent = ended(store, "recent")
    compact(repo, store)
    live = {path.stem for path in store.live.glob("????-??-??/*.jsonl")}
    assert live == {alive, damaged, newer, unknown, recent}


def test_a_month_rests_for_thirty_days(repo: Repository, store: Store, clock: HandClock) -> None:
    ended(store, "done")
    clock.ms += 45 * DAY_MS  # the 29th of December
    assert compact(repo, store).removed == 0
    clock.ms += 2 * DAY_MS
    assert compact(repo, store).removed == 2


def test_a_month_may_be_named_and_must_be_over(repo: Repository, store: Store, clock: HandClock) -> None:
    ended(store, "done")
    clock.ms += 20 * DAY_MS
    for month in ("2024-01", "2023-13", "soon"):
        with pytest.raises(NotOver):
            compact(repo, store, month)
    assert compact(repo, store, "2023-12").removed == 2


def test_a_packed_bead_goes_on_in_a_file_of_its_own_and_is_packed_again(
    repo: Repository, store: Store, clock: HandClock
) -> None:
    bead = ended(store, "done")
    path = store.path(bead)
    clock.ms += 100 * DAY_MS
    compact(repo, store)
    assert not path.exists()
    store.append(bead, BeadCommented(text="we looked at it again"), ANA)
    assert store.path(bead) == path
    assert path.read_bytes().count(b"\n") == 1
    assert [event.type for event in store.events(bead)][-2:] == ["bead_dropped", "bead_commented"]
    assert store.bead(bead).state == "dropped"
    store.append(bead, BeadReopened(reason="after all"), ANA)
    store.record(bead, SessionId("s2"), "said", "agent:ada", {"text": "more"})
    assert [event.session for event in store.ledger(bead)] == ["s1", "s2"]
    store.append(bead, BeadDropped(reason="no"), ANA)
    before = answers(store, bead)
    clock.ms += 100 * DAY_MS
    compact(repo, store)
    assert answers(store, bead) == before
    assert len(store.packs.all()) == 2
    assert not path.exists()
    assert verify(repo, store).problems == ()


def test_late_comers_make_a_second_pack_of_the_month(repo: Repository, store: Store, clock: HandClock) -> None:
    beads = [ended(store, "one"), opened(store, "two")]
    store.append(beads[1], BeadDropped(reason="x"), ANA)
    path = store.path(beads[1])
    held, raw = path.with_name("held"), path.read_bytes()
    path.rename(held)  # as if another clone had it still
    clock.ms += 100 * DAY_MS
    compact(repo, store)
    path.parent.mkdir(exist_ok=True)
    held.rename(path) if held.exists() else path.write_bytes(raw)
    compact(repo, store)
    assert [pack.name[:7] for pack in store.packs.all()] == ["2023-11", "2023-11"]
    assert {bead.id for bead in store.snapshot().beads.values()} == set(beads)


def test_a_dry_run_changes_nothing(repo: Repository, store: Store, clock: HandClock) -> None:
    ended(store, "done")
    store.commit()
    clock.ms += 100 * DAY_MS
    files, head = every_file(store.live), repo.branch(BRANCH)
    done = compact(repo, store, dry_run=True)
    assert (done.removed, len(done.packs), done.after) == (2, 1, None)
    assert (every_file(store.live), repo.branch(BRANCH)) == (files, head)


def test_a_second_run_finds_nothing_to_do(repo: Repository, store: Store, clock: HandClock) -> None:
    ended(store, "done")
    clock.ms += 100 * DAY_MS
    compact(repo, store)
    files, head = every_file(store.live), repo.branch(BRANCH)
    done = compact(repo, store)
    assert (done.removed, done.packs) == (0, ())
    assert (every_file(store.live), repo.branch(BRANCH)) == (files, head)


def test_loose_objects_become_a_pack_and_what_nothing_reaches_stays(
    repo: Repository, store: Store, clock: HandClock
) -> None:
    for number in range(5):
        ended(store, f"bead {number}")
        store.commit()
    lonely = git(repo.root, "hash-object", "-w", "README.md").strip()
    orphan = git(repo.root, "commit-tree", "HEAD^{tree}", "-m", "nobody points here").strip()
    clock.ms += 100 * DAY_MS
    done = compact(repo, store)
    assert done.after is not None
    assert done.after.loose_objects < done.before.loose_objects
    assert done.after.git_packs == done.before.git_packs + 1
    for object_id in (lonely, orphan):
        git(repo.root, "cat-file", "-e", object_id)
    git(repo.root, "fsck", "--strict")


def test_a_compaction_that_is_killed_at_any_step_is_finished_by_the_next(
    repo: Repository, store: Store, clock: HandClock
) -> None:
    program = f"""
import os, signal, sys
from pathlib import Path
from factory.beads import compact, store
from factory.git.repository import find
from tests.beads.making import HandClock
left = int(sys.argv[1])
def dying(event, args):
    global left
    if event in ("os.rename", "os.remove", "os.rmdir", "subprocess.Popen", "os.mkdir"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
repo = find(Path.cwd())
made = store.Store(repo, HandClock({clock.ms + 100 * DAY_MS}))
sys.addaudithook(dying)
compact.compact(repo, made)
"""
    env = {"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": "/usr/bin:/bin"}
    steps = 0
    for steps in range(60):
        beads = [ended(store, f"one of step {steps}"), ended(store, f"two of step {steps}")]
        before = answers(store, *beads)
        child = subprocess.run([sys.executable, "-c", program, str(7 * steps)], cwd=repo.root, check=False, env=env)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        assert answers(store, *beads) == before
        if steps % 2:
            store.commit(everything=True)  # somebody else comes first
        compact(repo, Store(repo, HandClock(clock.ms + 100 * DAY_MS)))
        assert answers(store, *beads) == before
        assert not list(store.live.glob("????-??-??/*.jsonl"))
    assert steps > 3
    assert verify(repo, store).problems == ()


def test_a_damaged_pack_is_named_its_beads_are_read_and_the_branch_restores_it(
    repo: Repository, store: Store, clock: HandClock
) -> None:
    beads = [ended(store, f"bead {number}") for number in range(3)]
    clock.ms += 100 * DAY_MS
    compact(repo, store)
    (pack,) = (store.live / "packed").iterdir()
    whole = pack.read_bytes()
    pack.write_bytes(whole.replace(b"bead 1", b"BEAD 1"))
    seen = Store(repo, clock).snapshot()
    assert set(seen.beads) == set(beads)
    assert {item.file for item in seen.damage} == {f"beads/packed/{pack.name}"}
    pack.write_bytes(whole[: len(whole) // 2])
    assert Store(repo, clock).snapshot().damage
    assert any(problem.where == f"beads/packed/{pack.name}" for problem in verify(repo, store).problems)
    repair(repo, store)
    assert pack.read_bytes() == whole
    assert verify(repo, Store(repo, clock)).problems == ()


def test_compact_says_what_it_did(repo: Repository, store: Store) -> None:
    ended(store, "done")
    assert factory(repo.root, "compact", "--dry-run", "--json").document["packs"][0]["files"] == 2
    done = factory(repo.root, "compact", "--json").document
    assert (done["removed"], done["before"]["files"], done["after"]["files"]) == (2, 2, 1)
    assert factory(repo.root, "compact").out.startswith("There is nothing to pack.")
    assert factory(repo.root, "compact", "--before", "2999-01").code == 1
