"""Two clones and a remote beside a model that only knows sets: a sync loses nothing and doubles nothing.

Bounded for the suite; ``FACTORY_SWEEP=N`` runs 50 N examples of 60 steps.
"""

import os
import shutil
import tempfile
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from factory.base.errors import Refused
from factory.beads import payloads as say
from factory.beads.fold import fold
from factory.beads.store import Store
from factory.beads.stories import NoSuchBead
from factory.beads.sync import Clone, sync
from factory.git.remote import choose
from factory.git.repository import find
from tests.beads.making import HandClock
from tests.conftest import git

from . import judging

SWEEP = "FACTORY_SWEEP" in os.environ
EXAMPLES = 50 * int(os.environ["FACTORY_SWEEP"]) if SWEEP else 5
STEPS = 60 if SWEEP else 25
DAY_MS = 86_400_000
CLONES = 2
HERE = st.integers(0, CLONES - 1)
PAYLOADS = st.sampled_from(
    [
        say.BeadCommented(text="hello"),
        say.BeadDropped(reason="no"),
        say.BeadReopened(),
        say.BeadEdited(title="two"),
        say.BeadEdited(add_labels=("a",), remove_labels=("b",)),
        say.BeadEdited(add_labels=("b",), remove_labels=("a",)),
    ]
)


class ClonesBesideSets(RuleBasedStateMachine):
    """The model of a clone, and of the remote, is the set of the ids of events that it must have."""

    beads: Bundle[str] = Bundle("beads")

    @initialize()
    def begin(self) -> None:
        """A remote and two fresh clones, a day apart."""
        self.top = Path(tempfile.mkdtemp(prefix="clones"))
        self.hub = self.top / "hub.git"
        git(self.top, "init", "-q", "--bare", "-b", "main", str(self.hub))
        self.clocks = [HandClock(1_700_000_000_000 + number * DAY_MS) for number in range(CLONES)]
        self.clones = []
        for number, clock in enumerate(self.clocks):
            root = self.top / f"clone{number}"
            root.mkdir()
            git(root, "init", "-q", "-b", "main")
            git(root, "commit", "-q", "--allow-empty", "-m", "begin")
            git(root, "remote", "add", "origin", str(self.hub))
            repo = find(root)
            self.clones.append(Clone(repo, Store(repo, clock)))
        self.has: list[set[str]] = [set() for _ in range(CLONES)]
        self.hub_has: set[str] = set()
        self.synced = [False] * CLONES
        self.both = self.open(0)
        for here in range(CLONES):
            self.sync(here)

    def teardown(self) -> None:
        if hasattr(self, "top"):
            shutil.rmtree(self.top)

    def wrote(self, here: int, bead: str) -> None:
        """The newest line of the bead is the model's as well."""
        newest = self.clones[here].store.events(bead)[-1]
        assert newest.id not in self.has[here]
        self.has[here].add(newest.id)
        self.synced[here] = False

    @rule(target=beads, here=HERE)
    def open(self, here: int) -> str:
        bead = self.clones[here].store.open(say.BeadOpened(title="one"), "human:ana")
        self.wrote(here, bead)
        return bead

    @rule(here=HERE, bead=beads, payload=PAYLOADS)
    def append(self, here: int, bead: str, payload: say.Payload) -> None:
        try:
            self.clones[here].store.append(bead, payload, "human:ana")
        except (Refused, NoSuchBead):
            return
        self.wrote(here, bead)

    @rule(first=HERE, payload=PAYLOADS, other=PAYLOADS)
    def both_write_to_the_same_bead(self, first: int, payload: say.Payload, other: say.Payload) -> None:
        self.append(first, self.both, payload)
        self.append(1 - first, self.both, other)

    @rule(here=HERE)
    def commit(self, here: int) -> None:
        self.clones[here].store.commit()

    @rule(here=HERE, days=st.integers(-3, 3))
    def jump(self, here: int, days: int) -> None:
        self.clocks[here].ms += days * DAY_MS + 1

    @rule(here=HERE)
    def restart(self, here: int) -> None:
        repo = self.clones[here].repo
        self.clones[here] = Clone(repo, Store(repo, self.clocks[here]))

    @rule(here=HERE)
    def sync(self, here: int) -> None:
        clone = self.clones[here]
        sync(clone, choose(clone.repo))
        self.hub_has |= self.has[here]
        self.has[here] = set(self.hub_has)
        self.synced[here] = True
        judging.the_branch_is_the_live_copy(clone.repo)

    @invariant()
    def each_clone_has_what_it_must_and_each_once(self) -> None:
        for clone, has in zip(self.clones, self.has, strict=True):
            beads = clone.store.snapshot().beads
            events = {bead: clone.store.events(bead) for bead in beads}
            ids = [event.id for each in events.values() for event in each]
            assert sorted(ids) == sorted(has)
            for bead, each in events.items():
                assert fold(Random(7).sample(each, len(each))) == beads[bead]

    @precondition(lambda self: all(self.synced) and self.has[0] == self.has[1])
    @invariant()
    def two_clones_that_met_say_the_same(self) -> None:
        one, other = (clone.store.snapshot().beads for clone in self.clones)
        assert one == other


ClonesBesideSets.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize=not SWEEP,
    database=None,
    phases=[Phase.generate, *([Phase.shrink] if SWEEP else [])],
    report_multiple_bugs=False,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


class TestClonesBesideSets(ClonesBesideSets.TestCase):  # type: ignore[misc, valid-type]
    """The machine, run by pytest in a sealed world."""

    import pytest

    @pytest.fixture(autouse=True)
    def _sealed(self, sealed: Path) -> None:
        """No configuration of whoever runs this."""
