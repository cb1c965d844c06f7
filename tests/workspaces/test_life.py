"""The honest life of a workspace, the same in every backend."""

import asyncio
from pathlib import Path

import pytest

from factory.base.ids import CommitId
from factory.base.process import Limits
from factory.git.repository import RefMoved, find
from factory.git.worktrees import BranchTaken, FolderTaken
from factory.workspaces.folders import RootMisplaced, worktree_root
from factory.workspaces.sandboxes import choose
from factory.workspaces.workspace import (
    AlreadyLeased,
    Brought,
    NameUnfit,
    Nothing,
    StartUnrelated,
    Unwanted,
    lease,
    leased,
)

from .world import ADA, LIMITS, World, git, make_world, sh, write


def brought(outcome: Brought | Nothing | Unwanted) -> Brought:
    assert isinstance(outcome, Brought), outcome
    return outcome


def test_git_works_inside_as_it_does_anywhere(each_world: World) -> None:
    workspace = each_world.lease()
    flow = """
        set -e
        test -z "$(git status --porcelain)"
        test "$(git branch --show-current)" = factory/fa-7k2m/1
        test "$(git log --format=%s)" = first
        echo two >> a.txt && git stash -q && git stash pop -q
        git commit -qam "two lines"
        git checkout -q -b side main && echo s > side.txt && git add -A && git commit -qm side
        git rebase -q factory/fa-7k2m/1
        git checkout -q factory/fa-7k2m/1 && git merge -q side
        git blame a.txt && git show --stat && git worktree list && git fsck
        git log --format='%an <%ae> %cn' -1
    """
    finished = sh(workspace, flow)
    assert finished.code == 0, finished.text
    assert finished.text.splitlines()[-1] == "Ada <ada@example.org> Ada"
    outcome = brought(workspace.bring_out("the rest"))
    assert outcome.paths == ("a.txt", "side.txt")
    assert len(outcome.commits) == 2
    assert each_world.repo.branch("factory/fa-7k2m/1") == outcome.head == outcome.commits[-1]
    assert outcome.tree == each_world.repo.tree_of(outcome.head)
    workspace.give_back()
    assert each_world.leftovers() == []


def test_dirty_work_comes_out_as_a_commit_with_the_given_message(each_world: World) -> None:
    workspace = each_world.lease()
    sh(workspace, "echo more >> a.txt; echo new > new.txt; rm folder/b.txt; echo no > no.log; echo s > s; git add s")
    outcome = brought(workspace.bring_out("factory: the rest\n\nwith a body"))
    assert set(outcome.paths) == {"a.txt", "new.txt", "folder/b.txt", "s"}
    assert git(each_world.main, "log", "-1", "--format=%an|%B", outcome.head) == "Ada|factory: the rest\n\nwith a body"
    assert outcome.left_out == ()


def test_work_comes_out_again_after_more_of_it_and_after_an_amend(each_world: World) -> None:
    workspace = each_world.lease()
    sh(workspace, "echo 1 > n && git add n && git commit -qm 1")
    first = brought(workspace.bring_out("m"))
    sh(workspace, "echo 2 > n && git commit -qa --amend -m 2")
    second = brought(workspace.bring_out("m"))
    assert second.head != first.head
    assert brought(workspace.bring_out("m")) == second
    assert each_world.repo.branch("factory/fa-7k2m/1") == second.head


def test_no_change_is_nothing_even_with_commits(each_world: World) -> None:
    workspace = each_world.lease()
    assert workspace.bring_out("m") == Nothing()
    sh(workspace, "echo x > x; git add -A; git commit -qm x; git revert --no-edit HEAD")
    assert workspace.bring_out("m") == Nothing()
    assert workspace.keep().commit is not None, "the two commits are still kept"
    workspace.give_back()
    assert each_world.repo.branch("factory/fa-7k2m/1") is None
    assert each_world.leftovers() == []


def test_the_head_counts_whatever_branch_it_is_on(world: World) -> None:
    workspace = world.lease()
    sh(workspace, "git checkout -q --detach && echo x > x && git add x && git commit -qm x")
    assert brought(workspace.bring_out("m")).paths == ("x",)


