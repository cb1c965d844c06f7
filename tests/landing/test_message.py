from hypothesis import given
from hypothesis import strategies as st

from factory.base.ids import BeadId, CommitId, EventId, SessionId
from factory.beads.bead import Bead, Change, Verdict
from factory.landing.candidate import landing_message


@given(st.text(max_size=300))
def test_nothing_that_an_agent_says_ends_up_among_the_trailers(summary: str) -> None:
    change = Change(CommitId("a"), CommitId("b"), "x", SessionId("s1"), "ada", "", summary, EventId("1"))
    message = landing_message(Bead(BeadId("fa-0000"), title="Do it"), change, (Verdict("t", "passed", "", 1.0),))
    paragraphs = message.rstrip("\n").split("\n\n")
    assert paragraphs[0] == "Do it"
    assert paragraphs[-1] == "Bead: fa-0000\nAgent: ada\nSession: s1\nModel: none\nGate: t passed in 1.0 s"
