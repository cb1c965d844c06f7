import random
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.base.errors import Refused
from factory.beads.bead import Bead
from factory.beads.events import Event
from factory.beads.fold import _EFFECTS, fold
from factory.beads.lifecycle import EVENT_TYPES, STATES, State, allowed_in, next_state

from .making import OID, Maker

ROLES = ("human", "agent", "floor", "landing", "stranger")


def folded(*events: Event) -> Bead:
    bead = fold(events)
    assert bead is not None
    return bead


@given(
    st.lists(st.tuples(st.sampled_from(sorted(EVENT_TYPES)), st.sampled_from(ROLES), st.sampled_from(["s1", "s2"]))),
    st.integers(),
)
def test_the_fold_does_not_depend_on_the_order_of_arrival(steps: list[tuple[str, str, str]], seed: int) -> None:
    maker = Maker()
    events = [maker.opened()] + [
        maker.event(type_, f"{role}:x", {"attempt": 1, "title": "T", "reason": "r"}, session)
        for type_, role, session in steps
    ]
    shuffled = [*events, *events]
    random.Random(seed).shuffle(shuffled)
    assert fold(shuffled) == fold(events)


@given(st.sampled_from(STATES), st.sampled_from(sorted(EVENT_TYPES)), st.sampled_from(ROLES))
def test_the_table_either_leads_to_a_state_or_names_what_is_allowed(state: State, event: str, role: str) -> None:
    try:
        following = next_state("fa-0000", state, event, role)
    except Refused as refusal:
        said = refusal.sentence
        assert "fa-0000" in said
        return
    assert following in get_args(State)
    assert event in allowed_in(state)


def test_every_event_type_has_an_effect() -> None:
    assert set(_EFFECTS) == EVENT_TYPES


def test_only_landing_lands() -> None:
    for role in ("human", "agent", "floor"):
        with pytest.raises(Refused):
            next_state("fa-0000", "queued", "bead_landed", role)
    assert next_state("fa-0000", "queued", "bead_landed", "landing") == "landed"


def test_a_session_that_lost_the_bead_can_submit_nothing() -> None:
    maker = Maker()
    story = [maker.opened(), maker.started("s1")]
    story += [maker.event("session_failed", "floor:x", {"code": "lost", "reason": "gone"}, "s1")]
    bead = folded(*story, maker.started("s2", 2), maker.submitted("s1"))
    assert bead.state == "working"
    assert bead.change is None
    assert "does not hold the bead" in bead.problems[0]


def test_interrupted_sessions_do_not_count_as_failures_and_others_do() -> None:
    maker = Maker()
    story = [maker.opened()]
    for number, code in enumerate(("lost", "exit", "lost", "timeout")):
        story += [maker.started(f"s{number}", number + 1)]
        story += [maker.event("session_failed", "floor:x", {"code": code, "reason": "r"}, f"s{number}")]
    bead = folded(*story)
    assert bead.failures == 2
    assert bead.attempts == 4


def test_rounds_count_refusals_and_begin_anew_when_a_person_reopens() -> None:
    maker = Maker()
    story = [maker.opened()]
    for number in range(2):
        story += [maker.started(f"s{number}", number + 1), maker.submitted(f"s{number}")]
        story += [maker.event("bead_returned", "landing:main", {"code": "gate", "reason": "red", "evidence": "e"})]
    assert folded(*story).rounds == 2
    story += [
        maker.event("bead_held", "floor:x", {"code": "x", "reason": "r"}),
        maker.event("bead_reopened", "human:a"),
    ]
    assert folded(*story).rounds == 0


def test_a_verdict_on_an_older_candidate_changes_nothing() -> None:
    maker = Maker()
    story = [maker.opened(), maker.started(), maker.submitted()]
    story += [maker.event("candidate_built", "landing:main", {"commit": OID, "tree": OID, "onto": OID})]
    other = maker.event("gate_finished", "landing:main", {"commit": "2" * 40, "gate": "tests", "answer": "passed"})
    bead = folded(*story, other)
    assert bead.candidate is not None
    assert bead.candidate.verdicts == ()


def test_labels_and_edges_are_sets_that_events_add_to_and_remove_from() -> None:
    maker = Maker()
    story = [
        maker.opened(labels=["a", "b"], needs=["fa-1111"]),
        maker.event("bead_edited", "human:a", {"add_labels": ["c"], "remove_labels": ["a"]}),
        maker.event("bead_linked", "human:a", {"edge": "needs", "to": "fa-2222"}),
        maker.event("bead_unlinked", "human:a", {"edge": "needs", "to": "fa-1111"}),
    ]
    bead = folded(*story)
    assert bead.labels == {"b", "c"}
    assert bead.needs == ("fa-2222",)


def test_unknown_types_and_newer_versions_are_passed_over() -> None:
    maker = Maker()
    newer = maker.event("bead_dropped", "human:a", {"reason": "no"})
    newer = Event(newer.id, newer.at, newer.by, newer.on, None, newer.type, newer.data, version=2)
    bead = folded(maker.opened(), newer, maker.event("bead_blessed", "human:a"))
    assert bead.state == "open"
    assert bead.problems == ()


def test_approving_needs_a_change() -> None:
    maker = Maker()
    story = [maker.opened(), maker.event("bead_held", "floor:x", {"code": "x", "reason": "r"})]
    bead = folded(*story, maker.event("change_approved", "human:a"))
    assert bead.state == "waiting"
    assert "has no change to approve" in bead.problems[0]
