import json
import os
import sys
from pathlib import Path

import pytest

from factory.base import process
from factory.base.errors import Refused, UserError
from factory.base.ids import BeadId
from factory.beads.branch import BRANCH
from factory.beads.payloads import BeadCommented, BeadDropped, BeadEdited, BeadLinked, BeadOpened, Malformed, checked
from factory.beads.store import Store
from factory.beads.stories import NoSuchBead
from factory.git.repository import Repository
from factory.observe.verify import verify
from tests.conftest import git

ANA = "human:ana@example.org"


@pytest.fixture
def store(repo: Repository) -> Store:
    made = Store(repo)
    made.prepare()
    return made


def opened(store: Store, title: str = "Do it", **more: object) -> BeadId:
    return store.open(checked(BeadOpened, title=title, **more), ANA)


def test_what_was_appended_is_there_for_every_other_store_at_once(repo: Repository, store: Store) -> None:
    bead = opened(store, text="At length.")
    store.append(bead, BeadCommented(text="hello"), ANA)
    seen = Store(repo).bead(bead)
    assert (seen.title, seen.text, seen.state) == ("Do it", "At length.", "open")
    assert [event.type for event in Store(repo).events(bead)] == ["bead_opened", "bead_commented"]


def test_a_refused_event_writes_nothing(store: Store) -> None:
    bead = opened(store)
    store.append(bead, BeadDropped(reason="no"), ANA)
    before = store.path(bead).read_bytes()
    with pytest.raises(Refused) as refused:
        store.append(bead, BeadDropped(reason="again"), ANA)
    assert "it is dropped" in refused.value.sentence
    assert "bead reopened" in refused.value.hint.replace("_", " ")
    assert store.path(bead).read_bytes() == before


def test_a_link_to_a_bead_that_is_not_there_writes_nothing(store: Store) -> None:
    bead = opened(store)
    before = store.path(bead).read_bytes()
    with pytest.raises(NoSuchBead):
        store.append(bead, BeadLinked(edge="needs", to="fa-zzzz"), ANA)
    assert store.path(bead).read_bytes() == before
    with pytest.raises(NoSuchBead):
        opened(store, needs=("fa-zzzz",))


@pytest.mark.parametrize("title", ["", "   ", "two\nlines", "bell\a", "x" * 301, "x" * 2_000_000])
def test_a_bad_title_is_one_sentence(title: str) -> None:
    with pytest.raises(Malformed) as refused:
        checked(BeadOpened, title=title)
    assert "\n" not in refused.value.sentence
    assert len(refused.value.sentence) < 200


def test_text_that_fits_no_line_is_refused_and_nothing_is_written(store: Store) -> None:
    bead = opened(store)
    before = store.path(bead).read_bytes()
    with pytest.raises(UserError, match="65536 is the most"):
        store.append(bead, BeadCommented(text="\N{WINKING FACE}" * 20_000), ANA)
    assert store.path(bead).read_bytes() == before


def test_a_torn_tail_is_set_aside_and_the_next_event_stands_on_a_line_of_its_own(store: Store) -> None:
    bead = opened(store)
    path = store.path(bead)
    with path.open("ab") as file:
        file.write(b'{"v":1,"id":"01')
    assert store.bead(bead).title == "Do it"
    store.append(bead, BeadCommented(text="on we go"), ANA)
    assert [event.type for event in store.events(bead)] == ["bead_opened", "bead_commented"]
    (aside,) = (store.live / "aside").iterdir()
    assert aside.read_bytes() == b'{"v":1,"id":"01'


def test_a_full_disk_leaves_the_file_as_it_was_and_says_so(store: Store) -> None:
    bead = opened(store)
    path = store.path(bead)
    before = path.read_bytes()
    program = f"""
import resource, signal, sys
from pathlib import Path
from factory.git.repository import find
from factory.beads.store import Store
from factory.beads.payloads import BeadCommented
from factory.beads.log import NotWritten
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Store(find(Path.cwd()))
resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 40}, resource.RLIM_INFINITY))
try:
    store.append({str(bead)!r}, BeadCommented(text="x" * 500), "human:x")
except NotWritten as error:
    sys.exit(42)
"""
    finished = process.run([sys.executable, "-c", program], env=dict(os.environ), cwd=_root(store))
    assert finished.code == 42, finished.err.decode()
    assert path.read_bytes() == before


def _root(store: Store) -> Path:
    return store.live.parents[3]


