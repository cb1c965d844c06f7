"""The power goes at any moment: what was acknowledged is there afterwards, and the store goes on by itself.

A slice of the moments runs with the suite, all of them with ``FACTORY_SWEEP=N``, with N throws of the dice each.
"""

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from factory.beads.store import Store
from factory.git.repository import find

from . import judging, tracing
from .conftest import Ground
from .disk import MODELS, Disk, Model
from .tracing import WRITER

WORDS = ("say", "open", "say", "commit", "record", "say", "commit")
SEED = int(os.environ.get("FACTORY_SWEEP_SEED", "3"))
THROWS = int(os.environ.get("FACTORY_SWEEP", "1"))

TORN = frozenset({"the file is empty", "the last line is torn"})
"""What a write that was cut off may leave."""


def recorded(ground: Ground, start: Path, words: tuple[str, ...]) -> tuple[Disk, list[tuple[int, judging.Said]], int]:
    """What a writer asked of the disk, when it was told what, and how many calls that took."""
    argv = [*WRITER, *words]
    tracing.warm(argv, ground.home, ground.copy(start, "a"))
    root = ground.copy(start, "a")
    disk = Disk(root)
    told = []
    calls = tracing.record(argv, ground.home, root)
    for at, call in enumerate(calls):
        disk.ask(at, call)
        if (call.process, call.name, call.fd) == (0, "write", 1):
            told += [(at, one) for one in judging.acknowledged(call.texts[0])]
    return disk, told, len(calls)


def restarted(root: Path) -> None:
    """Make it look as if what is on the disk was written before the machine started."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().encode()
    for path in (root / ".git/factory").rglob("*"):
        if path.is_file() and boot in path.read_bytes():
            path.write_bytes(path.read_bytes().replace(boot, b"0" * len(boot)))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(("where", "step"), [("used", 7), ("new", 11), ("cloned", 11)])
def test_after_a_power_cut_at_any_moment_what_was_acknowledged_is_there(
    ground: Ground, every: Callable[[int], int], where: str, step: int, model: Model
) -> None:
    words = (ground.bead, *WORDS) if where != "new" else ("fa-0000", "open", *WORDS)
    disk, told, length = recorded(ground, getattr(ground, where), words)
    assert len(told) == len(words) - 1
    changes = sorted({step.at for step in disk.steps} | {at for at, _ in told})
    moments = [*changes[:: every(step)], length]
    failures = judging.Failures()
    for moment, throw in itertools.product(moments, range(THROWS)):
        chance = Random(f"{SEED} {where} {model} {moment} {throw}")
        root = ground.home / "attacked" / "b"
        shutil.rmtree(root, ignore_errors=True)
        disk.cut(moment, model, chance, root)
        restarted(root)
        said = [one for at, one in told if at < moment]
        with failures.of(f"seed {SEED}, {where}, {model}, cut before call {moment} of {length}, throw {throw}", root):
            holds(root, said, ground.bead if where != "new" else "")
    failures.none()


def holds(root: Path, said: list[judging.Said], bead: str) -> None:
    repo = find(root)
    Store(repo).prepare()
    judging.everything_acknowledged_is_there_once(repo, said)
    if not bead and said:
        bead = said[0].bead
    judging.life_goes_on(root, said, bead, command=not bead, left=TORN)
