"""Many at once: fifty writers, sixteen claimers, two floors; nothing lost, torn or doubled, one winner each."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from factory.base.settings import FILE
from factory.beads.payloads import BeadOpened, checked
from factory.beads.store import Store
from factory.git.repository import Repository
from factory.observe.verify import verify
from tests.conftest import commit, git

from . import judging
from .conftest import ANA
from .crowd import EACH

CROWD = str(Path(__file__).with_name("crowd.py"))


def crowd(how_many: int, kind: str, beads: list[str], folders: list[Path]) -> dict[int, list[str]]:
    """What each of a crowd did; every process must have ended well and said so."""
    argv = [sys.executable, CROWD, str(how_many), kind, ",".join(beads), *map(str, folders)]
    ended = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=250)
    assert ended.returncode == 0, ended.stderr[-2000:]
    done = {said["me"]: said["done"] for said in map(json.loads, ended.stdout.splitlines())}
    assert sorted(done) == list(range(how_many))
    return done


def opened(store: Store, how_many: int) -> list[str]:
    return [store.open(checked(BeadOpened, title=f"bead {number}"), ANA) for number in range(how_many)]


def worktrees(repo: Repository, how_many: int) -> list[Path]:
    folders = [repo.root.with_name(f"tree{number}") for number in range(how_many)]
    for folder in folders:
        git(repo.root, "worktree", "add", "-q", "--detach", str(folder))
    return folders


def test_fifty_processes_at_once_lose_nothing_tear_nothing_and_double_nothing(repo: Repository) -> None:
    store = Store(repo)
    (bead,) = opened(store, 1)

    done = crowd(50, "append", [bead], [repo.root])

    said = [str(event.data["text"]) for event in store.events(bead) if event.type == "bead_commented"]
    told = [text for texts in done.values() for text in texts]
    assert len(told) == 50 * EACH
    assert sorted(said) == sorted(told)
    titles = Counter(each.title for each in Store(repo).beads().values())
    assert titles - Counter(told) == Counter({"bead 0": 1})
    ids = [event.id for event in store.events(bead)]
    assert ids == sorted(set(ids))
    assert verify(repo, Store(repo)).problems == ()
    judging.the_branch_is_the_live_copy(repo)
    judging.git_is_sound(repo)


def test_sixteen_claimers_in_worktrees_of_their_own_and_a_hundred_beads_have_one_winner_each(repo: Repository) -> None:
    store = Store(repo)
    beads = opened(store, 100)

    done = crowd(16, "take", beads, worktrees(repo, 16))

    won = Counter(bead for got in done.values() for bead in got)
    assert won == Counter(beads)
    assert sum(1 for got in done.values() if got) > 1, "nobody raced"
    for me, got in done.items():
        for bead in got:
            claims = [event.by for event in store.events(bead) if event.type == "bead_claimed"]
            assert claims == [f"human:{me}"]
            assert store.bead(bead).problems == ()


def test_claiming_what_is_next_gives_each_bead_to_one(repo: Repository) -> None:
    beads = opened(Store(repo), 12)

    done = crowd(16, "take_next", beads, [repo.root])

    assert Counter(bead for got in done.values() for bead in got) == Counter(beads)


def test_of_two_floors_that_start_sessions_on_the_same_beads_one_gets_each(repo: Repository) -> None:
    store = Store(repo)
    beads = opened(store, 30)

    done = crowd(2, "start", beads, worktrees(repo, 2))

    assert Counter(bead for got in done.values() for bead in got) == Counter(beads)
    for bead in beads:
        assert [event.type for event in store.events(bead)] == ["bead_opened", "session_started"]


def test_two_floors_at_once_land_everything_exactly_once(repo: Repository, sealed: Path) -> None:
    commit(repo.root, {FILE: 'target = "main"\n[gates.tests]\nrun = "test -f README.md"\n'})
    agent = sealed / "agent.sh"
    agent.write_text(
        '#!/bin/sh\necho $FACTORY_BEAD >$FACTORY_BEAD.txt && git add -A && git commit -qm "$FACTORY_BEAD"\n'
    )
    agent.chmod(0o755)
    work = sealed / "beads.jsonl"
    work.write_text("".join(json.dumps({"title": f"Change {number}"}) + "\n" for number in range(3)))
    (tree,) = worktrees(repo, 1)
    factory = [sys.executable, "-m", "factory"]
    argv = [*factory, "spawn", "--yes-trust", "--file", str(work), "--", str(agent)]

    pipe = subprocess.PIPE
    floors = [
        subprocess.Popen(argv, cwd=place, env=dict(os.environ), text=True, stdout=pipe, stderr=pipe)
        for place in (repo.root, tree)
    ]
    said = [floor.communicate(timeout=200) for floor in floors]
    subprocess.run([*factory, "run", "--yes-trust"], cwd=repo.root, check=True, capture_output=True, timeout=200)

    assert [floor.returncode for floor in floors] in ([0, 0], [0, 75], [75, 0]), said
    beads = Store(repo).beads().values()
    assert [bead.state for bead in beads] == ["landed"] * 6
    landed = git(repo.root, "log", "--format=%s", "main").splitlines()
    assert Counter(title for title in landed if title.startswith("Change")) == Counter(
        {f"Change {number}": 2 for number in range(3)}
    )
    assert verify(repo, Store(repo)).problems == ()