def test_many_processes_append_at_once_and_nothing_is_lost_torn_or_doubled(repo: Repository, store: Store) -> None:
    bead = opened(store)
    program = f"""
import sys
from pathlib import Path
from factory.git.repository import find
from factory.beads.store import Store
from factory.beads.payloads import BeadCommented, BeadOpened
store = Store(find(Path.cwd()))
for number in range(10):
    store.append({str(bead)!r}, BeadCommented(text=f"{{sys.argv[1]}}.{{number}}"), "human:x")
    store.open(BeadOpened(title=f"bead {{sys.argv[1]}}.{{number}}"), "human:x")
    store.commit()
"""
    import subprocess

    running = [subprocess.Popen([sys.executable, "-c", program, str(n)], cwd=repo.root) for n in range(8)]
    assert [child.wait() for child in running] == [0] * 8
    said = [event.data["text"] for event in store.events(bead) if event.type == "bead_commented"]
    assert sorted(map(str, said)) == sorted(f"{n}.{m}" for n in range(8) for m in range(10))
    assert len(store.beads()) == 81
    assert verify(repo, store).problems == ()


def test_what_another_process_appended_is_read_as_if_the_file_were_read_anew(repo: Repository) -> None:
    first, second = Store(repo), Store(repo)
    first.prepare()
    bead = first.open(BeadOpened(title="Do it"), ANA)
    path = first.path(bead)
    for turn in range(4):
        first.append(bead, BeadEdited(title=f"first {turn}"), ANA)
        second.append(bead, BeadEdited(title=f"second {turn}", priority=turn), ANA)
        assert first.bead(bead) == second.bead(bead) == Store(repo).bead(bead)

    raw = path.read_bytes()
    earlier, *rest = raw.splitlines(keepends=True)
    for changed in (earlier + rest[0] + raw[len(earlier) :], b"".join([*rest, earlier]), raw + raw, raw + b"garbage\n"):
        path.write_bytes(changed)
        anew = Store(repo)
        assert first.bead(bead) == anew.bead(bead)
        assert first.snapshot().damage == anew.snapshot().damage


def test_the_branch_holds_what_the_live_copy_holds_and_no_head_points_to_it(repo: Repository, store: Store) -> None:
    bead = opened(store)
    store.commit()
    store.append(bead, BeadCommented(text="more"), ANA)
    store.commit()
    path = store.path(bead)
    shown = git(repo.root, "show", f"{BRANCH}:{store.relative(path)}")
    assert shown.encode() == path.read_bytes()
    assert git(repo.root, "ls-tree", "--name-only", BRANCH).split() == ["beads"]
    story = git(repo.root, "log", "--format=%s", BRANCH, "--", store.relative(path)).splitlines()
    assert story == [f"{bead}: commented (more) [{ANA}]", f"{bead}: opened (Do it) [{ANA}]"]
    assert git(repo.root, "status", "--porcelain") == ""


def test_events_whose_mark_was_lost_in_a_power_cut_are_committed_by_looking_at_everything(
    repo: Repository, store: Store
) -> None:
    bead = opened(store)
    (repo.state_dir / "changes.jsonl").unlink()
    store.commit(everything=True)
    assert git(repo.root, "show", f"{BRANCH}:{store.relative(store.path(bead))}")


def test_a_fresh_clone_has_the_beads(repo: Repository, store: Store, tmp_path: Path) -> None:
    from factory.git.repository import find

    bead = opened(store)
    store.commit()
    git(tmp_path, "clone", "-q", str(repo.root), "clone")
    cloned = Store(find(tmp_path / "clone"))
    cloned.prepare()
    assert cloned.bead(bead).title == "Do it"


def test_one_damaged_file_leaves_the_others_and_is_named(store: Store) -> None:
    whole, broken = opened(store, "whole"), opened(store, "broken")
    store.path(broken).write_bytes(b"\0\0garbage\n")
    snapshot = store.snapshot()
    assert list(snapshot.beads) == [whole]
    assert [(damage.line, damage.reason) for damage in snapshot.damage] == [
        (1, "NUL bytes, which a crash of the machine leaves")
    ]


def test_verify_finds_a_rewritten_a_deleted_and_a_forged_story(repo: Repository, store: Store) -> None:
    bead, other = opened(store, "first"), opened(store, "second")
    store.commit()
    path = store.path(bead)
    record = json.loads(path.read_bytes())
    record["data"]["title"] = "something else"
    path.write_text(json.dumps(record, separators=(",", ":")) + "\n")
    forged = store.path(other)
    landed = json.loads(forged.read_bytes())
    landed |= {"id": "7" + landed["id"][1:], "type": "bead_landed", "by": "human:x", "data": {"commit": "1" * 40}}
    with forged.open("a") as file:
        file.write(json.dumps(landed) + "\n")
    problems = {(problem.where, problem.says) for problem in verify(repo, store).problems}
    assert (f"{store.relative(path)}:1", f"event {record['id']} was rewritten in the live copy") in problems
    assert any(where == other for where, _ in problems)


def test_the_lock_of_a_killed_committer_is_in_nobodys_way(repo: Repository, store: Store) -> None:
    opened(store)
    store.commit()
    (repo.common_dir / f"refs/heads/{BRANCH}.lock").touch()
    (repo.state_dir / "beads.index.lock").touch()
    bead = opened(store)
    store.commit()
    assert git(repo.root, "show", f"{BRANCH}:{store.relative(store.path(bead))}")
