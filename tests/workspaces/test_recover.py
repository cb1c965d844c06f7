"""Killed anywhere, found again: nothing half-made remains and no work is lost."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from factory.base.ids import SessionId, new_session_id
from factory.workspaces import private_git
from factory.workspaces import workspace as workspaces
from factory.workspaces.salvage import kept_ref
from factory.workspaces.workspace import Kept, Workspace, leased, recover

from .world import World, git, sh

ROUNDS = 8


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


@pytest.mark.parametrize("round_", range(4))
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
    with pytest.raises(OSError, match="No space"):
        world.lease()
    assert world.leftovers() == []
    assert leased(world.repo) == []
    assert git(world.main, "branch", "--format=%(refname:short)").split() == ["main"]


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
