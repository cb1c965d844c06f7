"""Syncing clones: whatever the order, every clone ends with every event, each once."""

import random
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from factory.base.clock import iso
from factory.base.ids import BeadId
from factory.beads.events import Event
from factory.beads.payloads import BeadClaimed, BeadLinked, checked
from factory.beads.union import alias
from factory.git.remote import NoSuchRemote, PushRefused, Remote, Unreachable, WhichRemote, choose
from tests.beads.clones import BY, Beads, append_only, begin, clone, events
from tests.conftest import git
from tests.house.program import factory


@pytest.fixture
def remote(sealed: Path, tmp_path: Path) -> Path:  # noqa: ARG001 - seals the environment
    return begin(tmp_path)


@pytest.fixture
def two(remote: Path) -> tuple[Beads, Beads]:
    return clone(remote, "a"), clone(remote, "b")


def same(*clones: Beads) -> None:
    first = clones[0]
    for other in clones[1:]:
        assert other.ids() == first.ids()
        assert other.store.beads() == first.store.beads()
    for each in clones:
        assert len(set(each.ids())) == len(each.ids())
        assert each.on_branch() == {path: raw.decode() for path, raw in each.raw().items()}


def test_a_remote_without_beads_gets_them_and_a_clone_without_beads_takes_them(two: tuple[Beads, Beads]) -> None:
    a, b = two
    bead = a.open()
    a.say(bead, "hello")
    there = a.sync()
    assert (there.events_in, there.events_out) == (0, 2)
    here = b.sync()
    assert (here.events_in, set(here.beads), here.head) == (2, {bead}, there.head)
    same(a, b)


def test_both_sides_of_a_bead_are_merged_and_the_second_sync_moves_nothing(two: tuple[Beads, Beads]) -> None:
    a, b = two
    bead = a.open()
    a.sync()
    b.sync()
    a.say(bead, "from a")
    b.say(bead, "from b")
    other = b.open("another")
    a.sync()
    report = b.sync()
    assert (report.events_in, report.events_out, set(report.beads)) == (1, 2, {bead})
    assert a.sync().beads == {bead, other}
    same(a, b)
    head = a.sync().head
    assert (b.sync().head, git(a.root, "rev-parse", "factory/beads").strip()) == (head, head)
    assert append_only(a.root) == []
    assert len(git(a.root, "rev-list", "--merges", "factory/beads").split()) == 1


def test_clones_that_began_apart_are_merged(two: tuple[Beads, Beads]) -> None:
    a, b = two
    a.open("a's")
    a.store.commit()
    b.open("b's")
    b.store.commit()
    a.sync()
    b.sync()
    a.sync()
    same(a, b)


