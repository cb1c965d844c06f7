import os
import subprocess
from pathlib import Path

import pytest

from factory.git.checkouts import checkouts, follow, in_the_way
from factory.git.repository import Repository, find
from tests.conftest import commit, git

from .world import AFTER, World, adding_all_the_time, make, waiting_editor


@pytest.fixture
def world(repo: Repository) -> World:
    return make(repo)


def refused(root: Path, *arguments: str) -> None:
    """A git command that stops in the middle."""
    env = {"GIT_SEQUENCE_EDITOR": "sed -i s/^pick/edit/", "GIT_EDITOR": "true"}
    command = ["env", *(f"{name}={value}" for name, value in env.items()), "git", *arguments]
    subprocess.run(command, cwd=root, check=False, capture_output=True)


@pytest.mark.parametrize("how", [["-i", "HEAD~1"], ["--apply", "side"]])
def test_a_branch_in_the_middle_of_a_rebase_is_checked_out_and_busy(world: World, how: list[str]) -> None:
    git(world.root, "branch", "side", "HEAD~1")
    git(world.root, "checkout", "-q", "side")
    commit(world.root, {"changed.txt": "by the side\n"}, "side")
    git(world.root, "checkout", "-q", "main")
    refused(world.root, "rebase", *how)
    assert git(world.root, "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD"
    place = world.place
    assert "middle of something" in place.busy
    refusal = in_the_way(world.repo, place, world.old, world.new)
    assert refusal is not None
    assert "rebase" in refusal.reason
    assert follow(world.repo, place, "main", world.old, world.new) is not None


def test_a_branch_in_the_middle_of_a_bisect_is_checked_out_and_busy(world: World) -> None:
    commit(world.root, {"later.txt": "1"})
    commit(world.root, {"later.txt": "2"})
    git(world.root, "bisect", "start", "HEAD", "HEAD~3")
    assert git(world.root, "rev-parse", "--abbrev-ref", "HEAD").strip() == "HEAD"
    assert "BISECT_LOG" in world.place.busy


def test_a_detached_head_alone_is_no_checkout_of_the_branch(world: World) -> None:
    git(world.root, "checkout", "-q", "--detach")
    assert checkouts(world.repo, "main") == []


@pytest.mark.parametrize("pointer", [None, "nonsense", "gitdir: /nowhere\n"])
def test_a_work_tree_whose_git_file_is_gone_or_broken_is_busy(
    world: World, tmp_path: Path, pointer: str | None
) -> None:
    git(world.root, "checkout", "-q", "-b", "elsewhere")
    second = tmp_path / "second"
    git(world.root, "worktree", "add", "-q", str(second), "main")
    assert (world.place.root, world.place.busy) == (second, "")
    (second / ".git").unlink()
    if pointer is not None:
        (second / ".git").write_text(pointer)
    assert "git worktree repair" in world.place.busy
    assert in_the_way(world.repo, world.place, world.old, world.new) is not None


def test_a_work_tree_that_is_gone_is_no_checkout(world: World, tmp_path: Path) -> None:
    git(world.root, "checkout", "-q", "-b", "elsewhere")
    git(world.root, "worktree", "add", "-q", str(tmp_path / "second"), "main")
    (tmp_path / "second").rename(tmp_path / "moved")
    assert checkouts(world.repo, "main") == []


def test_the_files_of_a_repository_with_its_git_folder_elsewhere_are_found(sealed: Path, tmp_path: Path) -> None:
    assert sealed.is_dir()
    root = tmp_path / "files"
    git(tmp_path, "init", "-q", f"--separate-git-dir={tmp_path / 'meta'}", str(root))
    world = make(find(_with_a_commit(root)))
    assert world.place.root == root
    assert follow(world.repo, world.place, "main", world.old, world.new) is None
    assert world.files() == AFTER


def _with_a_commit(root: Path) -> Path:
    commit(root, {"README.md": "hello\n"})
    return root


def test_a_bare_repository_with_work_trees_has_no_checkout_of_its_own(world: World, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--bare", str(world.root), "bare.git")
    git(tmp_path / "bare.git", "worktree", "add", "-q", str(tmp_path / "side"), "-b", "side")
    repo = find(tmp_path / "side")
    assert checkouts(repo, "main") == []
    assert [place.root for place in checkouts(repo, "side")] == [tmp_path / "side"]


@pytest.mark.parametrize("split", [False, True])
def test_a_look_writes_nothing_even_when_the_index_is_out_of_date(world: World, split: bool) -> None:
    if split:
        git(world.root, "config", "core.splitIndex", "true")
        git(world.root, "update-index", "--split-index")
        git(world.root, "config", "splitIndex.maxPercentChange", "0")
    (world.root / "plain.txt").touch()
    (world.root / "changed.txt").touch()
    world.repo.state_dir.mkdir()
    before = everything_in(world.repo.git_dir)
    assert in_the_way(world.repo, world.place, world.old, world.new) is None
    assert everything_in(world.repo.git_dir) == before


def everything_in(folder: Path) -> dict[Path, tuple[bytes, int, int]]:
    """Content, time and inode of each file; the shared part of a split index gets a new time when it is read."""
    found = {}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        time = 0 if path.name.startswith("sharedindex.") else path.stat().st_mtime_ns
        found[path] = (path.read_bytes(), time, path.stat().st_ino)
    return found


def test_a_look_sees_an_edit_of_the_same_length_made_in_the_moment_of_the_index(world: World) -> None:
    file, index = world.root / "changed.txt", world.repo.git_dir / "index"
    git(world.root, "config", "core.trustctime", "false")
    os.utime(file, (1e9, 1e9))
    git(world.root, "update-index", "--refresh")
    file.write_text("odd\n")
    for path in (file, index):
        os.utime(path, (1e9, 1e9))
    refusal = in_the_way(world.repo, world.place, world.old, world.new)
    assert refusal is not None
    assert refusal.paths == ("changed.txt",)


def test_a_person_who_adds_all_the_time_never_makes_a_look_raise(world: World) -> None:
    with adding_all_the_time(world.root):
        for _ in range(40):
            (world.root / "plain.txt").touch()
            refusal = in_the_way(world.repo, world.place, world.old, world.new)
            assert refusal is None or "another git command" in refusal.reason


def test_a_person_who_adds_all_the_time_loses_nothing_when_the_files_follow(world: World) -> None:
    with adding_all_the_time(world.root):
        for _ in range(10):
            for origin, goal in ((world.old, world.new), (world.new, world.old)):
                while (refusal := follow(world.repo, world.place, "main", origin, goal)) is not None:
                    assert "another git command" in refusal.reason
    world.lock.unlink(missing_ok=True)  # of the git add that the end of the loop killed
    git(world.root, "rm", "-q", "-f", "--ignore-unmatch", "busy.txt")
    assert [row for row in world.status() if "busy.txt" not in row] == []


def test_a_person_who_writes_a_commit_message_is_waited_for(world: World, tmp_path: Path) -> None:
    (world.root / "plain.txt").write_text("edited\n")
    with waiting_editor(world.root, tmp_path):
        refusal = in_the_way(world.repo, world.place, world.old, world.new)
        assert refusal is not None
        assert "another git command is running there" in refusal.reason
        assert follow(world.repo, world.place, "main", world.old, world.new) is not None
        assert world.lock.exists()


def test_local_changes_are_named_from_any_folder(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.root / "changed.txt").write_text("mine\n")
    (world.root / "fresh/sub").mkdir(parents=True)
    (world.root / "fresh/sub/file.txt").write_text("mine too\n")
    monkeypatch.chdir(world.root / "src")
    refusal = in_the_way(world.repo, world.place, world.old, world.new)
    assert refusal is not None
    assert refusal.paths == ("changed.txt", "fresh/sub/file.txt")


def test_a_file_whose_name_looks_like_pathspec_magic_follows(world: World) -> None:
    newer = commit(world.root, {":(bad)": "only a file\n", "*": "a star\n"}, "strange names")
    git(world.root, "reset", "-q", "--hard", world.old)
    said = world.repo.ask("log", "--format=%s", newer, "--", ":(bad)").text
    assert said == "strange names\n"
    assert follow(world.repo, world.place, "main", world.old, world.repo.resolve(newer) or world.new) is None
    assert (world.root / ":(bad)").read_text() == "only a file\n"
