import json
import time
from pathlib import Path

import pytest

from factory.base.ids import CommitId
from factory.base.settings import FILE
from factory.beads.payloads import BeadDropped, ChangeApproved, LandingAnnounced
from factory.git import checkouts
from factory.git.candidates import Clean, merge_change
from factory.git.repository import Repository
from factory.landing import candidate as candidates
from factory.landing.candidate import BranchMoved, require_unmoved
from factory.landing.queue import Queue
from factory.observe.verify import verify
from tests.conftest import commit, git

from .world import SETTINGS, World, make


@pytest.fixture
def world(repo: Repository) -> World:
    return make(repo)


def test_a_change_lands_as_one_commit_with_its_story_and_its_receipts(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 2\n", "src/new.py": "n = 1\n"})
    world.settle()
    landed = world.bead(bead)
    assert landed.state == "landed"
    assert landed.landed == world.head
    message = git(world.root, "log", "-1", "--format=%B")
    assert f"Bead: {bead}\nAgent: ada\nSession: s{bead}-1\nModel: none\nGate: tests passed in 1.0 s" in message
    story = git(world.root, "show", f"main:{world.store.relative(world.store.path(bead))}")
    assert [json.loads(line)["type"] for line in story.splitlines()][-1] == "change_submitted"
    assert git(world.root, "log", "--merges", "--format=%H") == ""
    assert (world.root / "src/new.py").read_text() == "n = 1\n"
    assert world.status() == ""
    assert world.branches() == set()
    assert verify(world.repo, world.store).problems == ()


def test_the_tree_that_lands_is_the_tree_the_gates_saw(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"})
    world.tick()
    candidate = world.bead(bead).candidate
    assert candidate is not None
    world.settle()
    assert world.repo.tree_of(world.head) == candidate.tree


def test_a_change_made_on_an_older_target_is_tested_on_the_newest(world: World) -> None:
    first, second = world.submit({"one.txt": "1\n"}), world.submit({"two.txt": "2\n"})
    world.settle()
    assert world.bead(first).state == world.bead(second).state == "landed"
    assert world.gate_runs == [first, second]
    assert git(world.root, "log", "--format=%s", "-2").splitlines() == ["Change two.txt", "Change one.txt"]


def test_a_conflict_goes_back_with_the_paths_and_with_what_landed(world: World) -> None:
    world.submit({"src/a.py": "a = 10\nb = 2\nc = 3\n"})
    second = world.submit({"src/a.py": "a = 20\nb = 2\nc = 3\n"})
    world.settle()
    back = world.bead(second)
    assert (back.state, back.rounds) == ("open", 1)
    assert back.setback is not None
    assert back.setback.code == "conflict"
    assert "src/a.py" in back.setback.reason
    assert "Change src/a.py" in back.setback.evidence


def test_red_gates_go_back_twice_and_then_wait_for_a_person(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 0\n"})
    world.answers[bead] = "failed"
    for rounds in (1, 2):
        world.settle()
        assert (world.bead(bead).state, world.bead(bead).rounds) == ("open", rounds)
        world.submit({"src/a.py": f"a = {rounds}\n"}, bead=bead)
    world.settle()
    assert world.bead(bead).state == "waiting"
    assert git(world.root, "log", "-1", "--format=%s").strip() == "settings"
    world.answers[bead] = "passed"
    world.store.append(bead, ChangeApproved(), "human:ana@example.org")
    world.settle()
    assert world.bead(bead).state == "landed"
    assert world.branches() == set()
    assert len(world.repo.refs("refs/factory/kept/")) == 2, "earlier attempts stay on refs"


def test_a_gate_that_could_not_say_waits_for_a_person(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 0\n"})
    world.answers[bead] = "held"
    world.settle()
    held = world.bead(bead)
    assert (held.state, held.setback and held.setback.code) == ("waiting", "gate-held")


def test_a_change_that_the_target_already_has_waits_for_a_person(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 7\n"})
    commit(world.root, {"src/a.py": "a = 7\n"}, "the same by hand")
    world.settle()
    assert world.bead(bead).setback is not None
    assert world.bead(bead).state == "waiting"


@pytest.mark.parametrize("gates", ["", "max_agents = 2\n"])
def test_without_a_gate_nothing_lands_and_it_says_so(world: World, gates: str) -> None:
    bead = world.submit({"src/a.py": "a = 7\n"})
    commit(world.root, {FILE: gates or "# nothing\n"}, "no gates")
    assert world.settle()[bead].code == "no-gate"
    assert world.bead(bead).state == "queued"


def test_gates_that_nobody_has_trusted_do_not_run(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 7\n"})
    commit(world.root, {FILE: '[gates.tests]\nrun = "curl evil"\n'}, "other gates")
    assert world.settle()[bead].code == "not-trusted"
    assert world.gate_runs == []


# ---------------------------------------------------------------- people's checkouts


def test_local_changes_in_the_way_make_landing_wait_and_are_not_touched(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"})
    (world.root / "src/a.py").write_text("my own work\n")
    wait = world.settle()[bead]
    assert wait.code == "local-changes"
    assert "src/a.py" in wait.reason
    assert (world.root / "src/a.py").read_text() == "my own work\n"
    assert world.bead(bead).state == "queued"
    git(world.root, "checkout", "-q", "src/a.py")
    world.settle()
    assert world.bead(bead).state == "landed"
    assert world.status() == ""


def test_an_untracked_file_in_the_way_is_not_overwritten(world: World) -> None:
    bead = world.submit({"notes.txt": "the agent's\n"})
    (world.root / "notes.txt").write_text("mine\n")
    assert "notes.txt" in world.settle()[bead].reason
    assert (world.root / "notes.txt").read_text() == "mine\n"


def test_local_changes_elsewhere_stay_as_they_are_and_landing_goes_on(world: World) -> None:
    (world.root / "README.md").write_text("edited\n")
    (world.root / "staged.txt").write_text("staged\n")
    git(world.root, "add", "staged.txt")
    (world.root / "untracked.txt").write_text("untracked\n")
    bead = world.submit({"src/a.py": "a = 2\n"})
    world.settle()
    assert world.bead(bead).state == "landed"
    assert sorted(world.status().splitlines()) == [" M README.md", "?? untracked.txt", "A  staged.txt"]
    assert (world.root / "src/a.py").read_text() == "a = 2\n"


def test_a_target_that_is_checked_out_nowhere_lands_too(world: World) -> None:
    git(world.root, "checkout", "-q", "-b", "elsewhere")
    bead = world.submit({"src/a.py": "a = 2\n"})
    world.settle()
    assert world.bead(bead).state == "landed"
    assert (world.root / "src/a.py").read_text() != "a = 2\n"


def test_files_follow_in_a_linked_worktree_that_has_the_target(world: World, tmp_path: Path) -> None:
    git(world.root, "checkout", "-q", "-b", "elsewhere")
    git(world.root, "worktree", "add", "-q", str(tmp_path / "second"), "main")
    bead = world.submit({"src/a.py": "", "src/b.py": "b\n"})
    world.settle()
    assert world.bead(bead).state == "landed"
    assert not (tmp_path / "second/src/a.py").exists()
    assert git(tmp_path / "second", "status", "--porcelain") == ""


def test_nothing_moves_while_a_merge_is_half_done_in_the_checkout(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"})
    (world.repo.git_dir / "MERGE_HEAD").write_text(f"{world.head}\n")
    assert "middle of something" in world.settle()[bead].reason


def test_a_target_that_moved_in_the_meantime_gets_a_new_candidate(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"})
    world.tick()
    commit(world.root, {"other.txt": "by hand\n"}, "by hand")
    world.settle()
    assert world.bead(bead).state == "landed"
    assert world.gate_runs == [bead, bead]
    assert git(world.root, "log", "-2", "--format=%s").splitlines() == ["Change src/a.py", "by hand"]


# ---------------------------------------------------------------- killed in the middle


def announce(world: World) -> CommitId:
    """Bring one bead to the point where its landing is announced, and die there; the answer is the commit."""
    bead = world.bead(world.submit({"src/a.py": "a = 2\n", "src/new.py": "n\n", "README.md": ""}))
    world.tick()
    bead = world.bead(bead.id)
    assert bead.change is not None
    assert bead.candidate is not None
    landing = candidates.sealed(world.repo, bead, bead.change, bead.candidate.verdicts)
    announced = LandingAnnounced(commit=landing, target="main", onto=world.head)
    world.store.append(bead.id, announced, "landing:main")
    record = {"target": "main", "old": world.head, "new": landing, "since": time.time() - 1}
    (world.repo.state_dir / "landing.json").write_text(json.dumps(record))
    return landing


def recovered_and_landed_once(world: World) -> None:
    world.queue.recover(world.store.beads())
    world.settle()
    (bead,) = world.store.beads().values()
    assert bead.state == "landed"
    assert git(world.root, "log", "--format=%s").splitlines().count(bead.title) == 1
    assert world.status() == ""
    assert (world.root / "src/a.py").read_text() == "a = 2\n"
    assert not (world.root / "README.md").exists()
    assert not (world.repo.state_dir / "landing.json").exists()
    assert verify(world.repo, world.store).problems == ()


def test_killed_after_the_announcement(world: World) -> None:
    announce(world)
    recovered_and_landed_once(world)


def test_killed_after_the_files_followed(world: World) -> None:
    landing = announce(world)
    (place,) = checkouts.checkouts(world.repo, "main")
    assert checkouts.follow(world.repo, place, "main", world.head, landing) is None
    recovered_and_landed_once(world)


@pytest.mark.parametrize("done", [["src/a.py"], ["src/new.py"], ["README.md"], ["src/a.py", "src/new.py", "README.md"]])
def test_killed_while_the_files_followed(world: World, done: list[str]) -> None:
    announce(world)
    contents = {"src/a.py": "a = 2\n", "src/new.py": "n\n"}
    for name in done:
        if name in contents:
            (world.root / name).write_text(contents[name])
        else:
            (world.root / name).unlink()
    (world.repo.git_dir / "index.lock").touch()
    recovered_and_landed_once(world)


def test_killed_after_the_target_moved(world: World) -> None:
    landing = announce(world)
    (place,) = checkouts.checkouts(world.repo, "main")
    assert checkouts.follow(world.repo, place, "main", world.head, landing) is None
    world.repo.move_ref("refs/heads/main", landing, world.head)
    recovered_and_landed_once(world)


def test_a_persons_edit_after_the_kill_is_not_touched(world: World) -> None:
    announce(world)
    (world.root / "src/a.py").write_text("mine\n")
    world.queue.recover(world.store.beads())
    (wait,) = world.settle().values()
    assert wait.code == "local-changes"
    assert (world.root / "src/a.py").read_text() == "mine\n"


def test_a_bead_dropped_while_its_gates_run_does_not_land(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"})
    before = world.head
    world.queue.tick(world.store.beads(), frozenset(), lambda *_: None)
    snapshot = world.store.beads()
    world.store.append(bead, BeadDropped(reason="no"), "human:ana@example.org")
    world.queue.tick(snapshot, frozenset(), lambda *_: None)
    assert world.bead(bead).state == "dropped"
    assert world.head == before


# ---------------------------------------------------------------- what a reviewer broke


def test_a_second_parent_undoes_nothing_that_landed_since(world: World) -> None:
    base = world.head
    newer = commit(world.root, {"NEWER": "by a person\n", FILE: SETTINGS + "# stricter\n"}, "newer")
    git(world.root, "reset", "-q", "--hard", base)
    tree = git(world.root, "rev-parse", f"{base}^{{tree}}").strip()
    evil = git(world.root, "commit-tree", tree, "-p", base, "-p", newer, "-m", "evil").strip()
    git(world.root, "reset", "-q", "--hard", newer)
    merged = merge_change(world.repo, CommitId(newer), CommitId(evil), base)
    assert isinstance(merged, Clean)
    assert merged.tree == world.repo.tree_of(CommitId(newer))


@pytest.mark.parametrize("path", [FILE, "beads/2026-01-01/fa-0000.jsonl"])
def test_a_change_of_settings_or_beads_does_not_land_even_when_it_was_let_out(world: World, path: str) -> None:
    bead = world.submit({path: "[gates.tests]\nrun = 'true'\n", "src/a.py": "a = 2\n"})
    world.settle()
    held = world.bead(bead)
    assert (held.state, held.setback and held.setback.code) == ("waiting", "unfit")
    assert world.gate_runs == []


def test_a_file_of_the_target_called_beads_is_not_replaced(world: World) -> None:
    commit(world.root, {"beads": "mine\n"}, "a file called beads")
    bead = world.submit({"src/a.py": "a = 2\n"})
    world.settle()
    held = world.bead(bead)
    assert held.setback is not None
    assert "a file called beads" in held.setback.reason
    assert (world.root / "beads").read_text() == "mine\n"


def test_a_bead_is_settled_on_the_target_it_was_made_for(world: World) -> None:
    landing = announce(world)
    (world.repo.state_dir / "landing.json").unlink()
    git(world.root, "update-ref", "refs/heads/main", landing)
    git(world.root, "reset", "-q", "--hard")
    git(world.root, "checkout", "-q", "-b", "other", "HEAD~1")
    elsewhere = Queue(world.repo, world.store, "other", 2)
    elsewhere.recover(world.store.beads())
    (bead,) = world.store.beads().values()
    assert (bead.state, bead.landed, bead.landed_on) == ("landed", landing, "main")
    assert verify(world.repo, world.store).problems == ()


def test_a_change_made_for_another_target_is_left_to_it(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"})
    git(world.root, "branch", "other")
    elsewhere = Queue(world.repo, world.store, "other", 2)
    elsewhere.tick(world.store.beads(), frozenset(), lambda *_: None)
    assert world.bead(bead).candidate is None


def test_peoples_branches_and_commits_under_the_beads_name_stay(world: World, tmp_path: Path) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"}, land=False)
    world.settle()
    git(world.root, "branch", f"factory/{bead}/mine", f"factory/{bead}/1")
    git(world.root, "worktree", "add", "-q", str(tmp_path / "review"), f"factory/{bead}/1")
    world.store.append(bead, ChangeApproved(), "human:ana@example.org")
    world.settle()
    assert world.bead(bead).state == "landed"
    assert world.branches() == {
        f"factory/{bead}/1",
        f"factory/{bead}/mine",
    }
    assert git(tmp_path / "review", "status", "--porcelain") == ""


def test_a_person_who_went_on_with_an_agents_branch_is_told_at_approval(world: World, tmp_path: Path) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"}, land=False)
    world.settle()
    git(world.root, "worktree", "add", "-q", str(tmp_path / "review"), f"factory/{bead}/1")
    commit(tmp_path / "review", {"src/a.py": "a = 3\n"}, "review")
    with pytest.raises(BranchMoved):
        require_unmoved(world.repo, world.bead(bead))


def test_a_candidate_outlives_garbage_collection(world: World) -> None:
    bead = world.submit({"src/a.py": "a = 2\n"})
    (world.root / "src/a.py").write_text("in the way\n")
    world.settle()
    git(world.root, "gc", "-q", "--prune=now")
    git(world.root, "checkout", "-q", "src/a.py")
    world.settle()
    assert world.bead(bead).state == "landed"
    assert world.repo.refs("refs/factory/candidates/") == {}


def test_one_beads_trouble_does_not_stop_the_others_and_ends_with_a_person(world: World) -> None:
    troubled, fine = world.submit({":(bad)": "one\n"}), world.submit({"b.txt": "b\n"})
    git(world.root, "update-ref", "-d", f"refs/heads/factory/{troubled}/1")
    git(world.root, "reflog", "expire", "--expire=now", "--all")
    git(world.root, "gc", "-q", "--prune=now")
    world.tick(4)
    assert world.bead(fine).state == "landed"
    held = world.bead(troubled)
    assert (held.state, held.setback and held.setback.code) == ("waiting", "trouble")


def test_conflicting_files_with_strange_names_are_named(world: World) -> None:
    world.submit({":(bad)": "one\n"})
    second = world.submit({":(bad)": "two\n"})
    world.settle()
    back = world.bead(second)
    assert back.setback is not None
    assert ":(bad)" in back.setback.reason


def test_a_filter_that_fails_leaves_the_checkout_as_it_was_and_the_bead_with_a_person(world: World) -> None:
    bead = world.submit(
        {".gitattributes": "*.bin filter=broken\n", "z.bin": "z\n", "src/a.py": "a = 2\n", "README.md": ""}
    )
    git(world.root, "config", "filter.broken.smudge", "false")
    git(world.root, "config", "filter.broken.required", "true")
    before = world.head
    world.settle()
    held = world.bead(bead)
    assert (held.state, held.setback and held.setback.code) == ("waiting", "checkout")
    assert world.head == before
    assert world.status() == ""
    assert (world.root / "README.md").exists()
