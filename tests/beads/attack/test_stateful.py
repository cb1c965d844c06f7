"""The store beside a plain model: whatever is done, in whatever order, by however many, both say the same.

Bounded for the suite; ``FACTORY_SWEEP=N`` runs 200 N examples of 60 steps, from a seed that Hypothesis prints.
"""

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from random import Random

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, precondition, rule

from factory.base.errors import Refused
from factory.base.ids import BeadId, SessionId
from factory.beads import payloads as say
from factory.beads.fold import fold
from factory.beads.store import Store
from factory.git.repository import find
from tests.beads.making import OID, HandClock
from tests.conftest import git

from . import judging
from .plain import TABLE, Plain, World

EXAMPLES = 200 * int(os.environ["FACTORY_SWEEP"]) if "FACTORY_SWEEP" in os.environ else 12
STEPS = 60 if "FACTORY_SWEEP" in os.environ else 30
DAY_MS = 86_400_000
STORES = 3

PAYLOADS: dict[str, say.Payload] = {
    "bead_hooked": say.BeadHooked(agent="ada"),
    "session_started": say.SessionStarted(
        agent="ada", runtime="command", model="", attempt=1, base=OID, branch="factory/x/1", target="main"
    ),
    "bead_claimed": say.BeadClaimed(until="9999-01-01T00:00:00.000Z"),
    "bead_released": say.BeadReleased(reason="r"),
    "change_submitted": say.ChangeSubmitted(head=OID, base=OID, summary="s"),
    "no_change_reported": say.NoChangeReported(reason="r"),
    "question_asked": say.QuestionAsked(reason="r"),
    "session_failed": say.SessionFailed(code="gone", reason="r"),
    "bead_held": say.BeadHeld(code="policy", reason="r"),
    "candidate_built": say.CandidateBuilt(commit=OID, tree=OID, onto=OID),
    "bead_returned": say.BeadReturned(code="gate", reason="r", evidence="e"),
    "bead_landed": say.BeadLanded(commit=OID, target="main", head=OID),
    "change_approved": say.ChangeApproved(),
    "bead_reopened": say.BeadReopened(),
    "bead_dropped": say.BeadDropped(reason="r"),
}
MOVES = sorted(PAYLOADS)
SESSIONS = st.sampled_from(["s1", "s2"])
STORE = st.integers(0, STORES - 1)
LABELS = st.frozensets(st.sampled_from(["a", "b", "c"]), max_size=2)
WORDS = st.text('abc é\u2028\N{WINKING FACE}\\"', min_size=1, max_size=8).filter(str.strip)


