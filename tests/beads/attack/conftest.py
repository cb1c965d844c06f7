"""Repositories to attack: made once, copied for each attack."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from factory.beads.payloads import BeadCommented, BeadOpened, checked
from factory.beads.store import Store
from factory.beads.sync import Clone, sync
from factory.git import repository
from factory.git.remote import choose
from tests.conftest import commit, git

pytest.register_assert_rewrite("tests.beads.attack.judging")

SWEEP = "FACTORY_SWEEP" in os.environ
"""Read here, because a sealed world has no such variable."""

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


@dataclass(frozen=True)
class Meeting:
    """A clone to attack whose remote has beads that it lacks; both are copied for each attack."""

    ground: Ground
    clone: Path
    hub: Path

    def copy(self) -> tuple[Path, Path]:
        """The clone and its remote, where they always stand."""
        return self.ground.copy(self.clone, "a"), self.ground.copy(self.hub, "hub.git")


@pytest.fixture
def meeting(ground: Ground, tmp_path: Path) -> Meeting:
    """Two clones have written to the same bead, and one of them has synced."""
    hub, other, clone = tmp_path / "hub.git", tmp_path / "other", tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--bare", str(ground.used), str(hub))
    for place in (other, clone):
        shutil.copytree(ground.used, place, symlinks=True)
        git(place, "remote", "add", "origin", str(ground.home / "attacked" / "hub.git"))
    store = Store(repository.find(other))
    store.append(ground.bead, checked(BeadCommented, text="from the other clone"), ANA)
    store.open(checked(BeadOpened, title="opened in the other clone"), ANA)
    place = ground.copy(hub, "hub.git")
    sync(Clone(repository.find(other), store), choose(repository.find(other)))
    shutil.rmtree(hub)
    shutil.copytree(place, hub)
    store = Store(repository.find(clone))
    store.append(ground.bead, checked(BeadCommented, text="from this clone"), ANA)
    return Meeting(ground, clone, hub)


@pytest.fixture(scope="session")
def every() -> Callable[[int], int]:
    """The step through the points of an attack: all of them when ``FACTORY_SWEEP`` is set, else every so many-th."""
    return lambda step: 1 if SWEEP else step
