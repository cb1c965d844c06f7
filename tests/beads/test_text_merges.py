"""git's own merges of the files of beads: whatever a person does with them, every event is there after, once."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.beads.branch import REF
from factory.beads.union import alias
from factory.git.objects import read
from tests.beads.clones import Beads, append_only, begin, clone
from tests.beads.test_sync import put, same
from tests.conftest import git


@pytest.fixture
def two(sealed: Path, tmp_path: Path) -> tuple[Beads, Beads]:  # noqa: ARG001 - seals the environment
    """Two clones that share a bead, each with events of its own on it and a bead of its own, all committed."""
    remote = begin(tmp_path)
    a, b = clone(remote, "a"), clone(remote, "b")
    shared = a.open("shared")
    a.sync()
    b.sync()
    for each, name in ((a, "a"), (b, "b")):
        for number in range(3):
            each.say(shared, f"{name}{number}")
            each.store.commit()
        each.open(f"{name}'s own")
        each.store.commit()
    return a, b


@pytest.fixture
def desk(two: tuple[Beads, Beads]) -> Iterator[Path]:
    """A work tree of a's branch, which knows b's branch as ``theirs``."""
    a, b = two
    git(a.root, "fetch", "-q", str(b.root), "factory/beads:theirs")
    path = a.root.parent / "desk"
    git(a.root, "worktree", "add", "-q", str(path), "factory/beads")
    yield path
    git(a.root, "worktree", "remove", "--force", str(path))


def all_is_there(a: Beads, b: Beads) -> None:
    """a takes in what was done to its branch, and everything is in both clones, once, and was only appended."""
    expected = sorted({*a.ids(), *b.ids()})
    a.store.commit()
    for each in (a, b, a):
        each.sync()
    assert a.ids() == expected
    same(a, b)


@pytest.mark.parametrize(
    "how",
    [
        ["merge", "-q", "-m", "by hand", "theirs"],
        ["merge", "-q", "--squash", "theirs"],
        ["rebase", "-q", "theirs"],
        ["cherry-pick", "HEAD..theirs"],
    ],
    ids=["merge", "squash", "rebase", "cherry-pick"],
)
def test_with_the_attributes_git_merges_by_itself(two: tuple[Beads, Beads], desk: Path, how: list[str]) -> None:
    git(desk, *how)
    if "--squash" in how:
        git(desk, "commit", "-q", "-m", "squashed")
    all_is_there(*two)
    assert append_only(two[0].root) == []


@pytest.mark.parametrize("how", [["merge", "theirs"], ["cherry-pick", "HEAD..theirs"], ["rebase", "theirs"]])
def test_conflict_markers_that_a_person_commits_are_damage_and_every_event_counts(
    two: tuple[Beads, Beads], desk: Path, how: list[str]
) -> None:
    (two[0].repo.common_dir / "info" / "attributes").write_text("*.jsonl merge=text\n")
    subprocess.run(["git", "-C", str(desk), *how], check=False, capture_output=True)
    while git(desk, "status", "--porcelain").strip():
        git(desk, "add", "-A")
        subprocess.run(
            ["git", "-C", str(desk), "-c", "core.editor=true", how[0], "--continue"], check=False, capture_output=True
        )
    a, b = two
    damaged = [path for path, text in a.on_branch().items() if "<<<<<<<" in text]
    assert len(damaged) == 1
    all_is_there(a, b)
    assert {item.reason for item in a.store.snapshot().damage} == {"a conflict marker that a merge left"}


@pytest.mark.parametrize("side", ["ours", "theirs"])
def test_a_person_who_takes_one_side_loses_nothing(two: tuple[Beads, Beads], desk: Path, side: str) -> None:
    git(desk, "merge", "-q", "-m", "one side", "-s", "ours", "theirs")
    if side == "theirs":
        git(desk, "checkout", "-q", "theirs", "--", "beads")
        git(desk, "commit", "-q", "-m", "their files")
    all_is_there(*two)


def test_a_merge_that_dropped_what_the_remote_has_gets_it_from_there(two: tuple[Beads, Beads], desk: Path) -> None:
    a, b = two
    expected = sorted({*a.ids(), *b.ids()})
    b.sync()
    git(desk, "merge", "-q", "-m", "ours alone", "-s", "ours", "theirs")
    a.sync()
    assert a.ids() == expected


def test_a_merge_in_a_bare_repository_without_attributes(two: tuple[Beads, Beads], tmp_path: Path) -> None:
    a, b = two
    bare = tmp_path / "remote.git"
    for each, name in ((a, "a"), (b, "b")):
        git(each.root, "push", "-q", "origin", f"factory/beads:refs/heads/{name}")
    said = subprocess.run(
        ["git", "-C", str(bare), "merge-tree", "--write-tree", "a", "b"], check=False, capture_output=True, text=True
    )
    assert said.returncode == 1
    merged = git(bare, "-c", "user.name=x", "-c", "user.email=x", "commit-tree", "-p", "a", "-p", "b", "-m", "m",
                 said.stdout.split("\n")[0]).strip()  # fmt: skip
    git(bare, "update-ref", REF, merged)
    all_is_there(*two)


def test_a_branch_that_was_reset_gets_back_what_left_it(two: tuple[Beads, Beads], desk: Path) -> None:
    a, b = two
    before = git(a.root, "rev-parse", "factory/beads").strip()
    git(desk, "reset", "-q", "--hard", "HEAD~2")
    all_is_there(a, b)
    git(a.root, "merge-base", "--is-ancestor", before, "factory/beads")


def test_a_branch_that_was_reset_while_the_live_copy_was_gone_gets_it_back_too(
    two: tuple[Beads, Beads], desk: Path
) -> None:
    a, b = two
    expected = a.ids()
    git(desk, "reset", "-q", "--hard", "HEAD~2")
    a.store.live.rename(a.root.parent / "gone")
    a.store.prepare()
    a.store.commit()
    assert a.ids() == expected
    all_is_there(a, b)


def test_a_deleted_branch_is_made_again(two: tuple[Beads, Beads]) -> None:
    a, b = two
    git(a.root, "branch", "-q", "-D", "factory/beads")
    all_is_there(a, b)


def test_a_file_that_a_person_deleted_comes_back(two: tuple[Beads, Beads], desk: Path) -> None:
    a, b = two
    (path,) = [path for path in desk.glob("beads/*/*.jsonl") if "a's own" in path.read_text()]
    git(desk, "rm", "-q", str(path))
    git(desk, "commit", "-q", "-m", "away with it")
    all_is_there(a, b)


def test_lines_that_a_person_reordered_and_windows_ends_of_line_are_no_new_events(
    two: tuple[Beads, Beads], desk: Path
) -> None:
    a, b = two
    (path,) = [path for path in desk.glob("beads/*/*.jsonl") if "shared" in path.read_text()]
    lines = path.read_bytes().splitlines()
    path.write_bytes(b"\r\n".join(reversed(lines)) + b"\r\n")
    git(desk, "commit", "-qam", "rewritten")
    all_is_there(a, b)


def test_what_was_appended_and_not_committed_when_the_branch_moved_is_kept(
    two: tuple[Beads, Beads], desk: Path
) -> None:
    a, b = two
    (shared,) = [bead for bead, it in a.store.beads().items() if it.title == "shared"]
    a.say(shared, "in between")
    git(desk, "merge", "-q", "-m", "by hand", "theirs")
    a.say(shared, "after")
    all_is_there(a, b)
    said = [event.data.get("text") for event in a.store.events(shared)]
    assert {"in between", "after", "b0", "a0"} <= set(said)


def test_two_beads_with_one_id_that_a_text_merge_glued_together_are_taken_apart(sealed: Path, tmp_path: Path) -> None:
    assert sealed.is_dir()
    remote = begin(tmp_path)
    a, b = clone(remote, "a"), clone(remote, "b")
    a.store.commit(everything=True)
    put(a, "fa-same", "a's")
    moved = put(b, "fa-same", "b's")
    a.say("fa-same", "about a's")
    b.say("fa-same", "about b's")
    expected = sorted([*a.ids(), *b.ids()])
    a.store.commit()
    b.store.commit()
    git(a.root, "fetch", "-q", str(b.root), "factory/beads:theirs")
    git(a.root, "worktree", "add", "-q", str(tmp_path / "desk"), "factory/beads")
    git(tmp_path / "desk", "merge", "-q", "--allow-unrelated-histories", "-m", "glued", "theirs")
    glued = read(a.repo, [f"{REF}:{next(iter(a.raw()))}"])[0]
    assert glued is not None
    assert glued.content.count(b'"bead_opened"') == 2
    for each in (a, b, a):
        each.sync()
    same(a, b)
    assert a.ids() == expected
    assert {bead: it.title for bead, it in b.store.beads().items()} == {
        "fa-same": "a's", alias("fa-same", moved): "b's",
    }  # fmt: skip
