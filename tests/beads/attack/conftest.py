"""Repositories to attack: made once, copied for each attack."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from factory.beads.payloads import BeadCommented, BeadOpened, checked
from factory.beads.store import Store
from factory.git import repository
from tests.conftest import commit, git

pytest.register_assert_rewrite("tests.beads.attack.judging")

ANA = "human:ana@example.org"


@dataclass(frozen=True)
class Ground:
    """A repository with one bead that is committed, one that was never used, and a clone of the first."""

    home: Path
    used: Path
    bead: str
    new: Path
    cloned: Path

    def copy(self, what: Path, name: str) -> Path:
        """A copy to attack; the place is always the same, so that a trace of one copy fits all."""
        place = self.home / "attacked" / name
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(what, place, symlinks=True)
        return place


@pytest.fixture
def ground(sealed: Path, tmp_path: Path) -> Ground:
    """What the attacks begin with."""
    (tmp_path / "template").mkdir()
    new, used, cloned = (tmp_path / name for name in ("new", "used", "cloned"))
    new.mkdir()
    git(new, "init", "-q", "-b", "main", "--template", str(tmp_path / "template"))
    commit(new, {"README.md": "# A project\n"})
    shutil.copytree(new, used)
    store = Store(repository.find(used))
    bead = store.open(checked(BeadOpened, title="attack me"), ANA)
    store.append(bead, checked(BeadCommented, text="before"), ANA)
    store.commit()
    git(tmp_path, "clone", "-q", "--template", str(tmp_path / "template"), str(used), str(cloned))
    (sealed / "trace").mkdir()
    return Ground(sealed / "trace", used, bead, new, cloned)


@pytest.fixture(scope="session")
def every() -> Callable[[int], int]:
    """The step through the points of an attack: all of them when ``FACTORY_SWEEP`` is set, else every so many-th."""
    return lambda step: 1 if os.environ.get("FACTORY_SWEEP") else step
