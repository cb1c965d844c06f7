"""``kill -9`` of the whole process group at random moments of a run with many agents, then ``factory run``.

A short slice runs with the suite; ``make sweep`` runs twenty kills (``FACTORY_SWEEP=20``).
"""

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from factory.base.settings import FILE
from tests.conftest import commit, git

KILLS = int(os.environ.get("FACTORY_SWEEP", "3"))
FILES = int(os.environ.get("FACTORY_SWEEP_FILES", "300"))
BEADS = 10
FACTORY = [sys.executable, "-m", "factory"]

AGENT = """#!/bin/sh
n=$(echo "$FACTORY_TITLE" | sed 's/[^0-9]//g')
echo "# changed by $FACTORY_BEAD" >> src/f$n.py
sleep 0.$((n % 5))
echo note > note-$n.txt
git add -A && git commit -qm "work on $FACTORY_TITLE"
"""


@pytest.fixture
def root(sealed: Path, tmp_path: Path) -> Iterator[Path]:
    """A repository of some hundred files with a gate that takes a moment."""
    made = tmp_path / "project"
    made.mkdir()
    git(made, "init", "-q", "-b", "main")
    files = {f"src/f{number}.py": f"# {number}\n" * 20 for number in range(FILES)}
    commit(made, files | {FILE: '[gates.tests]\nrun = "test -f src/f0.py && sleep 0.1"\n'})
    agent = sealed / "agent.sh"
    agent.write_text(AGENT)
    agent.chmod(0o755)
    (sealed / "beads.jsonl").write_text("".join(json.dumps({"title": f"Change {n}"}) + "\n" for n in range(BEADS)))
    yield made
    shutil.rmtree(made, ignore_errors=True)


def factory(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*FACTORY, *arguments], cwd=root, capture_output=True, text=True, check=False, timeout=240)


def spawn(root: Path, home: Path) -> subprocess.Popen[bytes]:
    """A run with eight agents, leader of a process group of its own."""
    argv = [*FACTORY, "spawn", "--yes-trust", "--max-agents", "8", "--file", str(home / "beads.jsonl")]
    return subprocess.Popen(
        [*argv, "--", str(home / "agent.sh")],
        cwd=root,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def undisturbed_s(root: Path, home: Path) -> float:
    """How long the run takes when nobody kills it."""
    started = time.monotonic()
    assert spawn(root, home).wait() == 0
    return time.monotonic() - started


def all_landed_once_and_nothing_is_left(root: Path) -> None:
    beads = json.loads(factory(root, "bead", "list", "--all", "--json").stdout)["beads"]
    hooked = [bead for bead in beads if bead["agent"]]
    assert [bead["id"] for bead in hooked if bead["state"] != "landed"] == []
    subjects = git(root, "log", "--format=%s").splitlines()
    assert sorted(subject for subject in subjects if subject.startswith("Change")) == sorted(
        bead["title"] for bead in hooked
    )
    verified = factory(root, "verify")
    assert verified.returncode == 0, verified.stdout
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "worktree", "list").count("\n") == 1
    assert set(git(root, "branch", "--format=%(refname:short)").split()) == {"main", "factory/beads"}
    assert git(root, "log", "--merges", "--format=%h") == ""
    assert git(root, "fsck", "--no-dangling", "--no-progress") == ""
    assert not root.with_name("project.factory").exists()
    assert list((root / ".git/factory/sessions").glob("*/lease.json")) == []


def test_a_run_killed_at_any_moment_is_carried_on_and_lands_everything_exactly_once(root: Path, sealed: Path) -> None:
    seed = int(os.environ.get("FACTORY_SWEEP_SEED", str(random.SystemRandom().randrange(10**6))))
    moments = random.Random(seed)
    whole_s = undisturbed_s(root, sealed)
    all_landed_once_and_nothing_is_left(root)
    for number in range(KILLS):
        running = spawn(root, sealed)
        moment_s = moments.uniform(0.1, whole_s)
        with contextlib.suppress(subprocess.TimeoutExpired):
            running.wait(timeout=moment_s)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        carried_on = factory(root, "run", "--max-agents", "8", "--yes-trust")
        told = f"seed {seed}, kill {number} after {moment_s:.3f} s: {carried_on.stdout}{carried_on.stderr}"
        assert carried_on.returncode in (0, 1), told
        try:
            all_landed_once_and_nothing_is_left(root)
        except AssertionError as error:
            raise AssertionError(told) from error
