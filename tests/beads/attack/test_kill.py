"""``kill -9`` before every call with which a writer, or a git of its, changes the disk; then life goes on.

A slice runs with the suite, all points with ``FACTORY_SWEEP=1``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from factory.beads.store import Store
from factory.git.repository import find
from tests.conftest import git
from tests.house.program import factory

from . import judging, tracing
from .conftest import Ground, Meeting
from .tracing import WRITER

WORDS = ("say", "open", "say", "commit", "record", "say", "commit")


def points(argv: list[str], home: Path, root: Path) -> list[tracing.Call]:
    """Every call of an undisturbed run that changes something."""
    return [call for call in tracing.record(argv, home, root) if call.process >= 0 and call.changes(root)]


@pytest.mark.parametrize(("where", "step"), [("used", 19), ("new", 29), ("cloned", 37)])
def test_a_writer_killed_before_any_change_to_the_disk_loses_nothing_and_leaves_nothing_in_the_way(
    ground: Ground, every: Callable[[int], int], where: str, step: int
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


def test_a_sync_killed_before_any_change_to_the_disk_loses_nothing_and_the_next_one_finishes_it(
    meeting: Meeting, every: Callable[[int], int]
) -> None:
    bead, home = meeting.ground.bead, meeting.ground.home
    argv = [*WRITER, bead, "say", "sync", "say", "sync"]
    tracing.warm(argv, home, meeting.copy()[0])
    moments = points(argv, home, meeting.copy()[0])
    assert len(moments) > 30, "the trace is not of a writer"
    killed, failures = 0, judging.Failures()
    for call in moments[:: every(29)]:
        root, hub = meeting.copy()
        ended = tracing.harmed(argv, home, root, call, "signal=SIGKILL")
        killed += ended.code == -9
        with failures.of(f"killed before {call}", root, f"{ended.out}{ended.err}"):
            said = judging.acknowledged(ended.out)
            judging.everything_acknowledged_is_there_once(find(root), said)
            synced = max((number for number, one in enumerate(said) if one.did == "sync"), default=0)
            given = git(hub, "grep", "-h", "-e", "", "refs/heads/factory/beads")
            assert [one.text for one in said[:synced] if one.did == "say" and f'"{one.text}"' not in given] == []
            again = factory(root, "sync", "--json")
            assert again.code == 0, again.err
            judging.life_goes_on(root, said, bead, command=False)
            assert judging.texts(Store(find(root)), bead)["from the other clone"] == 1
            assert judging.texts(Store(find(root)), bead)["from this clone"] == 1
            assert git(hub, "fsck", "--no-dangling", "--no-progress") == ""
    failures.none()
    assert killed * 5 >= len(moments[:: every(29)]) * 3, "too many of the kills met nobody"