def test_rework_starts_from_the_earlier_change_on_the_new_base(world: World) -> None:
    first = world.lease(1)
    sh(first, "echo early > early.txt")
    earlier = brought(first.bring_out("early"))
    first.give_back()
    again = world.lease(2, start=earlier.head)
    assert (again.root / "early.txt").read_text() == "early\n"
    assert again.base == world.base
    outcome = brought(again.bring_out("m"))
    assert outcome.head == earlier.head
    assert outcome.paths == ("early.txt",)


def test_a_start_that_is_not_on_the_base_is_refused(world: World) -> None:
    tree = world.repo.tree_of(world.base)
    alien = CommitId(git(world.main, "commit-tree", tree, "-m", "alien"))
    with pytest.raises(StartUnrelated):
        world.lease(start=alien)
    assert world.leftovers() == []


def test_a_detached_workspace_has_the_files_and_no_branch(each_world: World) -> None:
    workspace = each_world.lease(branch=None)
    assert sh(workspace, "cat a.txt; git status --porcelain; git branch --show-current").text == "one\n"
    with pytest.raises(ValueError, match="no branch"):
        workspace.bring_out("m")
    workspace.give_back()
    assert each_world.leftovers() == []


def test_give_back_may_be_repeated(each_world: World) -> None:
    workspace = each_world.lease()
    sh(workspace, "mkdir -p locked/in && echo x > locked/in/x && chmod 000 locked/in locked")
    workspace.give_back()
    workspace.give_back()
    assert each_world.leftovers() == []
    assert leased(each_world.repo) == []


def test_a_person_sees_the_worktree_clean_and_whose_it_is(world: World) -> None:
    workspace = world.lease()
    assert git(workspace.root, "status", "--porcelain") == ""
    listing = git(world.main, "worktree", "list", "--porcelain")
    assert f"locked factory session {workspace.session}" in listing
    git(world.main, "worktree", "prune", "--expire", "now")
    assert sh(workspace, "git status --porcelain").text == ""


def test_the_home_lasts_and_the_notes_are_read_only(each_world: World) -> None:
    workspace = each_world.lease()
    brief = workspace.notes / "brief.md"
    brief.write_text("do it")
    assert sh(workspace, 'echo hello > "$HOME/kept"; echo gone > "$TMPDIR/gone-$$"').code == 0
    assert sh(workspace, 'cat "$HOME/kept"').text == "hello\n"
    assert sh(workspace, 'cat "$BRIEF"', {"BRIEF": workspace.inside(brief)}).text == "do it"
    if each_world.sandbox.remounts:
        assert sh(workspace, 'echo x > "$BRIEF"', {"BRIEF": workspace.inside(brief)}).code != 0
        assert workspace.inside(brief) == "/run/factory/task/brief.md"
    workspace.give_back()
    assert brief.read_text() == "do it", "what the caller put there is the caller's"


def test_two_commands_may_run_beside_each_other(each_world: World) -> None:
    workspace = each_world.lease()

    async def slow_and_quick() -> str:
        ready = asyncio.Event()
        slow = asyncio.create_task(
            workspace.run(
                ["sh", "-c", "echo up; while [ ! -e go ]; do sleep 0.02; done; echo end"],
                limits=LIMITS,
                on_output=lambda _: ready.set(),
            )
        )
        await ready.wait()
        await workspace.run(["touch", "go"], limits=LIMITS)
        return (await slow).text

    assert asyncio.run(slow_and_quick()) == "up\nend\n"


def test_a_program_that_is_not_there_ends_as_in_a_shell(world: World) -> None:
    finished = asyncio.run(world.lease().run(["no-such-program"], limits=Limits(10)))
    assert finished.code == 127


