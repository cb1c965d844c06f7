"""Every kind of damage: the rest still loads, file and line are named, repair keeps every byte and ends clean."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.base import process
from factory.beads.branch import BRANCH
from factory.beads.repair import repair
from factory.beads.store import Store
from factory.git.repository import Repository
from factory.observe.verify import verify
from tests.conftest import git
from tests.house.program import factory

from .damaging import clean, last_line, later, lines_kept, opened

Damager = Callable[[bytes], bytes]


def reworded(line: bytes, to: bytes) -> bytes:
    """The same event id with other content."""
    return line.replace(b"comment 1", to)


READABLE: dict[str, Damager] = {
    "a byte order mark": lambda raw: b"\xef\xbb\xbf" + raw,
    "CRLF on one line": lambda raw: raw[:-1] + b"\r\n",
    "CRLF on every line": lambda raw: raw.replace(b"\n", b"\r\n"),
    "a mark and CRLF": lambda raw: b"\xef\xbb\xbf" + raw.replace(b"\n", b"\r\n"),
}
"""Damage around lines whose events can be read all the same."""

ADDED: dict[str, tuple[Damager, str]] = {
    "garbage": (lambda raw: raw + b"garbage\n", "not JSON"),
    "garbage before": (lambda raw: raw.replace(last_line(raw), b"garbage\n" + last_line(raw)), "not JSON"),
    "no UTF-8": (lambda raw: raw + b'{"v":1,"id":\xff\n', "truncated JSON"),
    "NUL": (lambda raw: raw + b"\0" * 4096 + b"\n", "NUL bytes"),
    "a blank line": (lambda raw: raw + b"\n", "a blank line"),
    "a blank line with CRLF": (lambda raw: raw + b"\r\n", "a blank line"),
    "truncated JSON": (lambda raw: raw + last_line(raw)[:50] + b"\n", "truncated JSON"),
    "conflict markers": (
        lambda raw: raw.replace(
            last_line(raw), b"<<<<<<< ours\n" + last_line(raw) + b"=======\n" + later(last_line(raw)) + b">>>>>>> b\n"
        ),
        "a conflict marker",
    ),
    "another value on the line": (lambda raw: raw + b"{}{}\n", "more than one JSON value"),
    "a line of 50 MB": (lambda raw: raw + b"x" * 50_000_000 + b"\n", "a line of 50000000 bytes"),
    "the same id with larger content": (
        lambda raw: raw + reworded(last_line(raw), b"comment Z"),
        "stands on another line",
    ),
    "the same id with smaller content": (
        lambda raw: raw + reworded(last_line(raw), b"comment !"),
        "stands on another line",
    ),
    "a torn tail": (lambda raw: raw + last_line(raw)[:60], "the last line is torn"),
}
"""Damage that adds something that is no event, or not the event that counts."""


@pytest.fixture
def store(repo: Repository) -> Store:
    made = Store(repo)
    made.prepare()
    return made


@pytest.mark.parametrize("published", [False, True], ids=["before it was committed", "after it was committed"])
@pytest.mark.parametrize("kind", ADDED)
def test_what_is_no_event_is_named_set_aside_and_gone_from_the_file(
    repo: Repository, store: Store, kind: str, published: bool
) -> None:
    bead, other = opened(store), opened(store, "another")
    if not published:
        store.commit()
    path = store.path(bead)
    damage, reason = ADDED[kind]
    broken = damage(path.read_bytes())
    path.write_bytes(broken)
    if published:
        store.commit(everything=True)
    seen = Store(repo).snapshot()
    before = {bead: seen.beads[bead], other: seen.beads[other]}
    assert {item.file for item in seen.damage} == {store.relative(path)}
    assert all(item.line >= 1 for item in seen.damage)
    assert any(reason in item.reason for item in seen.damage)

    assert [item.path for item in repair(repo, store)] == [store.relative(path)]

    assert Store(repo).snapshot().beads == before
    lines_kept(store, broken)
    clean(repo, store)
    asides = git(repo.root, "ls-tree", "-r", "--name-only", BRANCH, "beads/aside/").split()
    assert asides
    if published and kind != "a torn tail":
        (commit,) = git(repo.root, "log", "--format=%H", "-1", BRANCH, "--", store.relative(path)).split()
        assert set(git(repo.root, "show", "--format=", "--name-only", commit).split()) == {
            store.relative(path),
            *asides,
        }


@pytest.mark.parametrize("published", [False, True], ids=["before it was committed", "after it was committed"])
@pytest.mark.parametrize("kind", READABLE)
def test_a_line_that_an_editor_dressed_counts_and_is_mended(
    repo: Repository, store: Store, kind: str, published: bool
) -> None:
    bead = opened(store)
    path = store.path(bead)
    whole = path.read_bytes()
    path.write_bytes(READABLE[kind](whole))
    if published:
        store.commit(everything=True)
    before = Store(repo).bead(bead)
    assert Store(repo).snapshot().damage

    repair(repo, store)

    assert Store(repo).bead(bead) == before
    assert sorted(path.read_bytes().splitlines()) == sorted(whole.splitlines())
    lines_kept(store, READABLE[kind](whole))
    clean(repo, store)


def test_the_same_line_twice_is_no_damage(repo: Repository, store: Store) -> None:
    bead = opened(store)
    path = store.path(bead)
    path.write_bytes(path.read_bytes() + last_line(path.read_bytes()))
    assert len({event.id for event in store.events(bead)}) == 3
    clean(repo, store)


@pytest.mark.parametrize("change", [(b'"v":1', b'"v":9'), (b'"bead_commented"', b'"bead_sung"')])
def test_what_a_newer_program_wrote_is_never_touched(
    repo: Repository, store: Store, change: tuple[bytes, bytes]
) -> None:
    bead = opened(store)
    path = store.path(bead)
    raw = path.read_bytes()
    newer = raw + later(last_line(raw)).replace(*change)
    path.write_bytes(newer)
    clean(repo, store)
    path.write_bytes(newer + b"garbage\n")
    repair(repo, store)
    assert path.read_bytes() == newer
    clean(repo, store)


# ---------------------------------------------------------------------- what is no plain file


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def as_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "inside").write_text("kept")


def as_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def as_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize("published", [False, True], ids=["never committed", "committed"])
@pytest.mark.parametrize("damage", [emptied, as_folder, as_link, as_pipe])
def test_what_stands_where_a_file_should_is_moved_and_the_branch_restores_it(
    repo: Repository, store: Store, damage: Callable[[Path], None], published: bool
) -> None:
    bead, other = opened(store), opened(store, "another")
    path = store.path(bead)
    whole = path.read_bytes()
    if published:
        store.commit()
    damage(path)
    seen = Store(repo).snapshot()
    assert other in seen.beads
    assert [item.file for item in seen.damage] == [store.relative(path)]

    repair(repo, store)

    (moved,) = (repo.state_dir / "aside").iterdir()
    assert moved.name.startswith(f"{path.parent.name}-{bead}.jsonl")
    assert (path.read_bytes() if path.exists() else b"") == (whole if published else b"")
    clean(repo, store)


def test_a_file_without_permissions_is_named_with_what_to_do(repo: Repository, store: Store) -> None:
    bead, other = opened(store), opened(store, "another")
    store.commit()
    path = store.path(bead)
    path.chmod(0)
    argv = [sys.executable, "-m", "factory", "doctor", "--repair"]
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root reads everything here")
        argv = ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *argv]
    said = process.run(argv, env=dict(os.environ), cwd=repo.root)
    assert said.code == 1, said.err.decode()
    assert store.relative(path) in said.text
    assert f"chmod u+rw {path}" in said.text
    path.chmod(0o644)
    assert other in Store(repo).beads()
    clean(repo, store)


# ---------------------------------------------------------------------- killed, and from the command line


def test_a_repair_that_is_killed_at_any_step_is_finished_by_the_next(repo: Repository, store: Store) -> None:
    bead, other = opened(store), opened(store, "another")
    store.commit()
    before = Store(repo).beads()
    program = """
