"""What beads tell: plausible lives by the lifecycle's rules, drawn from a seeded source of chance."""

import random
from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from factory.base.ids import BASE32, BeadId, SessionId

AGENTS = ("ada", "grace", "linus", "margaret", "ken", "barbara", "edsger", "fix-bot")
PEOPLE = ("human:ana@example.org", "human:bo@example.org", "human:chi@example.org")
FLOOR, LANDING = "floor:vm", "landing:main"
_AREAS, _KINDS = ("api", "cli", "docs", "store", "web"), ("bug", "feature", "debt")
LABELS = tuple(f"{area}/{kind}" for area in _AREAS for kind in _KINDS)
GATES = ("tests", "lint")
_NOBODY = SessionId("")

_VERBS = ("Make", "Teach", "Stop", "Let", "Keep", "Show", "Test", "Move", "Rename", "Speed up", "Document", "Remove")
_THINGS = (
    "the parser", "the cache", "the merge queue", "the login page", "a retry", "the exporter", "the price table",
    "the search box", "the settings file", "the scheduler", "the upload", "the changelog", "the Übersicht",
)  # fmt: skip
_WAYS = (
    "accept empty input", "survive a restart", "answer at once", "name the file", "without a lock", "in one place",
    "on a slow disk", "when the clock jumps", "for more than one user", "with less memory", "after a crash",
)  # fmt: skip
_SENTENCES = (
    "It fails on the second run and leaves a half-written file behind.",
    "The log shows where: the value is read before the lock is taken.",
    "A test with an empty folder would have caught this; add it.",
    "Nobody else calls this function, so its signature may change.",
    "Keep the old name as an alias for one release.",
    "Measured on a folder of 5,000 files: 3.1 s before, and a tenth of that is needed.",
    "See also `docs/design.md`, section 4, and what was said in the review.",
    "Größen stehen in Bytes, not in blocks.",
)
_LOG = "tests/test_parser.py:41: in test_empty\nE   AssertionError: assert parse('') == []\n1 failed, 211 passed"

# state at the end: how many of a hundred, when the bead is old and when it is young
_ENDS: dict[str, tuple[float, float]] = {
    "landed": (88, 52), "done": (4, 2), "dropped": (5, 3), "open": (3, 37),
    "proposed": (0, 2), "waiting": (0, 2), "queued": (0, 1), "working": (0, 1),
}  # fmt: skip


def words(rng: random.Random) -> str:
    """A title that is hardly ever drawn twice."""
    return f"{rng.choice(_VERBS)} {rng.choice(_THINGS)} {rng.choice(_WAYS)} (#{rng.randrange(10**6)})"


@dataclass(frozen=True)
class Moment:
    """One event without its id, its time and its bead."""

    type: str
    by: str
    data: dict[str, object]
    session: SessionId | None = None


@dataclass(frozen=True)
class Landing:
    """A move of the target: the tree, the commit before, the candidate, and the commit that landed."""

    tree: str
    onto: str
    candidate: str
    commit: str


class Lands(Protocol):
    """Where changes land."""

    head: str

    def land(self, bead: str, ms: int, *, agent: str, message: str, receipts: str) -> Landing:
        """Move on by one commit that names ``bead``."""
        ...


