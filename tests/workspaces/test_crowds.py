"""A cage holds so many processes and no more, whoever runs it, and leaves no control group behind."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from factory.base.process import Finished
from factory.workspaces import cgroup
from factory.workspaces.workspace import Workspace
from tests.base.crowd import MOST
from tests.base.crowd import __file__ as crowd_program

from .world import World, running, sh

AS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="other users are bound by prlimit, without a group")


def narrowed(workspace: Workspace, processes: int) -> Workspace:
    """The same workspace, its cage holding fewer processes."""
    place = workspace._place
    return Workspace(replace(place, cage=replace(place.cage, processes=processes)), workspace._branch_at)


def started(workspace: Workspace, script: str = '"$PYTHON" "$CROWD"') -> Finished:
    """Run the program that starts up to 300 children in the workspace."""
    (workspace.notes / "crowd.py").write_text(Path(crowd_program).read_text())
    program = workspace.inside(workspace.notes / "crowd.py")
    env = {"PYTHON": sys.executable, "CROWD": program}
    return sh(workspace, script, env)


def groups(workspace: Workspace) -> list[Path]:
    home = cgroup._home()
    return list(home.glob(f"factory.{workspace.session}.*")) if home is not None else []


def test_no_more_processes_start_than_the_cage_may_hold(world: World) -> None:
    workspace = world.lease()
    assert started(workspace).text == f"{MOST}\n", "the program starts that many where it may"
    few = started(narrowed(workspace, 100))
    assert 50 < int(few.text) < 100
    assert few.code == 0
    assert groups(workspace) == []


@AS_ROOT
def test_without_a_group_who_exceeds_the_bound_is_ended(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cgroup, "_home", lambda: None)
    workspace = world.lease()
    hold = f'"$PYTHON" "$CROWD" hold {workspace.session}-hold'
    assert started(narrowed(workspace, 100), hold).ended_by == "processes"
    deadline = time.monotonic() + 10
    while running(f"{workspace.session}-hold"):  # the kernel takes a namespace down after its first process
        assert time.monotonic() < deadline


def test_a_cage_with_namespaces_of_its_own_cannot_raise_its_bound(world: World) -> None:
    workspace = narrowed(world.lease(network=True), 100)
    raising = """
        mkdir /tmp/c
        unshare -UrCm sh -c 'mount -t cgroup -o pids none /tmp/c && echo max > /tmp/c/pids.max; "$PYTHON" "$CROWD"'
    """
    assert int(started(workspace, raising).text.splitlines()[-1]) < 100


def test_nothing_is_in_the_environment_but_what_was_given(world: World) -> None:
    workspace = world.lease()
    launch = workspace._place.launch(["true"], {"GIVEN": "1"})
    said = sh(workspace, "tr '\\0' '\\n' < /proc/1/environ", {"GIVEN": "1"}).text
    assert {row.partition("=")[0] for row in said.splitlines()} == set(launch.env)


@AS_ROOT
def test_what_a_killed_process_left_in_a_group_is_ended_and_the_group_removed(world: World) -> None:
    workspace = world.lease()
    left = cgroup._made(f"{workspace.session}.7", 10)
    others = cgroup._made(f"{workspace.session}7.7", 10)
    if left is None or others is None:
        pytest.skip("no control group can be made here")
    made_inside = left / "in" / "deeper"
    made_inside.mkdir()
    with subprocess.Popen(["sleep", "60"]) as child:
        (made_inside / "cgroup.procs").write_text(str(child.pid))
        workspace.end_processes()
        assert child.wait() == -9
    assert not left.exists()
    assert others.exists(), "the group of another session"
    cgroup.clear(f"{workspace.session}7")
    assert not others.exists()


V1 = "35 25 0:30 / /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids\n"
V1_IN_DOCKER = "35 25 0:30 /docker/abc /sys/fs/cgroup/pids ro - cgroup cgroup rw,pids\n"
V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
MEMORY = "36 25 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"


@pytest.mark.parametrize(
    ("own", "mounts", "folder"),
    [
        ("9:memory:/m\n8:pids:/a/b\n0::/u\n", MEMORY + V1, "/sys/fs/cgroup/pids/a/b"),
        ("8:pids:/\n", V1, "/sys/fs/cgroup/pids"),
        ("8:pids:/docker/abc/d\n", V1_IN_DOCKER, "/sys/fs/cgroup/pids/d"),
        ("8:pids:/elsewhere\n", V1_IN_DOCKER, None),
        ("0::/user.slice/x.scope\n", V2, "/sys/fs/cgroup/user.slice/x.scope"),
        ("0::/../outside\n", V2, None),
        ("0::/\n", MEMORY, None),
        ("", V2, None),
    ],
)
def test_our_own_group_is_found_in_either_version(own: str, mounts: str, folder: str | None) -> None:
    assert cgroup.own_group(own, mounts) == (Path(folder) if folder else None)
