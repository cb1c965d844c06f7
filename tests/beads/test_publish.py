"""The branch follows the live copy: each change findable, nothing lost, whatever was in the way."""

import subprocess
from pathlib import Path

import pytest

from factory.base.ids import BeadId, SessionId
from factory.beads.branch import BRANCH, PUBLISHED, REF, NotSigned
from factory.beads.payloads import BeadCommented, BeadOpened
from factory.beads.publish import published_to
from factory.beads.store import Store
from factory.git import repository
from factory.git.repository import Repository
from tests.conftest import commit, git

ANA, BEA = "human:ana@example.org", "agent:bea"


@pytest.fixture
def store(repo: Repository) -> Store:
    made = Store(repo)
    made.prepare()
    return made


def shown(repo: Repository, store: Store, bead: str) -> bytes:
    return git(repo.root, "show", f"{BRANCH}:{store.relative(store.path(bead))}").encode()


def test_the_log_of_a_beads_file_lists_each_change_of_it_with_actor_and_sentence(
    repo: Repository, store: Store
) -> None:
    first, second = (store.open(BeadOpened(title=title), ANA) for title in ("first", "second"))
    store.commit()
    store.append(first, BeadCommented(text="x"), BEA)
    store.append(second, BeadCommented(text="y"), ANA)
    store.append(first, BeadCommented(text="z"), ANA)
    store.commit()
    story = git(repo.root, "log", "--format=%B", BRANCH, "--", store.relative(store.path(first)))
    assert [line.split(" (+")[0] for line in story.splitlines() if line.startswith(first)] == [
        f"{first}: commented (x) [{BEA}]", f"{first}: commented (x) [{BEA}]", f"{first}: commented (z) [{ANA}]",
        f"{first}: opened (first) [{ANA}]", f"{first}: opened (first) [{ANA}]",
    ]  # fmt: skip
    assert git(repo.root, "log", "-1", "--format=%an <%ae>", BRANCH) == "Ana <ana@example.org>\n"
    store.append(first, BeadCommented(text="x"), BEA)
    store.commit()
    assert git(repo.root, "log", "-1", "--format=%an <%ae> %cn", BRANCH) == "bea <agent@factory.invalid> Ana\n"


def test_a_commit_without_news_changes_nothing(repo: Repository, store: Store) -> None:
    store.open(BeadOpened(title="x"), ANA)
    store.commit()
    head = git(repo.root, "rev-parse", BRANCH)
    store.commit()
    store.commit(everything=True)
    assert git(repo.root, "rev-parse", BRANCH, PUBLISHED) == head * 2


def test_ledgers_stand_beside_their_bead(repo: Repository, store: Store) -> None:
    bead = store.open(BeadOpened(title="x"), ANA)
    store.record(bead, SessionId("s1"), "turn", BEA, {"n": 1})
    store.commit()
    path = store.relative(store.path(bead)).removesuffix(".jsonl")
    assert git(repo.root, "show", f"{BRANCH}:{path}/s1.jsonl").count("\n") == 1


def test_a_repository_of_another_hash_is_no_different(sealed: Path, tmp_path: Path) -> None:
    assert sealed.is_dir()
    git(tmp_path, "init", "-q", "--object-format=sha256", "other")
    commit(tmp_path / "other", {"a": "a\n"})
    repo = repository.find(tmp_path / "other")
    store = Store(repo)
    store.prepare()
    for _ in range(2):
        bead = store.open(BeadOpened(title="x"), ANA)
        store.commit()
        assert shown(repo, store, bead) == store.raw(bead)
    git(repo.root, "fsck", "--strict")


def test_a_lost_cursor_means_that_every_file_is_looked_at(repo: Repository, store: Store) -> None:
    bead = store.open(BeadOpened(title="x"), ANA)
    store.commit()
    store.append(bead, BeadCommented(text="hello"), ANA)
    (repo.state_dir / "published.json").write_bytes(b"\0\0")
    store.changes.restart()
    assert published_to(repo) is None
    store.commit()
    assert shown(repo, store, bead) == store.raw(bead)


def test_a_torn_last_line_is_not_committed(repo: Repository, store: Store) -> None:
    bead = store.open(BeadOpened(title="x"), ANA)
    whole = store.raw(bead)
    with store.path(bead).open("ab") as file:
        file.write(b'{"v":1,"id":')
    store.commit()
    assert shown(repo, store, bead) == whole


def test_a_live_file_that_was_removed_or_cannot_be_read_stays_on_the_branch(repo: Repository, store: Store) -> None:
    gone, odd, other = (store.open(BeadOpened(title=title), ANA) for title in ("gone", "odd", "other"))
    store.commit()
    content = store.raw(gone)
    gone_path, odd_path = store.path(gone), store.path(odd)
    gone_path.unlink()
    odd_path.unlink()
    odd_path.mkdir()
    store.append(other, BeadCommented(text="on we go"), ANA)
    store.commit(everything=True)
    assert gone_path.read_bytes() == content
    assert git(repo.root, "show", f"{BRANCH}:{store.relative(odd_path)}").count("bead_opened") == 1


