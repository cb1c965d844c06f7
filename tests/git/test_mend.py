import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from factory.git.checkouts import mend
from factory.git.repository import Repository
from factory.git.stale import clear_stale_locks
from tests.conftest import git

from .world import AFTER, NEW, OLD, REMOVED, World, make, waiting_editor, write

STEPS: list[list[str]] = [[], ["changed.txt"], [REMOVED], ["fresh/sub/file.txt"], ["changed.txt", REMOVED, *NEW]]


@pytest.fixture
def world(repo: Repository) -> World:
    return make(repo)


def die_after(world: World, done: list[str]) -> None:
    """What a follow leaves that is killed when ``done`` is on disk: the index has not moved, its lock is there."""
    for name in done:
        if name == REMOVED:
            (world.root / name).unlink()
            (world.root / name).parent.rmdir()
        else:
            write(world.root, {name: NEW[name]})
    world.lock.touch()


def mended(world: World, *, back: bool, since: float = 0.0) -> bool:
    return mend(world.repo, world.place, "main", world.old, world.new, back=back, since=since)


@pytest.mark.parametrize("done", STEPS)
def test_killed_half_way_and_finished(world: World, done: list[str]) -> None:
    die_after(world, done)
    for _ in range(2):
        assert mended(world, back=False)
        assert world.files() == AFTER
        assert world.staged_against(world.new) == ""
    git(world.root, "update-ref", "refs/heads/main", world.new)
    assert world.status() == []


@pytest.mark.parametrize("done", STEPS)
def test_killed_half_way_and_taken_back(world: World, done: list[str]) -> None:
    die_after(world, done)
    for _ in range(2):
        assert mended(world, back=True)
        assert world.files() == OLD
        assert world.status() == []


@pytest.mark.parametrize("back", [True, False])
def test_a_file_that_was_removed_but_not_written_again_comes_back(world: World, back: bool) -> None:
    die_after(world, [])
    (world.root / "changed.txt").unlink()
    assert mended(world, back=back)
    assert world.files() == (OLD if back else AFTER)


@pytest.mark.parametrize("back", [True, False])
@pytest.mark.parametrize("written", [0, 4096, 8192])
def test_a_file_that_was_written_in_part_is_made_whole(world: World, back: bool, written: int) -> None:
    die_after(world, ["changed.txt"])
    (world.root / "page.txt").write_text(NEW["page.txt"][:written])
    assert mended(world, back=back)
    assert world.files() == (OLD if back else AFTER)


@pytest.mark.parametrize("back", [True, False])
def test_files_that_a_person_changed_since_stay_and_the_rest_is_mended(world: World, back: bool) -> None:
    die_after(world, ["fresh/sub/file.txt", REMOVED])
    theirs = {"changed.txt": "mine\n", "page.txt": "cut short by me"}
    write(world.root, theirs | {"plain.txt": "elsewhere\n"})
    assert mended(world, back=back)
    assert world.files() == (OLD if back else AFTER) | theirs | {"plain.txt": "elsewhere\n"}
    if not back:
        git(world.root, "update-ref", "refs/heads/main", world.new)
    assert world.status() == [" M changed.txt", " M page.txt", " M plain.txt"]


def test_what_a_person_staged_since_stays_staged(world: World) -> None:
    die_after(world, [])
    world.lock.unlink()
    write(world.root, {"changed.txt": "mine\n"})
    git(world.root, "add", "changed.txt")
    assert mended(world, back=True)
    assert world.status() == ["M  changed.txt"]


def test_a_merge_that_a_person_has_begun_since_is_left_alone(world: World) -> None:
    die_after(world, ["changed.txt"])
    (world.repo.git_dir / "MERGE_HEAD").write_text(f"{world.old}\n")
    assert not mended(world, back=True)
    assert world.lock.exists()


def test_really_killed_at_any_moment_it_is_finished_or_taken_back(world: World, tmp_path: Path) -> None:
    git(world.root, "config", "filter.slow.smudge", f"echo now > {tmp_path / 'now'}; cat; sleep 600")
    (world.repo.git_dir / "info/attributes").write_text("picture.bin filter=slow\n")
    os.mkfifo(tmp_path / "now")
    program = (
        "import sys; from pathlib import Path; from factory.git.checkouts import *\n"
        "from factory.git.repository import *\n"
        "repo = find(Path(sys.argv[1])); (place,) = checkouts(repo, 'main')\n"
        "follow(repo, place, 'main', *map(CommitId, sys.argv[2:4]))"
    )
    arguments = [sys.executable, "-c", program, str(world.root), world.old, world.new]
    floor = subprocess.Popen(arguments, start_new_session=True)
    (tmp_path / "now").read_text()
    floor.send_signal(signal.SIGKILL)
    floor.wait()
    try:
        assert not mended(world, back=True), "its git still writes"
        assert world.lock.exists()
    finally:
        os.killpg(floor.pid, signal.SIGKILL)
    git(world.root, "config", "--unset", "filter.slow.smudge")
    while not mended(world, back=True):
        time.sleep(0.05)
    assert world.files() == OLD
    assert world.status() == []


def test_a_commit_that_waits_in_its_editor_keeps_its_lock(world: World, tmp_path: Path) -> None:
    since = time.time() - 3600
    write(world.root, {"plain.txt": "edited\n"})
    with waiting_editor(world.root, tmp_path):
        assert not mended(world, back=True, since=since)
        assert clear_stale_locks(world.repo) == []
        assert world.lock.exists()
    assert git(world.root, "log", "-1", "--format=%s").strip() == "a commit by hand"


def test_a_lock_from_before_the_landing_is_not_its_own(world: World) -> None:
    die_after(world, [])
    os.utime(world.lock, (1e9, 1e9))
    assert not mended(world, back=True, since=time.time())
    assert world.lock.exists()


def test_an_index_lock_of_a_person_is_never_cleared_at_the_start(world: World) -> None:
    world.lock.touch()
    ref = world.repo.git_dir / "refs/heads/main.lock"
    ref.touch()
    assert clear_stale_locks(world.repo) == [ref]
    assert world.lock.exists()


def test_ref_locks_stay_while_any_git_works_in_the_repository(world: World, tmp_path: Path) -> None:
    ref = world.repo.git_dir / "refs/heads/main.lock"
    write(world.root, {"plain.txt": "edited\n"})
    with waiting_editor(world.root, tmp_path):
        ref.touch()
        assert clear_stale_locks(world.repo) == []
        ref.unlink()