def test_somebody_elses_commit_on_the_branch_is_never_lost(world: World) -> None:
    workspace = world.lease()
    sh(workspace, "echo x > x")
    theirs = CommitId(git(world.main, "commit-tree", f"{world.base}^{{tree}}", "-p", world.base, "-m", "by hand"))
    git(world.main, "update-ref", "refs/heads/factory/fa-7k2m/1", theirs)
    with pytest.raises(RefMoved):
        workspace.bring_out("m")
    assert world.repo.branch("factory/fa-7k2m/1") == theirs


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", "x\n", ".hidden"])
def test_a_name_that_is_not_one_plain_folder_is_refused(world: World, name: str) -> None:
    with pytest.raises(NameUnfit):
        world.lease(name=name)


def test_what_is_taken_is_left_alone(world: World) -> None:
    git(world.main, "branch", "factory/fa-7k2m/1")
    with pytest.raises(BranchTaken):
        world.lease(1)
    write(world.root / "fa-7k2m-2", mine="mine")
    with pytest.raises(FolderTaken):
        world.lease(2)
    assert world.repo.branch("factory/fa-7k2m/1") == world.base
    assert (world.root / "fa-7k2m-2" / "mine").read_text() == "mine"
    assert leased(world.repo) == []
    one = world.lease(3)
    with pytest.raises(AlreadyLeased):
        world.lease(4, session=one.session)


@pytest.mark.parametrize("where", ["inside", "around", "same", "in git"])
def test_worktrees_and_repository_may_not_lie_in_one_another(world: World, where: str) -> None:
    root = {
        "inside": world.main / "trees",
        "around": world.main.parent,
        "same": world.main,
        "in git": world.common / "trees",
    }[where]
    with pytest.raises(RootMisplaced) as caught:
        lease(world.repo, world.request(), root)
    assert caught.value.hint
    assert worktree_root(world.repo) == world.root
    assert worktree_root(world.repo, "../elsewhere") == world.main / "../elsewhere"


def test_a_sha256_repository_works_too(tmp_path: Path, home: Path) -> None:
    world = make_world(tmp_path / "sha256", home, choose("bubblewrap"), "--object-format=sha256")
    workspace = world.lease()
    sh(workspace, "echo x > x; git add x; git commit -qm x; echo y > y; git add y; echo yy > y")
    assert len(brought(workspace.bring_out("m")).head) == 64
    sh(workspace, "echo z > z")
    assert workspace.keep().commit is not None
    workspace.give_back()
    assert world.leftovers() == []


def test_a_repository_that_borrows_objects_works_too(world: World, tmp_path: Path) -> None:
    git(tmp_path, "clone", "-q", "--shared", str(world.main), "borrower")
    git(tmp_path, "clone", "-q", "--shared", "borrower", "second borrower")
    borrower = World(find(tmp_path / "second borrower"), world.home, world.sandbox)
    workspace = borrower.lease()
    finished = sh(workspace, "git log --format=%s; git fsck; echo x > x; git add x; git commit -qm x")
    assert finished.text == "first\n", "and not one complaint about stores that cannot be seen"
    assert brought(workspace.bring_out("m")).paths == ("x",)
    workspace.give_back()
    assert borrower.leftovers() == []


def test_users_own_ignore_file_holds_inside(world: World) -> None:
    ignore = world.home / ".config" / "git" / "ignore"
    ignore.parent.mkdir(parents=True)
    ignore.write_text("*.swp\n")
    (world.common / "info" / "exclude").write_text("scratch/\n")
    workspace = world.lease()
    sh(workspace, "touch a.swp; mkdir scratch; touch scratch/x; echo x > x")
    assert brought(workspace.bring_out("m")).paths == ("x",)


def test_line_ends_are_as_the_repository_wants_them(world: World) -> None:
    git(world.main, "config", "core.autocrlf", "true")
    workspace = world.lease()
    assert (workspace.root / "a.txt").read_bytes() == b"one\r\n"
    assert workspace.bring_out("m") == Nothing()


def test_the_author_is_a_person_of_the_request(world: World) -> None:
    workspace = world.lease()
    assert sh(workspace, "git var GIT_AUTHOR_IDENT").text.startswith(f"{ADA.name} <{ADA.email}>")
