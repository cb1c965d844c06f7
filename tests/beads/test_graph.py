from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.base.ids import BeadId, EventId
from factory.beads.bead import Bead
from factory.beads.graph import InMemory, WouldCycle, blockers, check_edge, ready
from factory.beads.lifecycle import STATES, State

NOW = "2026-11-21T00:00:00.000Z"


def bead(
    name: str, state: State = "open", *, priority: int = 2, needs: Sequence[str] = (), part_of: Sequence[str] = ()
) -> Bead:
    links = frozenset({("needs", BeadId(to)) for to in needs} | {("part_of", BeadId(to)) for to in part_of})
    return Bead(BeadId(name), state=state, priority=priority, edges=links, opened=EventId(name))


def world(*beads: Bead) -> dict[BeadId, Bead]:
    return {made.id: made for made in beads}


def test_a_need_blocks_until_it_is_landed_or_done() -> None:
    for state in STATES:
        beads = world(bead("a", state), bead("b", needs=["a"]))
        assert (BeadId("b") in blockers(beads, NOW)) == (state not in ("landed", "done"))


def test_a_blocked_parent_blocks_its_children_and_an_unfinished_one_does_not() -> None:
    beads = world(bead("x"), bead("epic", needs=["x"]), bead("child", part_of=["epic"]))
    blocked = blockers(beads, NOW)[BeadId("child")]
    assert (blocked.blocker, blocked.via) == ("x", "epic")
    beads = world(bead("epic"), bead("child", part_of=["epic"]))
    assert [one.id for one in ready(beads, NOW)] == ["child", "epic"]


def test_a_need_that_is_not_in_the_store_blocks_and_says_so() -> None:
    assert "not in this store" in blockers(world(bead("a", needs=["zz"])), NOW)[BeadId("a")].reason


def test_a_chain_of_5000_and_a_cycle_made_by_merging_end() -> None:
    chain = world(*(bead(f"b{number}", part_of=[f"b{number + 1}"]) for number in range(5000)))
    assert len(blockers(chain, NOW)) == 0
    ring = world(bead("a", needs=["b"]), bead("b", needs=["a"]), bead("c"))
    assert set(blockers(ring, NOW)) == {"a", "b"}


def test_a_cycle_is_refused_by_name() -> None:
    beads = world(bead("a", needs=["b"]), bead("b", part_of=["c"]), bead("c"))
    with pytest.raises(WouldCycle) as refused:
        check_edge(InMemory(beads), BeadId("c"), "needs", BeadId("a"))
    assert refused.value.path == ("c", "a", "b", "c")
    check_edge(InMemory(beads), BeadId("c"), "relates", BeadId("a"))


NAMES = [f"b{number}" for number in range(8)]
GRAPHS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(["needs", "part_of"]), st.sampled_from(NAMES)), max_size=16
)


@given(GRAPHS, st.lists(st.sampled_from(STATES), min_size=8, max_size=8))
def test_ready_and_blocked_part_the_open_beads_of_every_graph(
    edges: list[tuple[str, str, str]], states: list[State]
) -> None:
    links: dict[str, dict[str, list[str]]] = {name: {"needs": [], "part_of": []} for name in NAMES}
    for start, kind, to in edges:
        links[start][kind].append(to)
    beads = world(
        *(
            bead(name, state, needs=links[name]["needs"], part_of=links[name]["part_of"])
            for name, state in zip(NAMES, states, strict=True)
        )
    )
    open_now = {one.id for one in beads.values() if one.state == "open"}
    blocked = {name for name in blockers(beads, NOW) if beads[name].state == "open"}
    assert {one.id for one in ready(beads, NOW)} | blocked == open_now
    assert not {one.id for one in ready(beads, NOW)} & blocked


@given(GRAPHS)
def test_edges_that_were_checked_one_by_one_never_make_a_cycle(edges: list[tuple[str, str, str]]) -> None:
    beads = world(*(bead(name) for name in NAMES))
    for start, kind, to in edges:
        try:
            check_edge(InMemory(beads), BeadId(start), kind, BeadId(to))
        except WouldCycle:
            continue
        old = beads[BeadId(start)]
        beads[old.id] = Bead(old.id, edges=old.edges | {(kind, BeadId(to))}, opened=old.opened)
    assert ready(beads, NOW), "without a cycle something is always ready"


def test_order_is_priority_then_age() -> None:
    beads = world(bead("old"), bead("new", priority=1), bead("urgent", priority=0), bead("also", priority=1))
    assert [one.id for one in ready(beads, NOW)] == ["urgent", "also", "new", "old"]
