"""Every call with which a command changes the disk fails once, or twice: it says so in one sentence.

A slice runs with the suite, all of it with ``FACTORY_SWEEP=1``.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.beads.store import Store
from factory.git.repository import find

from . import judging, tracing
from .conftest import Ground
from .judging import texts
from .tracing import WRITER, Call

SAID = "a comment on a bad disk"
HARMS = {
    "write": ("error=ENOSPC", "error=ENOSPC+", "error=EIO"),
    "pwrite64": ("error=ENOSPC", "error=ENOSPC+"),
    "fsync": ("error=EIO", "error=EIO+"),
    "fdatasync": ("error=EIO", "error=EIO+"),
    "openat": ("error=EROFS", "error=ENOSPC"),
}
"""What each kind of call is answered, once or (``+``) twice in a row; any other kind: that the disk is read-only."""


def harms(call: Call) -> tuple[str, ...]:
    return HARMS.get(call.name, ("error=EROFS", "error=EROFS+"))


@pytest.mark.parametrize("words", [("comment", "BEAD", SAID), ("add", SAID)], ids=["comment", "add"])
def test_a_command_on_a_disk_that_fails_says_one_sentence_and_loses_nothing(
    ground: Ground, every: Callable[[int], int], words: tuple[str, ...]
) -> None:
    argv = [*WRITER, "factory", "bead", *(word.replace("BEAD", ground.bead) for word in words)]
    tracing.warm(argv, ground.home, ground.copy(ground.used, "a"))
    root = ground.copy(ground.used, "a")
    calls = tracing.record(argv, ground.home, root)
    moments = [call for call in calls if call.changes(root) and call.fd != 1]
    assert len(moments) > 20, "the trace is not of a writer"
    failures = judging.Failures()
    tries = [(call, harm) for call in moments for harm in harms(call)]
    step = every(31)
    for number, (call, harm) in enumerate(tries):
        if number % step and not ("/live/" in call.path and call.process == 0):
            continue
        root = ground.copy(ground.used, "a")
        before = Store(find(root)).path(ground.bead).read_bytes()
        ended = tracing.harmed(argv, ground.home, root, call, harm)
        with failures.of(f"{harm} at {call}", root, f"{ended.code} {ended.out}{ended.err}"):
            answers_well(ended, root, ground.bead, before)
            if call.path.endswith(".jsonl") and "/live/" in call.path and call.process == 0:
                assert ended.code == 1, "success on a disk that did not take the event"
            judging.life_goes_on(root, [], ground.bead, command=False)
    failures.none()


def answers_well(ended: tracing.Ended, root: Path, bead: str, before: bytes) -> None:
    """One sentence and what it says is so; or success, and then it is all there."""
    repo = find(root)
    store = Store(repo)
    there = sum(texts(store, each)[SAID] for each in store.beads())
    assert ended.code in (0, 1), f"exit {ended.code}: {ended.err}"
    if ended.code == 0:
        assert there == 1
        judging.the_branch_is_the_live_copy(repo)
        return
    first, *more = ended.err.splitlines()
    assert first.startswith("factory: ")
    assert len(more) <= 1
    assert all(line.startswith("hint: ") for line in more), ended.err
    if "nothing was written" in first:
        assert there == 0
        assert store.path(bead).read_bytes() == before
    if "not committed" in first:
        assert there == 1


def on(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A command where bubblewrap has put another disk under ``root``."""
    argv = ["bwrap", "--dev-bind", "/", "/", *options]
    env = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
    return subprocess.run(argv, env=env, check=False, capture_output=True, text=True, timeout=120, cwd=root)


def test_a_disk_that_is_read_only_is_one_sentence_and_reading_goes_on(ground: Ground) -> None:
    root = ground.copy(ground.used, "a")
    factory = [sys.executable, "-m", "factory", "-C", str(root), "bead"]
    read_only = ["--ro-bind", str(root), str(root), *factory]

    shown = on(root, *read_only, "show", ground.bead)
    said = on(root, *read_only, "comment", ground.bead, SAID)

    assert (shown.returncode, shown.stderr) == (0, "")
    assert "attack me" in shown.stdout
    assert said.returncode == 1, said.stderr
    assert said.stderr.startswith("factory: ")
    assert "Read-only file system" in said.stderr
    judging.life_goes_on(root, [], ground.bead)


FILL = """
cp -a "$1/." "$2" && cd "$2" || exit 9
say() { "$3" -m factory bead comment "$4" "$5"; }
head -c 99999999 /dev/zero >fill 2>/dev/null
truncate -s "-$6" fill
n=0
while [ $n -lt 30 ]; do
    n=$((n + 1))
    say "$@" >/dev/null 2>"$7/said"
    code=$?
    if [ $code -ne 0 ]; then break; fi
    echo "$n" >>"$7/acknowledged"
done
echo $code >"$7/code"
rm -f fill
say "$@" >/dev/null 2>"$7/after" || exit 8
cp -a "$2/." "$7/repo"
"""


def test_a_disk_that_is_really_full_loses_nothing_and_works_again_when_there_is_room(ground: Ground) -> None:
    root, kept, full = ground.copy(ground.used, "a"), ground.home / "kept", ground.home / "full"
    kept.mkdir()
    full.mkdir()
    (kept / "repo").mkdir()
    words = ["sh", "-c", FILL, "sh", str(root), str(full), sys.executable, ground.bead, SAID, "120000", str(kept)]

    ended = on(root, "--size", str(4 << 20), "--tmpfs", str(full), "--bind", str(kept), str(kept), *words)

    assert ended.returncode == 0, f"{ended}{(kept / 'after').read_text()}"
    assert (kept / "code").read_text() == "1\n", (kept / "said").read_text()
    assert (kept / "said").read_text().startswith("factory: ")
    acknowledged = (kept / "acknowledged").read_text().split() if (kept / "acknowledged").exists() else []
    there = texts(Store(find(kept / "repo")), ground.bead)[SAID]
    assert len(acknowledged) + 1 <= there <= len(acknowledged) + 2
    judging.life_goes_on(kept / "repo", [], ground.bead)
