from hypothesis import given
from hypothesis import strategies as st

from factory.base.ids import BeadId, CommitId, EventId, SessionId
from factory.base.settings import Agent, Settings
from factory.beads.bead import Bead, Hook, Run
from factory.beads.lifecycle import STATES, State
from factory.floor.plan import GiveUp, Start, plan
from factory.roster.identities import Identity

ADA, BEN = Identity("ada"), Identity("ben")
KNOWN = {"ada": ADA, "ben": BEN}
NOW = "2026-11-21T00:00:00.000Z"
SETTINGS = Settings(max_agents=2, retries=2, agents={"ada": Agent(), "ben": Agent()})


def bead(name: str, state: State = "open", agent: str = "", *, failures: int = 0) -> Bead:
    run = Run(SessionId("s"), agent, "command", "", 1, 1, CommitId(""), "", "") if state == "working" else None
    return Bead(BeadId(name), state=state, opened=EventId(name), hook=Hook(agent), run=run, failures=failures)


def world(*beads: Bead) -> dict[BeadId, Bead]:
    return {made.id: made for made in beads}


def test_work_on_the_hook_starts_at_once_and_in_order() -> None:
    planned = plan(world(bead("b", agent="ben"), bead("a", agent="ada")), KNOWN, SETTINGS, backlog=False, now=NOW)
    assert planned.starts == (Start(BeadId("a"), "ada", 1), Start(BeadId("b"), "ben", 1))


def test_without_the_backlog_nobody_takes_what_is_on_no_hook() -> None:
    assert plan(world(bead("a")), KNOWN, SETTINGS, backlog=False, now=NOW).starts == ()
    assert plan(world(bead("a")), KNOWN, SETTINGS, backlog=True, now=NOW).starts == (Start(BeadId("a"), "ada", 1),)


def test_the_least_busy_agent_gets_the_next_bead() -> None:
    beads = world(bead("a", "working", "ada"), bead("b"))
    assert plan(beads, KNOWN, SETTINGS, backlog=True, now=NOW).starts == (Start(BeadId("b"), "ben", 1),)


def test_no_more_than_max_agents_work_at_once() -> None:
    beads = world(bead("a", "working", "ada"), bead("b", "working", "ben"), bead("c", agent="ada"))
    assert plan(beads, KNOWN, SETTINGS, backlog=True, now=NOW).starts == ()


def test_a_bead_for_an_agent_nobody_described_does_not_start() -> None:
    assert plan(world(bead("a", agent="nobody")), KNOWN, SETTINGS, backlog=True, now=NOW).starts == ()


def test_a_bead_whose_sessions_failed_too_often_goes_to_a_person() -> None:
    planned = plan(world(bead("a", agent="ada", failures=3)), KNOWN, SETTINGS, backlog=True, now=NOW)
    assert planned.starts == ()
    assert [type(one) for one in planned.gives_up] == [GiveUp]


@given(st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(["ada", "ben", "", "nobody"])), max_size=12))
def test_a_plan_starts_only_open_beads_once_each_within_the_limit(rows: list[tuple[State, str]]) -> None:
    beads = world(*(bead(f"b{number:02d}", state, agent) for number, (state, agent) in enumerate(rows)))
    planned = plan(beads, KNOWN, SETTINGS, backlog=True, now=NOW)
    working = sum(one.state == "working" for one in beads.values())
    assert len({start.bead for start in planned.starts}) == len(planned.starts)
    assert working + len(planned.starts) <= max(SETTINGS.max_agents, working)
    assert all(beads[start.bead].state == "open" and start.agent in KNOWN for start in planned.starts)
