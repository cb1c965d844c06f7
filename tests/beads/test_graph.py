from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.base.ids import BeadId, EventId
from factory.beads.bead import Bead
from factory.beads.graph import InMemory, WouldCycle, blockers, check_edge, cycles, ready, standings
from factory.beads.lifecycle import LIVE, STATES, State

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


def test_a_tangle_of_3000_is_named_in_a_line_and_in_time() -> None:
    beads = world(*(bead(f"b{number:04}", needs=[f"b{(number + 1) % 3000:04}"]) for number in range(3000)))
    view = InMemory(beads)

    found = cycles(view, beads)

    assert len(found) == 3000
    assert len(set(map(id, found.values()))) == 1
    assert len(str(found[BeadId("b0000")])) < 300
    assert "and 2992 more" in str(found[BeadId("b0000")])
    assert all(standings(view, [name], found)[name] for name in map(BeadId, ("b0000", "b0049", "b2999")))
    with pytest.raises(WouldCycle) as refused:
        check_edge(InMemory(beads | world(bead("b2999"))), BeadId("b2999"), "needs", BeadId("b0000"))
    assert len(refused.value.sentence) < 300


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


def brute_force(beads: dict[BeadId, Bead], now: str) -> set[str]:
    """Which live beads are blocked, by the words of the design alone: slowly, and in another way."""
    alive = {name for name, one in beads.items() if one.state in LIVE}

    def unmet(name: BeadId) -> bool:
        return any(need not in beads or beads[need].state not in ("landed", "done") for need in beads[name].needs)

    def steps(name: BeadId) -> set[BeadId]:
        return {to for to in (*beads[name].needs, *beads[name].linked("part_of")) if to in alive}

    def reach(name: BeadId) -> set[BeadId]:
        seen: set[BeadId] = set()
        todo = set(steps(name))
        while todo:
            seen |= todo
            todo = {to for one in todo for to in steps(one)} - seen
        return seen

    cyclic = {name for name in alive if name in reach(name)}
    blocked = {name for name in alive if unmet(name) or name in cyclic or beads[name].not_before > now}
    while True:
        more = {name for name in alive - blocked if set(beads[name].linked("part_of")) & blocked & alive}
        if not more:
            return set(blocked)
        blocked |= more


@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.sampled_from(["needs", "part_of"]), st.sampled_from([*NAMES, "gone"])),
        max_size=16,
    ),
    st.lists(st.sampled_from(STATES), min_size=8, max_size=8),
    st.lists(st.sampled_from(["", "2026-11-20T00:00:00.000Z", "2026-11-22T00:00:00.000Z"]), min_size=8, max_size=8),
)
@settings(max_examples=1500, deadline=None)
def test_what_is_blocked_is_what_the_words_of_the_design_say_and_one_bead_alone_gives_the_same_answer(
    edges: list[tuple[str, str, str]], states: list[State], delays: list[str]
) -> None:
    beads = world(
        *(
            replace(
                bead(
                    name,
                    state,
                    needs=[to for start, kind, to in edges if (start, kind) == (name, "needs")],
                    part_of=[to for start, kind, to in edges if (start, kind) == (name, "part_of")],
                ),
                not_before=delay,
            )
            for name, state, delay in zip(NAMES, states, delays, strict=True)
        )
    )
    found = blockers(beads, NOW)
    assert set(found) == brute_force(beads, NOW)
    view = InMemory(beads)
    for name in beads:
        alone = standings(view, [name], cycles(view, [name])).get(name)
        assert (alone if alone and alone.holds(NOW) else None) == found.get(name)


def test_a_cycle_made_by_merging_is_named_and_blocks_its_members_and_their_parts_alone() -> None:
    ring = world(
        bead("a", needs=["b"]), bead("b", part_of=["c"]), bead("c", part_of=["a"]), bead("d", part_of=["b"]), bead("e")
    )
    found = blockers(ring, NOW)
    assert found[BeadId("a")].reason == "it waits for itself: a needs b is part of c is part of a"
    assert found[BeadId("b")].reason == "it waits for itself: b is part of c is part of a needs b"
    assert (found[BeadId("d")].via, "which it is part of" in found[BeadId("d")].reason) == ("b", True)
    assert [one.id for one in ready(ring, NOW)] == ["e"]


def test_a_parent_that_is_put_off_puts_its_parts_off_until_then() -> None:
    beads = world(replace(bead("epic"), not_before="2026-12-01T00:00:00.000Z"), bead("part", part_of=["epic"]))
    assert blockers(beads, NOW)[BeadId("part")].reason == "epic is put off until 2026-12-01"
    assert blockers(beads, "2026-12-01T00:00:00.000Z") == {}


def test_a_chain_of_5000_and_a_hierarchy_50_deep_are_answered_without_recursion() -> None:
    chain = world(*(bead(f"b{n:04}", needs=[f"b{n + 1:04}"] if n < 4999 else []) for n in range(5000)))
    assert len(blockers(chain, NOW)) == 4999
    assert [one.id for one in ready(chain, NOW)] == ["b4999"]
    deep = world(
        bead("x"), bead("p00", needs=["x"]), *(bead(f"p{n:02}", part_of=[f"p{n - 1:02}"]) for n in range(1, 51))
    )
    assert blockers(deep, NOW)[BeadId("p50")].reason == "p00 needs x, which is open"