import os, signal, sys
from pathlib import Path
from factory.base import files
from factory.beads import repair, store
from factory.git.repository import find
left = int(sys.argv[1])
def dying(event, args):
    global left
    if event in ("os.rename", "os.truncate", "subprocess.Popen", "os.mkdir"):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
repo = find(Path.cwd())
made = store.Store(repo)
sys.addaudithook(dying)
repair.repair(repo, made)
"""
    steps = 0
    for steps in range(60):
        for number, name in enumerate((bead, other)):
            path = store.path(name)
            path.write_bytes(path.read_bytes() + f"garbage {number} of step {steps}\n".encode())
        broken = b"".join(store.path(name).read_bytes() for name in (bead, other))
        child = subprocess.run([sys.executable, "-c", program, str(2 * steps)], cwd=repo.root, check=False)
        lines_kept(store, broken)
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        if steps % 2:
            store.commit()  # somebody else comes first
        repair(repo, store)
        assert Store(repo).snapshot() == (before, ())
    assert verify(repo, store).problems == ()
    assert steps > 4


def test_doctor_mends_and_says_what_it_did(repo: Repository, store: Store) -> None:
    bead = opened(store)
    store.commit()
    path = store.path(bead)
    path.write_bytes(path.read_bytes() + b"garbage\n")
    assert factory(repo.root, "doctor", "--json").document["problems"] >= 1
    done = factory(repo.root, "doctor", "--repair", "--json")
    assert done.code == 0
    (row,) = done.document["repairs"]
    assert (row["path"], row["wrong"]) == (store.relative(path), "not JSON")
    (kept,) = row["aside"]
    assert (store.live.parent / kept).read_bytes() == b"garbage\n"
    assert factory(repo.root, "doctor", "--repair").out == "Nothing is damaged.\n"
    assert factory(repo.root, "verify").code == 0