@dataclass
class Teller:
    """Makes up one bead after another; later ones may need, or be a part of, those that are still open."""

    rng: random.Random
    target: Lands
    open: deque[BeadId] = field(default_factory=lambda: deque(maxlen=500))
    epics: deque[BeadId] = field(default_factory=lambda: deque(maxlen=20))
    ended: deque[BeadId] = field(default_factory=lambda: deque(maxlen=500))
    taken: set[BeadId] = field(default_factory=set)

    def new_id(self) -> BeadId:
        """An id that no bead has, as long as the factory would make it; but drawn from the seed."""
        length = 4
        while 32**length < 1000 * (len(self.taken) + 1):
            length += 1
        while True:
            bead = BeadId("fa-" + "".join(self.rng.choices(BASE32, k=length)))
            if bead not in self.taken:
                self.taken.add(bead)
                return bead

    def story(self, bead: BeadId, ms: int, *, age: float, share: float) -> tuple[list[Moment], str]:
        """The events of a bead and the state they lead to.

        ``age`` goes from 1 (the oldest) to 0; ``share`` is the mean number of events that is to come out.
        """
        rng = self.rng
        weights = [old * age + young * (1 - age) for old, young in _ENDS.values()]
        state = rng.choices(list(_ENDS), weights)[0]
        title = words(rng)
        opened = self._opened(title, state)
        end = self._end(bead, ms, title, state)
        spare = max(0, round(share) - 1 - len(end))
        talk = [self._talk() for _ in range(min(spare, 60))]
        {"open": self.open, "landed": self.ended, "done": self.ended}.get(state, deque()).append(bead)
        if state == "open" and rng.random() < 0.02:
            self.epics.append(bead)
        return [opened, *talk, *end], state

    def _opened(self, title: str, state: str) -> Moment:
        rng = self.rng
        said: dict[str, object] = {"title": title, "text": self._text(rng.randrange(1, 7))}
        if rng.random() < 0.5:
            said["priority"] = rng.choice((0, 1, 1, 3, 3, 3, 4))
        if rng.random() < 0.7:
            said["labels"] = rng.sample(LABELS, rng.randrange(1, 4))
        if rng.random() < 0.35 and (state == "open" or self.ended):
            waits = state == "open" and self.open and rng.random() < 0.8
            said["needs"] = [rng.choice(self.open if waits or not self.ended else self.ended)]
        if self.epics and rng.random() < 0.15:
            said["part_of"] = [rng.choice(self.epics)]
        if self.ended and rng.random() < 0.05:
            said[rng.choice(("found_from", "relates"))] = [rng.choice(self.ended)]
        return Moment("bead_opened", f"agent:{rng.choice(AGENTS)}" if state == "proposed" else rng.choice(PEOPLE), said)

    def _talk(self) -> Moment:
        rng = self.rng
        kind = rng.random()
        if kind < 0.7:
            by = rng.choice((*PEOPLE, f"agent:{rng.choice(AGENTS)}"))
            return Moment("bead_commented", by, {"text": self._text(rng.randrange(1, 4))})
        if kind < 0.8:
            return Moment("bead_hooked", rng.choice(PEOPLE), {"agent": rng.choice(AGENTS)})
        edit: dict[str, object] = {"priority": rng.randrange(5)} if kind < 0.9 else {"add_labels": [rng.choice(LABELS)]}
        return Moment("bead_edited", rng.choice(PEOPLE), edit)

    def _end(self, bead: BeadId, ms: int, title: str, state: str) -> list[Moment]:
        person = self.rng.choice(PEOPLE)
        work = Work(self.rng, bead, self.target.head)
        match state:
            case "landed":
                return self._landed(work, ms, title)
            case "done":
                reason = {"reason": "It already does, since the last release."}
                yes = Moment("no_change_accepted", person, {"reason": "Seen in the log of the nightly run."})
                return [*work.attempts(), Moment("no_change_reported", work.by, reason, work.session), yes]
            case "dropped":
                return [Moment("bead_dropped", person, {"reason": "Not worth its cost any more."})]
            case "waiting":
                asked = {"reason": "Which of the two files is meant?"}
                return [*work.attempts(), Moment("question_asked", work.by, asked, work.session)]
            case "queued":
                return [*work.attempts(), work.submitted()]
            case "working":
                return work.attempts()
            case "open" if self.rng.random() < 0.2:
                return [*work.attempts(), work.failed()]
            case _:
                return []

    def _landed(self, work: "Work", ms: int, title: str) -> list[Moment]:
        moments = [*work.attempts(), work.submitted()]
        if self.rng.random() < 0.15:
            moments += [*work.returned(), *work.attempts(), work.submitted()]
        told = f"Bead: {work.bead}\nAgent: {work.agent}\nSession: {work.session}\nModel: none\n"
        receipts = "".join(f"Gate: {gate} passed in 4.2 s\n" for gate in GATES)
        landing = self.target.land(
            work.bead, ms, agent=work.agent, message=f"{title}\n\n{work.summary}\n\n{told}", receipts=receipts
        )
        built = {"commit": landing.candidate, "tree": landing.tree, "onto": landing.onto}
        announced = {"commit": landing.commit, "target": "main", "onto": landing.onto}
        landed = {"commit": landing.commit, "target": "main", "head": work.head}
        return [
            *moments,
            Moment("candidate_built", LANDING, built),
            *(work.gate(landing.candidate, gate, "passed") for gate in GATES),
            Moment("landing_announced", LANDING, announced),
            Moment("bead_landed", LANDING, landed),
        ]

    def _text(self, sentences: int) -> str:
        return " ".join(self.rng.choices(_SENTENCES, k=sentences))


@dataclass
class Work:
    """The attempts at one bead; the fencing number and the branch grow with each."""

    rng: random.Random
    bead: BeadId
    base: str
    fence: int = 0
    agent: str = ""
    session: SessionId = _NOBODY
    head: str = ""

    @property
    def by(self) -> str:
        """Who writes for the session."""
        return f"agent:{self.agent}"

    @property
    def summary(self) -> str:
        """What the agent said of its change."""
        return f"Read it under the lock, and test the empty case. Attempt {self.fence}."

    def attempts(self) -> list[Moment]:
        """Sessions until one does not fail; the last is still at work."""
        moments = [self._started()]
        while self.rng.random() < 0.12:
            moments += [self.failed(), self._started()]
        return moments

    def _started(self) -> Moment:
        self.fence += 1
        self.agent = self.rng.choice(AGENTS)
        self.session = SessionId("s" + "".join(self.rng.choices(BASE32, k=10)))
        said: dict[str, object] = {
            "agent": self.agent, "runtime": "command", "model": "", "attempt": self.fence, "fence": self.fence,
            "base": self.base, "branch": f"factory/{self.bead}/{self.fence}", "target": "main",
        }  # fmt: skip
        return Moment("session_started", FLOOR, said, self.session)

    def failed(self) -> Moment:
        """The session ended without an answer."""
        said: dict[str, object] = {"code": "exit", "reason": "the agent ended with exit 1", "evidence": _LOG}
        return Moment("session_failed", self.by, said, self.session)

    def submitted(self) -> Moment:
        """The session ended with a change."""
        self.head = f"{self.rng.getrandbits(160):040x}"
        said: dict[str, object] = {"head": self.head, "base": self.base, "summary": self.summary}
        return Moment("change_submitted", self.by, said, self.session)

    def returned(self) -> list[Moment]:
        """A gate said no, and landing gave it back."""
        commit, tree = (f"{self.rng.getrandbits(160):040x}" for _ in range(2))
        reason = "gate tests failed with exit 1"
        back: dict[str, object] = {"code": "gate", "reason": reason, "evidence": _LOG}
        return [
            Moment("candidate_built", LANDING, {"commit": commit, "tree": tree, "onto": self.base}),
            self.gate(commit, "tests", "failed", reason=reason, evidence=_LOG),
            Moment("bead_returned", LANDING, back),
        ]

    def gate(self, commit: str, gate: str, answer: str, **more: object) -> Moment:
        """What a gate said of a candidate."""
        said = {"commit": commit, "gate": gate, "answer": answer, "reason": f"gate {gate} passed", "seconds": 4.2}
        return Moment("gate_finished", LANDING, {**said, **more})
