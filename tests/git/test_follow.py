import resource
from pathlib import Path

import pytest

from factory.git.checkouts import follow, in_the_way
from factory.git.repository import Repository
from tests.conftest import commit, git

from .world import AFTER, OLD, World, make


@pytest.fixture
def world(repo: Repository) -> World:
    return make(repo)


def filtered(repo: Repository, smudge: str, *, clean: str = "cat") -> World:
    """A world in which ``*.bin`` goes through a required filter, at first a harmless one."""
    git(repo.root, "config", "filter.odd.smudge", "cat")
    git(repo.root, "config", "filter.odd.clean", "cat")
    git(repo.root, "config", "filter.odd.required", "true")
    world = make(repo, "*.bin filter=odd\n")
    git(repo.root, "config", "filter.odd.smudge", smudge)
    git(repo.root, "config", "filter.odd.clean", clean)
    return world


def as_it_was(world: World) -> None:
    assert {name: text for name, text in world.files().items() if name != ".gitattributes"} == OLD
    assert world.folders() == {"gone"}
    assert world.staged_against(world.old) == ""
    assert world.status() == []
    assert not world.lock.exists()
    assert list(world.repo.state_dir.iterdir()) == []


def test_files_follow_and_the_index_with_them(world: World) -> None:
    assert follow(world.repo, world.place, "main", world.old, world.new) is None
    assert world.files() == AFTER
    assert world.staged_against(world.new) == ""
    assert world.folders() == {"fresh"}


def test_what_a_smudge_filter_that_fails_left_half_done_is_taken_back(repo: Repository) -> None:
    world = filtered(repo, "echo the store is away >&2; exit 1")
    assert in_the_way(world.repo, world.place, world.old, world.new) is None
    refusal = follow(world.repo, world.place, "main", world.old, world.new)
    assert refusal is not None
    assert "smudge filter odd failed" in refusal.reason
    as_it_was(world)


def test_it_is_taken_back_even_when_the_filter_works_in_no_direction_any_more(repo: Repository) -> None:
    world = filtered(repo, "exit 1", clean="exit 1")
    assert follow(world.repo, world.place, "main", world.old, world.new) is not None
    git(repo.root, "config", "filter.odd.clean", "cat")
    as_it_was(world)


def test_a_file_that_a_person_wrote_meanwhile_stays_when_the_rest_is_taken_back(repo: Repository) -> None:
    world = filtered(repo, "echo mine > changed.txt; exit 1")
    assert follow(world.repo, world.place, "main", world.old, world.new) is not None
    assert world.files() == OLD | {"changed.txt": "mine\n", ".gitattributes": "*.bin filter=odd\n"}
    assert world.status() == [" M changed.txt"]


def test_a_git_that_is_killed_in_the_middle_of_a_file_leaves_nothing_behind(world: World) -> None:
    big = commit(world.root, {"changed.txt": "new\n", "page.txt": "z" * 300_001}, "big")
    git(world.root, "reset", "-q", "--hard", world.old)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_001, hard))
    try:
        refusal = follow(world.repo, world.place, "main", world.old, world.repo.resolve(big) or world.new)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert refusal is not None
    as_it_was(world)


def test_a_person_who_switched_branches_between_look_and_follow_keeps_their_branch(world: World) -> None:
    place = world.place
    assert in_the_way(world.repo, place, world.old, world.new) is None
    git(world.root, "checkout", "-q", "-b", "other")
    refusal = follow(world.repo, place, "main", world.old, world.new)
    assert refusal is not None
    assert "another branch" in refusal.reason
    as_it_was(world)


def test_a_person_who_switches_branches_while_the_files_follow_keeps_their_branch(repo: Repository) -> None:
    world = filtered(repo, "env -u GIT_INDEX_FILE git symbolic-ref HEAD refs/heads/other; cat")
    git(world.root, "branch", "other")
    refusal = follow(world.repo, world.place, "main", world.old, world.new)
    assert refusal is not None
    assert "another branch" in refusal.reason
    assert git(world.root, "symbolic-ref", "HEAD").strip() == "refs/heads/other"
    as_it_was(world)


def test_a_file_that_became_a_folder_and_back_is_taken_back(repo: Repository) -> None:
    world = filtered(repo, "exit 1")
    git(world.root, "rm", "-q", "-r", "changed.txt", "gone")
    turned = commit(world.root, {"changed.txt/a": "a\n", "gone": "a file\n", "z.bin": "fails\n"}, "turned")
    git(world.root, "config", "filter.odd.smudge", "cat")
    git(world.root, "reset", "-q", "--hard", world.old)
    git(world.root, "config", "filter.odd.smudge", "exit 1")
    assert follow(world.repo, world.place, "main", world.old, world.repo.resolve(turned) or world.new) is not None
    as_it_was(world)


def test_what_is_staged_or_edited_elsewhere_stays(world: World) -> None:
    (world.root / "plain.txt").write_text("edited\n")
    (world.root / "README.md").write_text("staged\n")
    git(world.root, "add", "README.md")
    assert follow(world.repo, world.place, "main", world.old, world.new) is None
    git(world.root, "update-ref", "refs/heads/main", world.new)
    assert world.status() == ["M  README.md", " M plain.txt"]


def test_a_split_index_and_a_sparse_checkout_follow_too(world: World) -> None:
    git(world.root, "config", "core.splitIndex", "true")
    git(world.root, "update-index", "--split-index")
    git(world.root, "sparse-checkout", "set", "--no-cone", "/*", "!/page.txt", "!/fresh/")
    assert not (world.root / "page.txt").exists()
    assert follow(world.repo, world.place, "main", world.old, world.new) is None
    git(world.root, "update-ref", "refs/heads/main", world.new)
    assert world.status() == []
    assert not (world.root / "page.txt").exists()
    assert not (world.root / "fresh").exists()


def test_the_filters_of_a_person_with_their_own_configuration_file_work(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "own.gitconfig"
    git(repo.root, "config", "--file", str(own), "user.name", "Bo")
    git(repo.root, "config", "--file", str(own), "user.email", "bo@example.org")
    git(repo.root, "config", "--file", str(own), "filter.loud.smudge", "tr a-z A-Z")
    git(repo.root, "config", "--file", str(own), "filter.loud.clean", "tr A-Z a-z")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(own))
    world = make(repo, "*.bin filter=loud\n")
    assert repo.identity() == ("Bo", "bo@example.org")
    assert follow(repo, world.place, "main", world.old, world.new) is None
    assert (world.root / "picture.bin").read_text() == "NEW PICTURE\n"
