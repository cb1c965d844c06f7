from hypothesis import given
from hypothesis import strategies as st

from factory.beads.codec import decode, encode
from factory.beads.fold import fold
from factory.beads.lifecycle import EVENT_TYPES

from .making import OID, Maker
from .test_fold import ROLES

DATA = {
    "attempt": 1, "title": "T", "reason": "r", "code": "gate", "commit": OID, "tree": OID, "onto": OID, "gate": "tests",
    "answer": "passed", "seconds": 1.5, "edge": "needs", "to": "fa-1111", "add_labels": ["x"], "target": "main",
    "until": "2099-01-01T00:00:00.000Z", "not_before": "2099-01-01T00:00:00.000Z", "fence": 3, "head": OID, "base": OID,
}  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(sorted(EVENT_TYPES)), st.sampled_from(ROLES), st.sampled_from(["s1", "c2"]))))
def test_a_bead_reads_back_as_it_was_kept(steps: list[tuple[str, str, str]]) -> None:
    maker = Maker()
    story = [maker.opened(labels=["a"], needs=["fa-2222"], origin="beads:bd-1")]
    bead = fold(story + [maker.event(type_, f"{role}:x", DATA, session) for type_, role, session in steps])
    assert bead is not None
    assert decode(encode(bead)) == bead


def test_a_bead_with_a_candidate_and_verdicts_reads_back_too() -> None:
    maker = Maker()
    story = [maker.opened(), maker.started(), maker.submitted()]
    story += [maker.event("candidate_built", "landing:main", DATA), maker.event("gate_finished", "landing:main", DATA)]
    bead = fold(story)
    assert bead is not None
    assert bead.candidate is not None
    assert len(bead.candidate.verdicts) == 1
    assert decode(encode(bead)) == bead
