from dataclasses import replace

import pytest

from factory.base.ids import BeadId, CommitId, EventId, SessionId, TreeId
from factory.beads.bead import Bead, Candidate, Change, Hook, Run, Verdict
from factory.landing.step import Build, Hold, Land, RunGates, SendBack, Step, Target, Wait, in_line, next_step

HEAD, OTHER = CommitId("a" * 40), CommitId("b" * 40)
GATES = ("lint", "tests")
TARGET = Target("main", HEAD, GATES, reworks=2)
RUN = Run(SessionId("s1"), "ada", "command", "", 1, 1, HEAD, "factory/fa-0000/1", "", "main")
CHANGE = Change(OTHER, HEAD, "factory/fa-0000/1", SessionId("s1"), "ada", "", "did it", EventId("1"))
BEAD = Bead(BeadId("fa-0000"), title="Do it", state="queued", change=CHANGE)


def verdict(gate: str, answer: str) -> Verdict:
    return Verdict(gate, answer, f"gate {gate} {answer}", 1.0, "E")


def queued_with(*verdicts: Verdict, onto: CommitId = HEAD) -> Bead:
    return replace(BEAD, candidate=Candidate(OTHER, TreeId("c" * 40), onto, verdicts))


PASSED = (verdict("lint", "passed"), verdict("tests", "passed"))


@pytest.mark.parametrize(
    ("bead", "running", "step"),
    [
        (BEAD, False, Build()),
        (queued_with(*PASSED, onto=OTHER), False, Build()),
        (queued_with(), False, RunGates()),
        (queued_with(verdict("lint", "passed")), False, RunGates()),
        (queued_with(*PASSED), False, Land()),
        (queued_with(verdict("tests", "failed")), False, SendBack("gate", "gate tests failed", "E")),
        (queued_with(*PASSED[:1], verdict("tests", "failed")), True, SendBack("gate", "gate tests failed", "E")),
    ],
)
def test_each_state_of_the_evidence_has_one_next_step(bead: Bead, running: bool, step: Step) -> None:
    assert next_step(bead, TARGET, gates_running=running) == step


def test_nothing_lands_while_a_gate_of_the_target_has_not_answered() -> None:
    for known in ((), PASSED[:1], PASSED[1:], (verdict("other", "passed"),)):
        assert not isinstance(next_step(queued_with(*known), TARGET, gates_running=False), Land)


def test_a_gate_that_could_not_say_holds_the_change_at_once() -> None:
    step = next_step(queued_with(verdict("tests", "held")), TARGET, gates_running=False)
    assert isinstance(step, Hold)
    assert step.code == "gate-held"


def test_a_red_gate_goes_back_twice_and_then_to_a_person() -> None:
    red = queued_with(verdict("tests", "failed"))
    steps = [next_step(replace(red, rounds=rounds), TARGET, gates_running=False) for rounds in range(4)]
    assert [type(step) for step in steps] == [SendBack, SendBack, Hold, Hold]


def test_an_obstacle_of_the_target_stops_everything() -> None:
    obstacle = Wait("no-gate", "no gate is configured", "add one")
    assert next_step(queued_with(*PASSED), replace(TARGET, obstacle=obstacle), gates_running=False) == obstacle


def test_a_bead_that_was_not_to_land_waits_for_review() -> None:
    step = next_step(replace(queued_with(*PASSED), hook=Hook("ada", land=False)), TARGET, gates_running=False)
    assert isinstance(step, Hold)
    assert step.code == "review"


def test_the_line_is_by_priority_and_then_by_submission() -> None:
    beads = {
        name: Bead(
            BeadId(name), state="queued", priority=priority, run=RUN, change=replace(CHANGE, submitted=EventId(at))
        )
        for name, priority, at in (("late", 2, "3"), ("early", 2, "2"), ("urgent", 0, "9"))
    }
    assert [bead.id for bead in in_line(beads, "main")] == ["urgent", "early", "late"]