class StoreBesideModel(RuleBasedStateMachine):
    """Three stores on one clone, each with a clock of its own, and the model."""

    beads: Bundle[str] = Bundle("beads")

    @initialize()
    def begin(self) -> None:
        """A fresh repository."""
        self.top = Path(tempfile.mkdtemp(prefix="stateful"))
        git(self.top, "init", "-q", "-b", "main")
        git(self.top, "commit", "-q", "--allow-empty", "-m", "begin")
        self.repo = find(self.top)
        self.clocks = [HandClock(1_700_000_000_000 + number * DAY_MS) for number in range(STORES)]
        self.stores = [Store(self.repo, clock) for clock in self.clocks]
        self.world = World()
        self.damaged: Counter[str] = Counter()
        self.is_committed = False

    def teardown(self) -> None:
        if hasattr(self, "top"):
            shutil.rmtree(self.top)

    # ------------------------------------------------------------------ what people do

    @rule(target=beads, at=STORE, title=st.sampled_from(["one", "two"]), priority=st.integers(0, 4), labels=LABELS)
    def open(self, at: int, title: str, priority: int, labels: frozenset[str]) -> str:
        opened = say.BeadOpened(title=title, priority=priority, labels=tuple(labels))
        bead = self.stores[at].open(opened, "human:ana")
        self.world.beads[bead] = Plain(title, "open", priority, set(labels))
        self.is_committed = False
        return bead

    @rule(bead=beads, at=STORE, text=WORDS)
    def comment(self, bead: str, at: int, text: str) -> None:
        self.attempt(bead, say.BeadCommented(text=text), at, "human", None)
        self.world.beads[bead].said.append(text)

    @rule(bead=beads, at=STORE, priority=st.none() | st.integers(0, 4), more=LABELS, fewer=LABELS)
    def edit(self, bead: str, at: int, priority: int | None, more: frozenset[str], fewer: frozenset[str]) -> None:
        edited = say.BeadEdited(priority=priority, add_labels=tuple(more), remove_labels=tuple(fewer))
        if self.attempt(bead, edited, at, "agent", None):
            one = self.world.beads[bead]
            one.priority = one.priority if priority is None else priority
            one.labels = (one.labels | more) - fewer

    @rule(bead=beads, to=beads, at=STORE, edge=st.sampled_from(say.EDGES))
    def link(self, bead: str, to: str, at: int, edge: str) -> None:
        linked = say.BeadLinked(edge=edge, to=to)
        if self.attempt(bead, linked, at, "human", None, also=not self.world.would_cycle(bead, edge, to)):
            self.world.beads[bead].edges.add((edge, to))

    @rule(bead=beads, to=beads, at=STORE, edge=st.sampled_from(say.EDGES))
    def unlink(self, bead: str, to: str, at: int, edge: str) -> None:
        if self.attempt(bead, say.BeadUnlinked(edge=edge, to=to), at, "human", None):
            self.world.beads[bead].edges.discard((edge, to))

    @rule(
        bead=beads,
        at=STORE,
        type_=st.sampled_from(MOVES),
        proper=st.booleans(),
        role=st.sampled_from(["human", "agent", "floor", "landing"]),
        session=st.none() | SESSIONS,
    )
    def move(self, bead: str, at: int, type_: str, role: str, session: str | None, *, proper: bool) -> None:
        if proper:
            role = min(TABLE[type_][2])
        if type_ in ("session_started", "bead_claimed"):
            session = session or "s1"
        self.attempt(bead, PAYLOADS[type_], at, role, session)

    def attempt(
        self, bead: str, payload: say.Payload, at: int, role: str, session: str | None, *, also: bool = True
    ) -> bool:
        """Append; the model says whether it must be refused, and then nothing may have been written."""
        allowed = also and self.world.allows(bead, payload.type, role, session)
        store = self.stores[at]
        before = store.path(bead).read_bytes()
        whole = before[: before.rfind(b"\n") + 1]
        try:
            after = store.append(bead, payload, f"{role}:x", None if session is None else SessionId(session))
        except Refused as refused:
            if allowed:
                raise AssertionError(f"{payload.type} by {role}: {refused.sentence}") from refused
            assert store.path(bead).read_bytes() in (before, whole)
            return False
        assert allowed, f"{payload.type} by {role} in {self.world.beads[bead].state} was not refused"
        assert store.path(bead).read_bytes().startswith(whole)
        self.world.happens(bead, payload.type, session)
        assert after.state == self.world.beads[bead].state
        self.is_committed = False
        return True

    # ------------------------------------------------------------------ what happens to them

    @rule(at=STORE)
    def restart(self, at: int) -> None:
        self.stores[at] = Store(self.repo, self.clocks[at])

    @rule(at=STORE, days=st.integers(-3, 3))
    def jump(self, at: int, days: int) -> None:
        self.clocks[at].ms += days * DAY_MS + 1

    @rule(bead=beads, torn=st.sampled_from([b"{", b'{"v":1,"id":"01', b"\0\0\0", b"\xff\xfe"]))
    def crash_in_a_write(self, bead: str, torn: bytes) -> None:
        path = self.stores[0].path(bead)
        with path.open("ab") as file:
            file.write(torn)
        self.stores[0].changes.announce(self.stores[0].relative(path), "human:ana", "died")
        self.is_committed = False

    @rule(bead=beads, bad=st.sampled_from([b"\0\0garbage\n", b"<<<<<<< ours\n", b'{"v":1}\n', b"[]\n"]))
    def damage(self, bead: str, bad: bytes) -> None:
        self.stores[0].append(bead, say.BeadCommented(text="whole"), "human:ana")  # no torn tail before it
        self.world.beads[bead].said.append("whole")
        with self.stores[0].path(bead).open("ab") as file:
            file.write(bad)
        self.damaged[bead] += 1
        self.is_committed = False

    @rule()
    def lose_what_is_derived(self) -> None:
        state = self.repo.state_dir
        for path in [*state.glob("index*"), *state.glob("beads.*"), *state.glob("publish*"), *state.glob("changes*")]:
            path.unlink()

    @rule(at=STORE, everything=st.booleans())
    def commit(self, at: int, *, everything: bool) -> None:
        self.stores[at].commit(everything=everything or not self.is_committed)
        self.is_committed = True

    @precondition(lambda self: self.is_committed and self.world.beads)
    @rule()
    def lose_the_live_copy(self) -> None:
        shutil.rmtree(self.repo.state_dir / "live")
        self.stores[0].prepare()

    # ------------------------------------------------------------------ what holds

    @invariant()
    def they_say_the_same(self) -> None:
        fresh = Store(self.repo).snapshot()
        for beads in (fresh.beads, *(store.snapshot().beads for store in self.stores)):
            assert set(beads) == set(self.world.beads)
            for id_, plain in self.world.beads.items():
                bead = beads[BeadId(id_)]
                assert (bead.title, bead.state, bead.priority) == (plain.title, plain.state, plain.priority)
                assert (set(bead.labels), set(bead.edges)) == (plain.labels, plain.edges)
                assert bead.problems == ()
        told = Counter(Path(item.file).stem for item in fresh.damage if "torn" not in item.reason)
        assert told == self.damaged
        for id_, plain in self.world.beads.items():
            self.every_word_is_there_once_and_order_does_not_matter(id_, plain)
        if self.is_committed and self.world.beads:
            judging.the_branch_is_the_live_copy(self.repo)

    def every_word_is_there_once_and_order_does_not_matter(self, bead: str, plain: Plain) -> None:
        events = self.stores[0].events(bead)
        assert [event.data["text"] for event in events if event.type == "bead_commented"] == plain.said
        assert len({event.id for event in events}) == len(events)
        assert fold(Random(7).sample(events, len(events))) == fold(events)


StoreBesideModel.TestCase.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    derandomize="FACTORY_SWEEP" not in os.environ,
    database=None,
    phases=[Phase.generate, *([Phase.shrink] if "FACTORY_SWEEP" in os.environ else [])],
    report_multiple_bugs=False,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


class TestStoreBesideModel(StoreBesideModel.TestCase):  # type: ignore[misc, valid-type]
    """The machine, run by pytest in a sealed world."""

    import pytest

    @pytest.fixture(autouse=True)
    def _sealed(self, sealed: Path) -> None:
        """No configuration of whoever runs this."""
