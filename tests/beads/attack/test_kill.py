"""``kill -9`` before every call with which a writer, or a git of its, changes the disk; then life goes on.

A slice runs with the suite, all points with ``FACTORY_SWEEP=1``.
"""

import sys
from pathlib import Path

import pytest

from factory.git.repository import find

from . import judging, tracing
from .conftest import Ground
from .tracing import WRITER

WORDS = ("say", "open", "say", "commit", "record", "say", "commit")


def points(argv: list[str], home: Path, root: Path) -> list[tracing.Call]:
    """Every call of an undisturbed run that changes something."""
    return [call for call in tracing.record(argv, home, root) if call.changes(root)]


@pytest.mark.parametrize(("where", "step"), [("used", 13), ("new", 17), ("cloned", 19)])
def test_a_writer_killed_before_any_change_to_the_disk_loses_nothing_and_leaves_nothing_in_the_way(
    ground: Ground, every, where: str, step: int
) -> None:
    start = getattr(ground, where)
    words = WORDS if where != "new" else ("open", *WORDS)
    argv = [*WRITER, ground.bead if where != "new" else "fa-0000", *words]
    tracing.warm(argv, ground.home, ground.copy(start, "a"))
    moments = points(argv, ground.home, ground.copy(start, "a"))
    assert len(moments) > 30, "the trace is not of a writer"
    killed, failures = 0, judging.Failures()
    for number, call in enumerate(moments[:: every(step)]):
        root = ground.copy(start, "a")
        ended = tracing.harmed(argv, ground.home, root, call, "signal=SIGKILL")
        killed += ended.code == -9
        with failures.of(f"killed before {call}", root, f"{ended.out}{ended.err}"):
            said = judging.acknowledged(ended.out)
            judging.everything_acknowledged_is_there_once(find(root), said)
            judging.what_was_committed_is_on_the_branch(find(root), said)
            bead = ground.bead if where != "new" else next((one.bead for one in said), "")
            judging.life_goes_on(root, said, bead, command=not bead or number % 4 == 0)
    failures.none()
    assert killed * 5 >= len(moments[:: every(step)]) * 4, "too many of the kills met nobody"
