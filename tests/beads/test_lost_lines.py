"""A live copy that lost what the branch has: the branch keeps it, repair brings it back, later events stay."""

import shutil

import pytest

from factory.beads.branch import BRANCH
from factory.beads.payloads import BeadCommented
from factory.beads.repair import repair
from factory.beads.store import Store
from factory.git.repository import Repository
from factory.observe.verify import verify
from tests.conftest import git
from tests.house.program import factory

from .damaging import ANA, clean, last_line, later, lines_kept, opened


@pytest.fixture
def store(repo: Repository) -> Store:
    made = Store(repo)
    made.prepare()
    return made


def test_a_file_whose_published_lines_were_mangled_is_restored_with_our_later_events(
    repo: Repository, store: Store
) -> None:
    bead = opened(store)
    store.commit()
    path = store.path(bead)
    published = path.read_bytes()
    store.append(bead, BeadCommented(text="not committed yet"), ANA)
    mine = path.read_bytes().removeprefix(published)
    mangled = published.replace(b"comment 0", b"comment X").replace(b"Do it", b"\0\0\0\0\0") + mine
    path.write_bytes(mangled)

    assert {problem.where for problem in verify(repo, store).problems} >= {f"{store.relative(path)}:1"}
    repair(repo, store)

    assert path.read_bytes() == published + mine
    lines_kept(store, mangled)
    clean(repo, store)


def test_who_writes_on_after_a_line_was_lost_takes_nothing_from_the_branch(repo: Repository, store: Store) -> None:
    bead = opened(store)
    store.commit()
    path = store.path(bead)
    published = path.read_bytes()
    path.write_bytes(b"".join(published.splitlines(keepends=True)[:1] + published.splitlines(keepends=True)[2:]))

    Store(repo).append(bead, BeadCommented(text="after the damage"), ANA)
    Store(repo).commit()

    assert git(repo.root, "show", f"{BRANCH}:{store.relative(path)}").encode() == published
    repair(repo, store)
    store.commit()
    assert path.read_bytes().startswith(published)
    assert b"after the damage" in path.read_bytes()
    clean(repo, store)


def test_half_of_a_surrogate_pair_is_damage_and_reaches_no_terminal(repo: Repository, store: Store) -> None:
    bead = opened(store)
    path = store.path(bead)
    whole = path.read_bytes()
    path.write_bytes(whole + later(last_line(whole)).replace(b"comment 1", b"\\ud800"))

    for words in (("bead", "show", bead), ("bead", "list"), ("bead", "log", bead), ("bead", "show", bead, "--json")):
        said = factory(repo.root, *words)
        assert said.code == 1
        assert "half of a surrogate pair" in said.err
    repair(repo, store)
    assert path.read_bytes() == whole
    clean(repo, store)


def test_a_bead_written_down_under_two_days_counts_once_and_verify_names_the_second(
    repo: Repository, store: Store
) -> None:
    bead = opened(store)
    store.commit()
    path = store.path(bead)
    other = path.parent.with_name("2001-01-01") / path.name
    other.parent.mkdir()
    second = later(path.read_bytes().splitlines(keepends=True)[0]).replace(b"Do it", b"Do that")
    other.write_bytes(second)

    assert len(Store(repo).beads()) == 1
    assert Store(repo).beads()[bead].title == "Do it"
    assert any("opened" in problem.says and bead in problem.says for problem in verify(repo, Store(repo)).problems)


def test_a_live_file_that_was_deleted_comes_back(repo: Repository, store: Store) -> None:
    bead = opened(store)
    store.commit()
    path = store.path(bead)
    whole = path.read_bytes()
    path.unlink()
    assert [problem.where for problem in verify(repo, store).problems] == [store.relative(path)]
    repair(repo, store)
    assert path.read_bytes() == whole
    clean(repo, store)


def test_the_ledger_of_a_session_is_mended_too(repo: Repository, store: Store) -> None:
    bead = opened(store)
    ledger = store.path(bead).with_suffix("") / "s1.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(b"garbage\n" + whole)
    assert [problem.where for problem in verify(repo, store).problems] == [f"{store.relative(ledger)}:1"]
    repair(repo, store)
    assert ledger.read_bytes() == whole
    clean(repo, store)


def test_a_folder_of_a_day_that_became_a_file_comes_back_with_all_its_beads(repo: Repository, store: Store) -> None:
    bead = opened(store)
    store.commit()
    day = store.path(bead).parent
    shutil.rmtree(day)
    day.write_text("what")
    repair(repo, store)
    assert store.bead(bead).title == "Do it"
    clean(repo, store)
