from hypothesis import given
from hypothesis import strategies as st

from factory.base.ids import EventId, HybridClock, is_bead_id, is_event_id, new_bead_id

from .making import HandClock


@given(st.lists(st.integers(min_value=0, max_value=(1 << 47) - 1), min_size=2, max_size=30))
def test_ids_only_grow_whatever_the_wall_clock_does(times: list[int]) -> None:
    clock = HandClock()
    ids = HybridClock(clock, node=7)
    made: list[EventId] = []
    for ms in times:
        clock.ms = ms
        made.append(ids.next()[0])
    assert made == sorted(made)
    assert len(set(made)) == len(made)
    assert all(is_event_id(event_id) for event_id in made)


@given(st.integers(min_value=0, max_value=(1 << 47) - 1), st.integers(min_value=0, max_value=(1 << 47) - 1))
def test_an_id_is_later_than_any_id_it_was_shown(theirs: int, ours: int) -> None:
    seen, _ = HybridClock(HandClock(theirs), node=(1 << 64) - 1).next()
    after, _ = HybridClock(HandClock(ours), node=0).next(seen)
    assert after > seen


def test_more_ids_than_the_counter_holds_in_one_millisecond_still_grow() -> None:
    ids = HybridClock(HandClock(), node=0)
    made = [ids.next()[0] for _ in range(70_000)]
    assert made == sorted(set(made))


def test_bead_ids_grow_with_the_store() -> None:
    assert len(new_bead_id("fa", 0)) == len("fa-0000")
    assert len(new_bead_id("fa", 1_000_000)) > len("fa-00000")
    assert is_bead_id(new_bead_id("fa", 1_000_000))
