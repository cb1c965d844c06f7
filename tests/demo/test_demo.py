"""The command itself, in a process of its own with an empty home."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from factory.base import process
from factory.base.process import Finished
from factory.beads.events import Event
from factory.beads.store import Store
from factory.git.repository import find
from tests.conftest import git

_TIMEOUT_S = 180.0


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


def factory(home: Path, *arguments: str, path: str = os.environ["PATH"]) -> Finished:
    env = {"HOME": str(home), "PATH": path, "HTTP_PROXY": "http://127.0.0.1:9", "FACTORY_TARGET": "elsewhere"}
    return process.run([sys.executable, "-m", "factory", *arguments], env=env, cwd=home, timeout_s=_TIMEOUT_S)


def test_the_demo_lands_six_beads_through_a_red_gate_and_a_conflict(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "with space é" / "demo"

    finished = factory(home, "demo", "--folder", str(folder))

    assert finished.code == 0, finished.text + finished.err.decode()
    assert "All 6 beads landed" in finished.text
    assert "the tests pass on main" in finished.text
    assert "blocked" in finished.text
    assert "The model was scripted" in finished.text
    story = finished.err.decode()
    assert "gate tests failed" in story
    assert "back to its agent: the change conflicts with main in inkwell/cli.py" in story
    store = Store(find(folder))
    beads = {bead.title: bead for bead in store.beads().values()}
    assert {bead.state for bead in beads.values()} == {"landed"}
    told = {bead.id: store.events(bead.id) for bead in beads.values()}
    back = [event for events in told.values() for event in events if event.type == "bead_returned"]
    assert sorted(str(event.data["code"]) for event in back) == ["conflict", "gate"]
    refused = next(event for event in back if event.data["code"] == "gate")
    assert "test_every_part_of_a_compound_counts" in str(refused.data["evidence"])
    for bead in beads.values():
        for need in bead.needs:
            assert moment(told[need], "bead_landed") < moment(told[bead.id], "session_started")
    failed = [
        event.data.get("command")
        for bead in beads.values()
        for event in store.ledger(bead.id)
        if event.type == "tool_used" and not event.data["ok"]
    ]
    assert failed == ["python3 -m unittest -q tests.test_slug"], "only the test that is written first may fail"


def moment(events: list[Event], kind: str) -> str:
    """The id of the first event of a kind; ids sort by time."""
    return min(event.id for event in events if event.type == kind)


def test_unconfined_it_says_so_and_leaves_a_linear_history_and_nothing_else(tmp_path: Path, home: Path) -> None:
    folder = tmp_path / "demo"

    finished = factory(home, "demo", "--json", "--unconfined", "--folder", str(folder))

    assert finished.code == 0, finished.err.decode()
    assert finished.err == b""
    document = json.loads(finished.text)
    assert document["schema"] == 1
    assert document["sandbox"] == "none"
    assert document["target_passes"]
    assert [bead["state"] for bead in document["beads"]] == ["landed"] * 6
    assert sum(share["landed"] for share in document["agents"]) == 6
    assert all(share["usd"] > 0 for share in document["agents"])
    assert git(folder, "rev-list", "--count", "main").strip() == "7"
    assert git(folder, "rev-list", "--merges", "main") == ""
    assert git(folder, "branch", "--format=%(refname:short)").split() == ["factory/beads", "main"]
    assert len(git(folder, "worktree", "list").splitlines()) == 1
    assert git(folder, "status", "--porcelain") == ""
    leftovers = folder.with_name("demo.factory")
    assert not leftovers.exists() or not list(leftovers.iterdir())
    assert process.run(["git", "-C", str(folder), "fsck"], env=dict(os.environ)).code == 0


def test_without_a_sandbox_it_writes_nothing_and_says_what_to_install(tmp_path: Path, home: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").symlink_to(shutil.which("git") or "")

    finished = factory(home, "demo", "--folder", str(tmp_path / "demo"), path=str(programs))

    assert finished.code == 1
    assert b"bubblewrap is not installed" in finished.err
    assert b"--unconfined" in finished.err
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path, home: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")

    finished = factory(home, "demo", "--folder", str(tmp_path / "mine"))

    assert finished.code == 1
    assert b"is not an empty folder" in finished.err
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]
