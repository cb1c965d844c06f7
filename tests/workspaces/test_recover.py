"""Killed anywhere, found again: nothing half-made remains and no work is lost."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from factory.base.ids import SessionId, new_session_id
from factory.git import worktrees
from factory.workspaces import private_git
from factory.workspaces import workspace as workspaces
from factory.workspaces.collecting import CheckoutFailed
from factory.workspaces.salvage import kept_ref
from factory.workspaces.sandbox import Sandbox
from factory.workspaces.workspace import Kept, NotMade, Workspace, lease, leased, recover

from .world import World, git, make_world, sh

ROUNDS = 6


@pytest.fixture(autouse=True)
def _a_lock_is_stale_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A git that was killed here is dead at once; nobody needs to be waited for."""
    monkeypatch.setattr(worktrees, "_STALE_S", 0.5)


@contextlib.contextmanager
def leasing(world: World, sessions: list[tuple[int, SessionId]], *, give_back: bool = False) -> Iterator["Child"]:
    """A process of its own group that is ready to lease, and is killed at the end at the latest."""
    facts = {
        "main": str(world.main),
        "root": str(world.root),
        "base": world.base,
        "sandbox": world.sandbox.name,
        "sessions": sessions,
        "give_back": give_back,
    }
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("leasing.py"))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(workspaces.__file__).parents[2])},
    )
    child = Child(process)
    try:
        child.tell(json.dumps(facts))
        assert child.hear() == "ready"
        yield child
    finally:
        child.kill()


class Child:
    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        with self.process:
            pass


@pytest.mark.parametrize("round_", range(ROUNDS))
def test_killed_in_the_middle_of_a_lease(world: World, round_: int) -> None:
    session = new_session_id()
    moment = random.Random(round_).uniform(0, 0.06)
    with leasing(world, [(1, session)]) as child:
        child.tell("go")
        time.sleep(moment)  # the point of this test is a moment that nobody chose
        child.kill()
    assert recover(world.repo, session, world.sandbox, world.root) is None
    assert leased(world.repo) == []
    assert world.leftovers() == []
    assert git(world.main, "branch", "--format=%(refname:short)").split() == ["main"]
    assert recover(world.repo, session, world.sandbox, world.root) is None
    world.lease(1).give_back()


@pytest.mark.parametrize("moment", ["leased", "kept"])
def test_killed_with_work_in_the_tree(world: World, moment: str) -> None:
    session = new_session_id()
    with leasing(world, [(1, session)], give_back=True) as child:
        child.tell("go")
        while child.hear() != moment:
            pass
        child.kill()
    recover(world.repo, session, world.sandbox, world.root)
    assert world.leftovers() == []
    assert git(world.main, "show", f"{kept_ref(session)}:a.txt", ok=(0, 128)) in {"changed", ""}
    if moment == "kept":
        assert git(world.main, "show", f"{kept_ref(session)}:a.txt") == "changed"


@pytest.mark.parametrize("round_", range(3))
def test_killed_in_the_middle_of_giving_back(world: World, round_: int) -> None:
    session = new_session_id()
    moment = random.Random(round_).uniform(0, 0.02)
    with leasing(world, [(1, session)], give_back=True) as child:
        child.tell("go")
        while child.hear() != "kept":
            pass
        time.sleep(moment)  # as above
        child.process.kill()
    recover(world.repo, session, world.sandbox, world.root)
    assert world.leftovers() == []
    assert leased(world.repo) == []
    assert git(world.main, "show", f"{kept_ref(session)}:a.txt") == "changed"


def test_the_work_of_a_dead_session_is_kept(each_world: World) -> None:
    workspace = each_world.lease()
    sh(workspace, "echo committed > c; git add c; git commit -qm c; echo dirty > d")
    workspace.bring_out("first")
    sh(workspace, "echo later > later")
    session = workspace.session
    del workspace
    assert leased(each_world.repo) == [session]
    kept = recover(each_world.repo, session, each_world.sandbox, each_world.root)
    assert kept is not None
    assert git(each_world.main, "show", f"{kept.commit}:later") == "later"
    assert git(each_world.main, "show", "factory/fa-7k2m/1:d") == "dirty"
    assert each_world.leftovers() == []


def test_a_command_of_a_dead_session_is_ended(each_world: World) -> None:
    workspace = each_world.lease()
    left = subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "FACTORY_RUN": f"{workspace.session}.7"})
    recover(each_world.repo, workspace.session, each_world.sandbox, each_world.root)
    assert left.wait(5) == -signal.SIGKILL


