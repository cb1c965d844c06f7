"""Objects that are written in process: the same bytes as git's own, whatever the hash, and there after a crash."""

import threading
from pathlib import Path

import pytest

from factory.base.ids import CommitId
from factory.git import objects, repository
from factory.git.objects import Objects, Person
from factory.git.repository import Move, RefMoved, Repository
from tests.conftest import commit, git

ANA = Person("Ana", "ana@example.org")


@pytest.fixture(params=["sha1", "sha256"])
def any_repo(sealed: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Repository:  # noqa: ARG001 - seals
    root = tmp_path / "any"
    root.mkdir()
    git(root, "init", "-q", f"--object-format={request.param}")
    commit(root, {"a/b/c.txt": "c\n", "a-b": "x\n", "a.b": "y\n"})
    return repository.find(root)


def head(repo: Repository) -> CommitId:
    found = repo.resolve("HEAD")
    assert found is not None
    return found


def test_git_reads_what_was_written_and_finds_nothing_wrong(any_repo: Repository) -> None:
    new = Objects(any_repo)
    blob = new.blob(b"hello\n")
    tree = new.edited(head(any_repo), {"a/b/d.txt": blob, "new/deep/e.txt": blob, "a-b": None, "a/b/c.txt": None}).tree
    made = new.commit(tree, [head(any_repo)], "subject\n\nbody \N{SNOWMAN}\n", author=ANA, committer=ANA)
    new.flush()
    any_repo.move_refs([Move("refs/heads/side", made, None)], "test")
    git(any_repo.root, "fsck", "--strict", "--no-dangling")
    names = git(any_repo.root, "ls-tree", "-r", "--name-only", "side").split()
    assert names == ["a.b", "a/b/d.txt", "new/deep/e.txt"]
    assert git(any_repo.root, "log", "-1", "--format=%an <%ae> %s %b", "side").split("\n")[0] == (
        "Ana <ana@example.org> subject body \N{SNOWMAN}"
    )


def test_a_tree_without_its_last_file_loses_its_folders(any_repo: Repository) -> None:
    new = Objects(any_repo)
    tree = new.edited(head(any_repo), {"a/b/c.txt": None}).tree
    new.flush()
    assert git(any_repo.root, "ls-tree", "--name-only", tree).split() == ["a-b", "a.b"]


def test_ids_are_gits_own(any_repo: Repository) -> None:
    new = Objects(any_repo, like=head(any_repo))
    content = b"\0\r\nsome bytes" * 1000
    (any_repo.root / "some").write_bytes(content)
    assert new.blob(content) == git(any_repo.root, "hash-object", "--no-filters", "some").strip()
    assert new.edited(head(any_repo), {}).tree == any_repo.tree_of(head(any_repo))


def test_many_objects_go_into_one_pack(any_repo: Repository) -> None:
    new = Objects(any_repo)
    blobs = {f"many/{number}": new.blob(f"{number}\n".encode() * (number % 40)) for number in range(1000)}
    tree = new.edited(None, blobs).tree
    new.flush()
    assert len(list((any_repo.common_dir / "objects/pack").glob("*.pack"))) == 1
    assert len(git(any_repo.root, "ls-tree", "-r", tree).splitlines()) == 1000


def test_an_object_that_a_power_cut_emptied_is_written_again(repo: Repository) -> None:
    new = Objects(repo)
    blob = new.blob(b"precious")
    new.flush()
    path = repo.common_dir / "objects" / blob[:2] / blob[2:]
    path.chmod(0o644)
    path.write_bytes(b"")
    new.blob(b"precious")
    new.flush()
    assert git(repo.root, "cat-file", "blob", blob) == "precious"
    assert path.stat().st_mode & 0o777 == 0o444


def test_fan_out_folders_that_vanish_meanwhile_are_made_again(repo: Repository) -> None:
    done = threading.Event()

    def gc() -> None:
        while not done.is_set():
            for folder in (repo.common_dir / "objects").glob("??"):
                try:
                    folder.rmdir()
                except OSError:
                    continue

    removing = threading.Thread(target=gc)
    removing.start()
    try:
        ids = []
        for number in range(300):
            new = Objects(repo, like="1" * 40)
            ids.append(new.blob(f"number {number}".encode()))
            new.flush()
    finally:
        done.set()
        removing.join()
    assert all(found is not None for found in objects.read(repo, ids))


def test_names_that_stand_for_nothing_are_none_among_those_that_do(any_repo: Repository) -> None:
    found = objects.read(any_repo, ["HEAD:a/b/c.txt", "HEAD:nothing here", "refs/heads/no", "0" * 40, "HEAD:a.b"])
    assert [item.content if item else None for item in found] == [b"c\n", None, None, None, b"y\n"]


def test_refs_move_together_or_not_at_all(any_repo: Repository) -> None:
    first = head(any_repo)
    second = CommitId(commit(any_repo.root, {"z": "z\n"}))
    any_repo.move_refs([Move("refs/factory/a", first, None), Move("refs/factory/b", first, None)], "test")
    with pytest.raises(RefMoved):
        any_repo.move_refs([Move("refs/factory/a", second, first), Move("refs/factory/b", second, second)], "test")
    assert (any_repo.peek("refs/factory/a"), any_repo.peek("refs/factory/b")) == (first, first)
    git(any_repo.root, "pack-refs", "--all")
    assert any_repo.peek("refs/factory/a") == first


def test_the_lock_files_of_dead_writers_are_in_nobodys_way(any_repo: Repository) -> None:
    (any_repo.common_dir / "refs/factory").mkdir()
    (any_repo.common_dir / "refs/factory/a.lock").touch()
    any_repo.move_refs([Move("refs/factory/a", head(any_repo), None)], "test")
    assert any_repo.peek("refs/factory/a") == head(any_repo)


@pytest.mark.parametrize("name", ["A <na>", "", "  .Ana;", "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}\nx"])
def test_strange_names_make_sound_commits(repo: Repository, name: str) -> None:
    new = Objects(repo)
    made = new.commit(new.edited(None, {}).tree, [], "x", author=Person(name, "a\n@b>"), committer=ANA)
    new.flush()
    git(repo.root, "fsck", "--strict", made)