def test_many_clones_that_sync_at_once_lose_and_double_nothing(remote: Path) -> None:
    clones = [clone(remote, f"c{number}") for number in range(5)]
    shared = clones[0].open("shared")
    clones[0].sync()
    for each in clones[1:]:
        each.sync()

    def work(each: Beads, name: int) -> None:
        for turn in range(2):
            each.say(shared, f"{name}.{turn}")
            each.open(f"{name}.{turn}")
            each.sync()

    running = [threading.Thread(target=work, args=(each, number)) for number, each in enumerate(clones)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    for each in clones:
        each.sync()
    for each in clones:
        each.sync()
    same(*clones)
    assert len(clones[0].ids()) == 1 + 5 * 2 * 2


def test_two_claims_made_apart_have_one_winner_and_the_loser_is_told(two: tuple[Beads, Beads]) -> None:
    a, b = two
    bead = a.open()
    a.sync()
    b.sync()
    for each, name in ((a, "c0000000000"), (b, "c1111111111")):
        payload = checked(BeadClaimed, until=iso(4_000_000_000_000))
        each.store.append(bead, payload, BY, name)  # type: ignore[arg-type]
    a.sync()
    (lost,) = b.sync().lost
    assert (lost.bead, lost.winner, lost.loser, lost.ours) == (bead, "c0000000000", "c1111111111", True)
    assert not any(claim.ours for claim in a.sync().lost)
    same(a, b)
    run = b.store.bead(bead).run
    assert run is not None
    assert run.session == "c0000000000"


def test_a_claim_that_was_pushed_first_and_lost_is_told_at_the_next_sync(two: tuple[Beads, Beads]) -> None:
    a, b = two
    bead = a.open()
    a.sync()
    b.sync()
    for each, name in ((b, "c0000000000"), (a, "c1111111111")):  # b was earlier, but a pushes first
        payload = checked(BeadClaimed, until=iso(4_000_000_000_000))
        each.store.append(bead, payload, BY, name)  # type: ignore[arg-type]
    a.sync()
    b.sync()
    assert [(claim.winner, claim.loser, claim.ours) for claim in a.sync().lost] == [
        ("c0000000000", "c1111111111", True)
    ]


def test_a_cycle_that_arises_by_merging_is_named(two: tuple[Beads, Beads]) -> None:
    a, b = two
    first, second = a.open("first"), a.open("second")
    a.sync()
    b.sync()
    a.store.append(first, BeadLinked(edge="needs", to=second), BY)
    b.store.append(second, BeadLinked(edge="needs", to=first), BY)
    a.sync()
    (ring,) = b.sync().cycles
    assert set(ring) == {first, second}


# ---------------------------------------------------------------- two beads with one id


def put(beads: Beads, name: str, title: str, *, day: str = "") -> str:
    """Force a bead of this name; the answer is the id of its ``bead_opened``."""
    made = beads.open(title)
    path = beads.store.path(made)
    (event,) = events(path.read_bytes(), path.name)
    to = beads.store.live / (day or path.parent.name) / f"{name}.jsonl"
    to.parent.mkdir(exist_ok=True)
    to.write_bytes(replace_on(event, name).line())
    path.unlink()
    beads.store.commit(everything=True)
    return event.id


def replace_on(event: Event, name: str) -> Event:
    return event._replace(on=BeadId(name))


@pytest.mark.parametrize("day", ["", "2020-02-02"])
def test_two_beads_with_one_id_both_survive_and_all_clones_agree_on_the_alias(remote: Path, day: str) -> None:
    a, b, c = clone(remote, "a"), clone(remote, "b"), clone(remote, "c")
    kept = put(a, "fa-same", "a's")
    moved = put(b, "fa-same", "b's", day=day)
    a.say("fa-same", "about a's")
    b.say("fa-same", "about b's")
    b.store.record("fa-same", "s1", "turn", BY, {"n": 1})  # type: ignore[arg-type]
    b.sync()
    c.sync()
    c.say("fa-same", "c knows only b's")
    (clash,) = a.sync().clashes
    other = alias("fa-same", moved)
    assert (clash.bead, clash.kept, clash.moved, clash.alias) == ("fa-same", kept, moved, other)
    for each in (c, b, a, c, b):
        each.sync()
    same(a, b, c)
    assert {bead: it.title for bead, it in c.store.beads().items()} == {"fa-same": "a's", other: "b's"}
    said = [event.data.get("text") for event in c.store.events(other) if event.type == "bead_commented"]
    assert said == ["about b's", "c knows only b's"]
    assert [event.data.get("text") for event in a.store.events("fa-same")][1:] == ["about a's"]


def test_three_beads_with_one_id_end_alike_whatever_the_order(remote: Path) -> None:
    clones = [clone(remote, name) for name in "abc"]
    opened = [put(each, "fa-same", each.root.name) for each in clones]
    for number in (2, 1, 0, 1, 2, 0):
        clones[number].sync()
    same(*clones)
    titles = {bead: it.title for bead, it in clones[0].store.beads().items()}
    assert titles == {"fa-same": "a", alias("fa-same", opened[1]): "b", alias("fa-same", opened[2]): "c"}


# ---------------------------------------------------------------- whatever happens in between


@pytest.mark.parametrize("seed", range(4))
def test_after_any_interleaving_all_clones_have_the_same_events(remote: Path, seed: int) -> None:
    dice = random.Random(seed)
    clones = [clone(remote, name) for name in "abc"]
    made = 0
    for _ in range(14):
        each = dice.choice(clones)
        known = sorted(each.store.beads())
        step = dice.choice(["open", "say", "say", "sync", "sync", "merge", "commit"])
        if step == "open" or not known:
            each.open(f"bead {made}")
            made += 1
        elif step == "say":
            each.say(dice.choice(known), f"text {made}")
            made += 1
        elif step == "sync":
            each.sync()
        elif step == "merge":
            text_merge(each, dice.choice([other for other in clones if other is not each]))
        else:
            each.store.commit()
    for each in (*clones, *clones):
        each.sync()
    same(*clones)
    assert len(clones[0].ids()) == made


def text_merge(into: Beads, other: Beads) -> None:
    """``git merge`` of another clone's branch, in a work tree, as a person would."""
    into.store.commit()
    other.store.commit()
    desk = into.root.parent / f"{into.root.name}-desk"
    git(into.root, "worktree", "add", "-q", str(desk), "factory/beads")
    try:
        git(desk, "fetch", "-q", str(other.root), "factory/beads")
        git(desk, "merge", "-q", "--allow-unrelated-histories", "-m", "by hand", "FETCH_HEAD")
    finally:
        git(into.root, "worktree", "remove", "--force", str(desk))


# ---------------------------------------------------------------- remotes


def test_the_remote_is_the_only_one_or_origin_or_the_one_named(two: tuple[Beads, Beads]) -> None:
    repo = two[0].repo
    assert choose(repo).name == "origin"
    with pytest.raises(NoSuchRemote) as refused:
        choose(repo, "orgin")
    assert "origin" in refused.value.hint
    with pytest.raises(NoSuchRemote):
        choose(repo, "--upload-pack=/bin/false")
    git(repo.root, "remote", "rename", "origin", "one")
    assert choose(repo).name == "one"
    git(repo.root, "remote", "add", "two", "/nowhere")
    with pytest.raises(WhichRemote):
        choose(repo)
    git(repo.root, "remote", "remove", "one")
    git(repo.root, "remote", "remove", "two")
    with pytest.raises(NoSuchRemote):
        choose(repo)


def test_a_setting_names_a_remote_that_git_knows_and_never_a_place(two: tuple[Beads, Beads], tmp_path: Path) -> None:
    repo = two[0].repo
    assert choose(repo, default="origin").name == "origin"
    with pytest.raises(NoSuchRemote):
        choose(repo, default=str(tmp_path / "remote.git"))
    assert choose(repo, str(tmp_path / "remote.git"), default="nonsense").refs("refs/heads/main")


def test_a_remote_that_is_not_there_is_said_and_nothing_is_lost(two: tuple[Beads, Beads]) -> None:
    a, _ = two
    bead = a.open()
    git(a.root, "remote", "set-url", "origin", "/nowhere/at/all")
    with pytest.raises(Unreachable, match="origin cannot be reached"):
        a.sync()
    assert a.store.bead(bead).title == "Do it"


def test_a_remote_that_never_answers_is_given_up(two: tuple[Beads, Beads], monkeypatch: pytest.MonkeyPatch) -> None:
    a, _ = two
    monkeypatch.setenv("GIT_SSH_COMMAND", "sleep 600 #")
    with pytest.raises(Unreachable, match="no answer within"):
        replace(Remote(a.repo, "ssh://nobody@localhost/x"), timeout_s=0.5).refs()


def test_a_remote_that_refuses_says_why(two: tuple[Beads, Beads], remote: Path) -> None:
    a, _ = two
    hook = remote / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    a.open()
    with pytest.raises(PushRefused, match="pre-receive hook declined"):
        a.sync()


def test_the_command_says_what_came_and_went(two: tuple[Beads, Beads]) -> None:
    a, b = two
    bead = a.open()
    said = factory(a.root, "sync", "--json")
    assert said.document["sync"] | {"head": ""} == {
        "remote": "origin", "head": "", "events_in": 0, "events_out": 1, "beads": [], "claims_lost": [],
        "overtaken": [], "cycles": [], "clashes": [],
    }  # fmt: skip
    said = factory(b.root, "sync")
    assert (said.code, said.out) == (0, "1 events in, 0 out; 1 beads changed here\n")
    assert b.store.bead(bead).title == "Do it"


def test_a_lock_that_a_killed_fetch_left_is_in_nobodys_way(two: tuple[Beads, Beads]) -> None:
    a, b = two
    bead = a.open()
    a.sync()
    b.sync()
    a.say(bead, "more")
    a.sync()
    tracked = next(b.repo.common_dir.glob("refs/factory/remotes/*/beads"))
    tracked.with_name("beads.lock").touch()
    b.sync()
    same(a, b)


def test_a_killed_sync_is_finished_by_the_next(two: tuple[Beads, Beads]) -> None:
    a, b = two
    beads = [a.open(str(number)) for number in range(5)]
    a.sync()
    b.sync()
    for bead in beads:
        a.say(bead, "a")
        b.say(bead, "b")
    a.sync()
    for delay in ("0.15", "0.25", "0.35"):
        subprocess.run(
            ["timeout", "-s", "KILL", delay, sys.executable, "-m", "factory", "sync"], cwd=b.root, check=False,
            capture_output=True,
        )  # fmt: skip
    b.sync()
    a.sync()
    same(a, b)
    assert len(a.ids()) == 15
