"""What did not land is kept: on a ref when git can take it whole, moved aside when not."""

import shutil
import tempfile
from pathlib import Path

from factory.workspaces.salvage import kept_ref
from factory.workspaces.workspace import Brought, Kept, Unwanted, lease, recover

from .world import World, git, sh


def show(world: World, kept: Kept, path: str) -> str:
    assert kept.commit is not None
    return git(world.main, "show", f"{kept.commit}:{path}")


def test_everything_is_kept_and_can_be_read_back(each_world: World) -> None:
    workspace = each_world.lease()
    sh(
        workspace,
        """
        echo committed > committed; git add committed; git commit -qm c
        echo staged > staged; git add staged; echo "changed since" > staged
        echo tracked > a.txt; echo untracked > untracked; rm folder/b.txt; echo ignored > x.log
        ln -s /etc/passwd link; mkdir .factory beads; echo s > .factory/x; echo b > beads/b
        git update-index --assume-unchanged committed; echo "hidden change" > committed
        """,
    )
    kept = workspace.keep()
    assert kept.ref == kept_ref(workspace.session)
    assert kept.folder is None
    assert git(each_world.main, "rev-parse", kept_ref(workspace.session)) == kept.commit
    assert show(each_world, kept, "staged") == "changed since"
    assert git(each_world.main, "show", f"{kept.commit}^:staged") == "staged"
    assert show(each_world, kept, "committed") == "hidden change"
    assert show(each_world, kept, "a.txt") == "tracked"
    assert show(each_world, kept, "untracked") == "untracked"
    assert show(each_world, kept, "beads/b") == "b"
    names = git(each_world.main, "ls-tree", "-r", "--name-only", str(kept.commit)).split()
    assert "x.log" not in names
    assert "folder/b.txt" not in names
    assert workspace.keep() == kept, "keeping twice keeps the same"
    workspace.give_back()
    assert each_world.leftovers() == []
    assert show(each_world, kept, "untracked") == "untracked"


def test_other_branches_and_the_stash_are_kept(world: World) -> None:
    workspace = world.lease()
    sh(
        workspace,
        """
        git checkout -q -b side; echo side > side; git add side; git commit -qm side
        echo stashed > a.txt; git stash -q; git checkout -q factory/fa-7k2m/1
        """,
    )
    kept = workspace.keep()
    assert kept.commit is not None
    reachable = git(world.main, "log", "--format=%s", kept.commit)
    assert "side" in reachable
    assert "WIP on side" in reachable


def test_what_is_on_the_branch_already_is_not_kept_again(each_world: World) -> None:
    workspace = each_world.lease()
    assert workspace.keep() == Kept()
    sh(workspace, "echo x > x")
    assert isinstance(workspace.bring_out("m"), Brought)
    assert workspace.keep() == Kept()
    workspace.give_back()
    assert git(each_world.main, "for-each-ref", "refs/factory") == ""


def test_what_was_kept_before_is_never_lost(world: World) -> None:
    workspace = world.lease()
    sh(workspace, "echo first > f")
    first = workspace.keep()
    sh(workspace, "echo second > f")
    second = workspace.keep()
    assert show(world, second, "f") == "second"
    assert first.commit is not None
    assert second.commit is not None
    assert world.repo.is_ancestor(first.commit, second.commit)


def test_a_nested_repository_moves_the_folder_aside(world: World) -> None:
    workspace = world.lease()
    sh(
        workspace,
        "git init -q n; cd n; echo deep > deep; git add deep; git commit -qm n; echo dirty > dirty; cd ..; echo x > x",
    )
    kept = workspace.keep()
    assert kept.folder is not None
    assert "inside the work tree" in kept.why_folder
    assert (kept.folder / "tree" / "n" / "dirty").read_text() == "dirty\n"
    assert (kept.folder / "git" / "HEAD").exists()
    assert show(world, kept, "x") == "x"
    workspace.give_back()
    assert world.leftovers() == []
    assert (kept.folder / "tree" / "x").exists()


def test_a_file_too_large_for_git_moves_the_folder_aside(world: World) -> None:
    workspace = world.lease()
    sh(workspace, "truncate -s 1T huge; echo x > x")
    kept = workspace.keep()
    assert kept.commit is None
    assert kept.folder == world.common / "factory" / "kept" / workspace.session
    assert (kept.folder / "tree" / "huge").stat().st_size == 1 << 40
    workspace.give_back()
    assert world.leftovers() == []


def test_a_broken_git_directory_is_kept_beside_the_work(world: World) -> None:
    workspace = world.lease()
    sh(workspace, 'echo x > x; echo garbage > "$E/HEAD"', {"E": str(world.common / "worktrees" / "fa-7k2m-1")})
    kept = workspace.keep()
    assert show(world, kept, "x") == "x"
    assert kept.folder is not None
    assert [path for path in kept.folder.rglob("HEAD") if path.read_text() == "garbage\n"]
    assert workspace.root.is_dir(), "the work tree itself came out whole"
    workspace.give_back()
    assert world.leftovers() == []


def test_a_work_tree_that_somebody_removed_is_said_to_be_gone(each_world: World) -> None:
    workspace = each_world.lease()
    sh(workspace, "echo x > x; git add x; git commit -qm x")
    made = sh(workspace, "git rev-parse HEAD").text.strip()
    shutil.rmtree(workspace.root)
    outcome = workspace.bring_out("m")
    assert isinstance(outcome, Unwanted)
    assert outcome.reason == "the work tree is gone: somebody removed its folder"
    kept = workspace.keep()
    assert kept.why_folder == outcome.reason
    assert kept.folder is not None
    assert (kept.folder / "git" / "objects" / made[:2] / made[2:]).exists(), "the agent's commits are still there"
    assert workspace.keep().folder == kept.folder
    workspace.give_back()
    assert each_world.leftovers() == []


def test_an_unreadable_folder_is_kept(world: World) -> None:
    workspace = world.lease()
    sh(workspace, "mkdir d; echo x > d/x; chmod 000 d/x d .")
    assert show(world, workspace.keep(), "d/x") == "x"
    workspace.give_back()
    assert world.leftovers() == []


def test_the_kept_folder_never_replaces_an_earlier_one(world: World) -> None:
    session = world.request().session
    for number in (1, 2):
        workspace = world.lease(number, session=session)
        sh(workspace, f"truncate -s 1T huge; echo {number} > number")
        kept = workspace.keep()
        workspace.give_back()
    assert kept.folder is not None
    assert sorted(path.read_text() for path in Path(kept.folder).glob("tree*/number")) == ["1\n", "2\n"]


def test_a_tree_on_another_file_system_stays_there_and_is_found(world: World) -> None:
    with tempfile.TemporaryDirectory(dir="/dev/shm") as other:
        root = Path(other) / "trees"
        assert Path(other).stat().st_dev != world.common.stat().st_dev, "this test needs two file systems"
        workspace = lease(world.repo, world.request(), root)
        sh(workspace, "truncate -s 1T huge; echo x > x")
        kept = workspace.keep()
        assert kept.folder == world.common / "factory" / "kept" / workspace.session
        assert (kept.folder / "tree" / "x").read_text() == "x\n"
        assert (kept.folder / "git" / "HEAD").exists()
        assert (kept.folder / "tree").resolve().is_relative_to(root)
        again = recover(world.repo, workspace.session, world.sandbox, root)
        assert again is not None
        assert again.folder == kept.folder
        assert (kept.folder / "tree" / "x").read_text() == "x\n"
        assert world.leftovers() == []
