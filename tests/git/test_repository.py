from pathlib import Path

import pytest

from factory.base import process
from factory.base.ids import CommitId
from factory.beads.branch import REF
from factory.beads.payloads import BeadOpened
from factory.beads.store import Store
from factory.git.checkouts import checkouts, follow, mend
from factory.git.command import GitFailed, clean_environment, sealed_environment
from factory.git.command import git as run_git
from factory.git.repository import ZERO, RefMoved, Repository, find
from tests.conftest import commit, git

from .world import OLD, make, write


@pytest.fixture
def sha256(sealed: Path, tmp_path: Path) -> Repository:
    assert sealed.is_dir()
    root = tmp_path / "long"
    git(tmp_path, "init", "-q", "--object-format=sha256", str(root))
    commit(root, {"README.md": "# long ids\n"})
    return find(root)


@pytest.mark.parametrize("zeros", [ZERO, CommitId("0" * 64), CommitId("0")])
@pytest.mark.parametrize("name", ["repo", "sha256"])
def test_a_ref_is_made_only_where_there_is_none_whatever_the_hash(
    request: pytest.FixtureRequest, name: str, zeros: CommitId
) -> None:
    repo: Repository = request.getfixturevalue(name)
    head, other = repo.branch("main"), repo.resolve(commit(repo.root, {"more.txt": "more\n"}))
    assert head is not None
    assert other is not None
    repo.move_ref("refs/heads/fresh", head, zeros)
    assert repo.branch("fresh") == head
    with pytest.raises(RefMoved):
        repo.move_ref("refs/heads/fresh", other, zeros)
    assert repo.branch("fresh") == head


def test_beads_are_published_in_a_repository_with_long_ids(sha256: Repository) -> None:
    store = Store(sha256)
    store.prepare()
    bead = store.open(BeadOpened(title="Long"), "human:ana@example.org")
    store.commit(everything=True)
    assert bead in git(sha256.root, "ls-tree", "-r", "--name-only", REF)


def test_files_follow_and_are_mended_in_a_repository_with_long_ids(sha256: Repository) -> None:
    world = make(sha256)
    (place,) = checkouts(sha256, "main")
    write(world.root, {"changed.txt": "new\n"})
    assert mend(sha256, place, "main", world.old, world.new, back=True)
    assert world.files() == OLD
    assert follow(sha256, place, "main", world.old, world.new) is None
    assert world.staged_against(world.new) == ""


@pytest.mark.parametrize("name", ["two\nlines", "ends\n", "caf\udce9"])
def test_a_repository_in_a_folder_with_a_strange_name_is_found(sealed: Path, tmp_path: Path, name: str) -> None:
    assert sealed.is_dir()
    root = tmp_path / name
    root.mkdir()
    git(root, "init", "-q")
    head = commit(root, {"README.md": "hello\n", "src/a.py": "a = 1\n"})
    repo = find(root / "src")
    assert (repo.root, repo.common_dir, repo.main_root) == (root, root / ".git", root)
    assert repo.branch("main") == head
    git(root, "worktree", "add", "-q", str(tmp_path / "linked"), "-b", "side")
    linked = find(tmp_path / "linked")
    assert (linked.root, linked.common_dir) == (tmp_path / "linked", root / ".git")
    assert [place.root for place in checkouts(linked, "main")] == [root]


def test_the_callers_configuration_files_are_kept_and_a_sealed_call_reads_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = {"GIT_CONFIG_GLOBAL": str(tmp_path / "own"), "GIT_CONFIG_SYSTEM": "/dev/null", "GIT_CONFIG_NOSYSTEM": "0"}
    for name, value in (own | {"GIT_DIR": "/elsewhere", "GIT_INDEX_FILE": "/elsewhere"}).items():
        monkeypatch.setenv(name, value)
    env = clean_environment()
    assert {name: env.get(name) for name in own} == own
    assert not {"GIT_DIR", "GIT_INDEX_FILE"} & set(env)
    sealed = sealed_environment()
    assert [sealed[name] for name in own] == ["/dev/null", "/dev/null", "1"]


@pytest.mark.parametrize("options", [[], ["--work-tree=/x"], ["-c", "a.b=c", "-C", "/"]])
def test_a_failure_names_the_subcommand_and_not_an_option(repo: Repository, options: list[str]) -> None:
    with pytest.raises(GitFailed, match=r"^git cat-file failed with 128: "):
        run_git([*options, "cat-file", "blob", "nothing"], git_dir=repo.git_dir)


def test_a_failure_without_a_word_says_so() -> None:
    silent = process.Finished(1, b"", b"", 0.0)
    assert str(GitFailed(["gc"], silent)) == "git gc failed with 1: it said nothing"