def test_a_folder_moved_aside_is_reported_by_recover(world: World) -> None:
    workspace = world.lease()
    sh(workspace, "truncate -s 1T huge")
    first = workspace.keep()
    assert first.folder is not None
    again = recover(world.repo, workspace.session, world.sandbox, world.root)
    assert again == Kept(folder=first.folder)
    assert world.leftovers() == []


def test_half_made_entries_of_git_are_taken_out(world: World) -> None:
    workspace = world.lease()
    entry = world.common / "worktrees" / "fa-7k2m-1"
    for name in ("gitdir", "commondir", "HEAD"):
        (entry / name).unlink()
    (entry / "HEAD.lock").touch()
    (world.common / "refs" / "heads" / "factory" / "fa-7k2m" / "1.lock").touch()
    recover(world.repo, workspace.session, world.sandbox, world.root)
    assert world.leftovers() == []


def test_what_fails_while_leasing_leaves_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(private_git, "copy_index", full)
    with pytest.raises(NotMade) as caught:
        world.lease()
    assert caught.value.sentence == "the workspace fa-7k2m-1 could not be made: No space left on device"
    assert caught.value.hint
    assert world.leftovers() == []
    assert leased(world.repo) == []
    assert git(world.main, "branch", "--format=%(refname:short)").split() == ["main"]


def test_a_base_that_git_cannot_write_out_leaves_nothing(tmp_path: Path, home: Path, bubblewrap: Sandbox) -> None:
    world = make_world(tmp_path, home, bubblewrap)
    blob = git(world.main, "rev-parse", "main:a.txt")
    (world.common / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(CheckoutFailed) as caught:
        world.lease()
    assert caught.value.sentence.startswith("git could not write the files of a new work tree: ")
    assert "\n" not in caught.value.sentence
    assert world.leftovers() == []


def test_a_worktrees_folder_that_cannot_be_made_is_told_in_one_sentence(world: World) -> None:
    world.root.write_text("a file is in the way")
    with pytest.raises(NotMade) as caught:
        world.lease()
    assert str(world.root) in caught.value.sentence
    world.root.unlink()
    assert world.leftovers() == []


def test_what_cannot_be_given_back_after_a_failure_does_not_hide_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(error: OSError) -> Callable[..., None]:
        def fail(*_: object) -> None:
            raise error

        return fail

    request = world.request()
    with monkeypatch.context() as patch:
        patch.setattr(private_git, "copy_index", failing(OSError(28, "No space left on device")))
        patch.setattr(workspaces, "remove_tree", failing(OSError(5, "Input/output error")))
        with pytest.raises(NotMade, match="No space left"):
            lease(world.repo, request, world.root)
    assert leased(world.repo) == [request.session]
    recover(world.repo, request.session, world.sandbox, world.root)
    assert world.leftovers() == []


@pytest.mark.parametrize("age_s", [60, -3600], ids=["old", "from the future"])
def test_a_lock_that_a_killed_git_left_is_removed(world: World, monkeypatch: pytest.MonkeyPatch, age_s: int) -> None:
    monkeypatch.setattr(worktrees, "_STALE_S", 0.3)
    lock = world.common / "packed-refs.lock"
    lock.touch()
    os.utime(lock, (time.time() - age_s,) * 2)
    worktrees.clear_stale_lock(world.repo)
    assert not lock.exists()


def test_the_lock_of_a_git_that_works_is_left_to_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worktrees, "_STALE_S", 60)
    lock = world.common / "packed-refs.lock"
    lock.touch()
    with ThreadPoolExecutor(1) as pool:
        clearing = pool.submit(worktrees.clear_stale_lock, world.repo)
        with pytest.raises(TimeoutError):
            clearing.result(0.3)
        assert lock.exists()
        lock.unlink()
        clearing.result(10)


def test_twenty_at_once_from_threads_all_succeed(world: World) -> None:
    with ThreadPoolExecutor(20) as pool:
        made: list[Workspace] = list(pool.map(world.lease, range(20)))
        assert len({workspace.root for workspace in made}) == 20
        for workspace in made:
            assert sh(workspace, "git status --porcelain && cat a.txt").text == "one\n"
        list(pool.map(Workspace.give_back, made))
    assert world.leftovers() == []


def test_twenty_at_once_from_processes_all_succeed(world: World) -> None:
    sessions = [(number, new_session_id()) for number in range(20)]
    with contextlib.ExitStack() as stack:
        children = [stack.enter_context(leasing(world, sessions[part::5])) for part in range(5)]
        for child in children:
            child.tell("go")
        assert [child.hear() for child in children for _ in range(4)] == ["leased"] * 20
    assert len(leased(world.repo)) == 20
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda row: recover(world.repo, row[1], world.sandbox, world.root), sessions))
    assert world.leftovers() == []
    assert git(world.main, "branch", "--format=%(refname:short)").split() == ["main"]