def test_a_file_leaves_the_branch_when_its_lines_stand_in_a_pack(repo: Repository, store: Store) -> None:
    bead = store.open(BeadOpened(title="x"), ANA)
    store.commit()
    path, content = store.path(bead), store.raw(bead)
    pack = store.live / "packed" / "2026-11.0123456789ab.jsonl"
    with store.locked():
        for each in (pack, path):
            store.changes.announce(store.relative(each), "", "packed", replaced=True)
        pack.parent.mkdir()
        pack.write_bytes(content)
        path.unlink()
        store.changes.settle()
    store.commit()
    names = git(repo.root, "ls-tree", "-r", "--name-only", BRANCH).split()
    assert names == ["beads/.gitattributes", "beads/packed/2026-11.0123456789ab.jsonl"]
    store.commit(everything=True)
    assert not path.exists()


def test_a_packed_bead_to_which_another_clone_appended_keeps_that_line_alone(repo: Repository, store: Store) -> None:
    bead = store.open(BeadOpened(title="x"), ANA)
    store.commit()
    name, packed = store.relative(store.path(bead)), store.raw(bead)
    desk = repo.root.parent / "desk"
    git(repo.root, "worktree", "add", "-q", str(desk), BRANCH)
    (desk / "beads" / "packed").mkdir()
    (desk / "beads" / "packed" / "2026-11.0123456789ab.jsonl").write_bytes(packed)
    (desk / name).unlink()
    git(desk, "add", "-A")
    git(desk, "commit", "-qm", "compact")
    store.append(bead, BeadCommented(text="late"), ANA)
    store.commit()
    assert git(repo.root, "show", f"{BRANCH}:{name}").count("\n") == 1
    assert (store.live / "packed" / "2026-11.0123456789ab.jsonl").read_bytes() == packed
    assert [event.type for event in store.events(bead)] == ["bead_commented"]


def test_a_lock_that_a_killed_git_left_on_the_branch_is_in_nobodys_way(repo: Repository, store: Store) -> None:
    store.open(BeadOpened(title="x"), ANA)
    store.commit()
    for ref in (REF, PUBLISHED):
        (repo.common_dir / f"{ref}.lock").touch()
    bead = store.open(BeadOpened(title="y"), ANA)
    store.commit()
    assert shown(repo, store, bead)


def test_garbage_collection_beside_a_writer_loses_nothing(repo: Repository, store: Store) -> None:
    collecting = subprocess.Popen(["git", "-C", str(repo.root), "gc", "-q"])
    beads: list[BeadId] = []
    while collecting.poll() is None or len(beads) < 20:
        beads.append(store.open(BeadOpened(title="x"), ANA))
        store.commit()
    git(repo.root, "fsck", "--strict")
    assert all(shown(repo, store, bead) == store.raw(bead) for bead in beads)


# ---------------------------------------------------------------- signatures


@pytest.fixture
def key(repo: Repository, tmp_path: Path) -> Path:
    """A signing key of the user's, and git set up to sign with it and to believe it."""
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    (tmp_path / "allowed").write_text(f"ana@example.org {path.with_suffix('.pub').read_text()}")
    for name, value in {
        "gpg.format": "ssh", "user.signingKey": str(path), "gpg.ssh.allowedSignersFile": str(tmp_path / "allowed"),
    }.items():  # fmt: skip
        git(repo.root, "config", name, value)
    return path


@pytest.mark.usefixtures("key")
def test_commits_of_the_branch_are_signed_when_that_is_set(repo: Repository) -> None:
    store = Store(repo, sign=lambda: True)
    store.prepare()
    bead = store.open(BeadOpened(title="x"), ANA)
    store.commit()
    store.append(bead, BeadCommented(text="x"), BEA)
    store.commit()
    assert git(repo.root, "log", "--format=%G? %GS %an", BRANCH).splitlines() == [
        "G ana@example.org bea", "G ana@example.org Ana",
    ]  # fmt: skip


def test_a_failing_signature_is_one_sentence_and_nothing_is_lost(repo: Repository, key: Path) -> None:
    store = Store(repo, sign=lambda: True)
    store.prepare()
    key.rename(key.with_name("elsewhere"))
    bead = store.open(BeadOpened(title="x"), ANA)
    with pytest.raises(NotSigned) as refused:
        store.commit()
    assert "could not sign" in refused.value.sentence
    assert "sign = false" in refused.value.hint
    assert not store.is_committed()
    key.with_name("elsewhere").rename(key)
    store.commit()
    assert shown(repo, store, bead) == store.raw(bead)


def test_nothing_is_signed_unasked(repo: Repository, store: Store) -> None:
    git(repo.root, "config", "commit.gpgSign", "true")
    store.open(BeadOpened(title="x"), ANA)
    store.commit()
    assert git(repo.root, "log", "--format=%G?", BRANCH) == "N\n"
