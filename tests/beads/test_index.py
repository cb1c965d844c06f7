"""The index answers what the files say: after every kind of change, for random histories and random graphs."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.base.clock import iso
from factory.beads import lookup

from .index_world import NOW, World, beside, everything_in


@pytest.mark.parametrize("seed", range(14))
def test_the_index_and_the_files_agree_whatever_happens(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    for number in range(60):
        world.step()
        if world.chance.random() < 0.6:
            world.check()
        if number % 20 == 0:
            world.check(now=iso(world.clock.ms + 40 * 86_400_000))
    world.check()


@pytest.mark.parametrize("seed", range(30, 36))
def test_a_large_store_agrees_too_where_only_named_files_are_looked_at(
    tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "SMALL", -1)
    monkeypatch.setattr("factory.beads.index_update.SMALL", -1)
    world = World(tmp_path, seed)
    for _ in range(60):
        world.chance.choice(
            (world.some_events, world.some_events, world.some_events, world.late, world.replaced, world.packed)
        )(world.chance.choice(world.names))
        if world.chance.random() < 0.6:
            world.check()
    world.check()


@pytest.mark.parametrize("seed", range(50, 53))
def test_an_index_that_grew_holds_what_one_made_anew_holds(tmp_path: Path, seed: int) -> None:
    world = World(tmp_path, seed)
    for _ in range(50):
        world.step()
        world.index.refreshed().close()

    grown, anew = world.index.refreshed(searchable=True), beside(world)

    assert everything_in(grown) == everything_in(anew)
    grown.close()
    anew.close()


def test_a_chain_of_5000_and_a_hierarchy_50_deep_are_answered_and_kept(tmp_path: Path) -> None:
    world = World(tmp_path)
    chain = [f"fa-{number:05d}" for number in range(5000)]
    for bead, need in zip(chain, [*chain[1:], ""], strict=True):
        data: dict[str, object] = {"title": bead, "needs": [need] if need else []}
        world.by_hand(bead, world.event(bead, "bead_opened", data).line())
    for depth in range(50):
        world.open(f"fa-1{depth:05d}", part_of=[f"fa-1{depth - 1:05d}"] if depth else [chain[0]])
    world.check()

    world.append(chain[-1], world.event(chain[-1], "bead_dropped", {"reason": "no"}))
    world.append(chain[0], world.event(chain[0], "bead_unlinked", {"edge": "needs", "to": chain[1]}))

    world.check()
    looked = world.index.refreshed()
    assert not looked.row("fa-100049").is_blocked(NOW)
    looked.close()


def test_a_cycle_that_files_bring_is_named_and_ends_with_its_edge(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open("fa-aaa0")
    world.open("fa-bbb1", needs=["fa-aaa0"])
    world.open("fa-ccc2", part_of=["fa-bbb1"])
    world.check()
    world.append("fa-aaa0", world.event("fa-aaa0", "bead_linked", {"edge": "part_of", "to": "fa-ccc2"}))
    world.check()
    looked = world.index.refreshed()
    assert looked.row("fa-aaa0").reason.endswith("fa-aaa0 is part of fa-ccc2 is part of fa-bbb1 needs fa-aaa0")
    looked.close()

    world.append("fa-aaa0", world.event("fa-aaa0", "bead_unlinked", {"edge": "part_of", "to": "fa-ccc2"}))

    world.check()


def test_a_deferral_ends_by_itself_without_a_refresh(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open("fa-aaa0", not_before="2026-12-01T00:00:00.000Z")
    world.open("fa-bbb1", part_of=["fa-aaa0"])
    looked = world.index.refreshed()

    assert [row.id for row in looked.ready("2026-11-30T23:59:59.999Z")] == []
    assert [row.id for row in looked.ready("2026-12-01T00:00:00.000Z")] == ["fa-aaa0", "fa-bbb1"]
    looked.close()


def test_only_the_new_bytes_of_a_file_are_read(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open("fa-aaa0")
    world.index.refreshed().close()
    path = world.path("fa-aaa0")
    path.write_bytes(path.read_bytes().replace(b"Do fa", b"No fa"))  # nobody can see this in a store that is large

    world.append("fa-aaa0", world.event("fa-aaa0", "bead_edited", {"priority": 0}))

    looked = world.index.refreshed()
    assert (looked.row("fa-aaa0").title, looked.row("fa-aaa0").priority) == ("Do fa-aaa0", 0)
    looked.close()
    anew = world.index.refreshed(anew=True)
    assert anew.row("fa-aaa0").title == "No fa-aaa0"
    anew.close()


# ---------------------------------------------------------------- search


WORDS = [
    "Do",
    "fa",
    "aaa0",
    '"',
    "'",
    "*",
    "AND",
    "OR",
    "NOT",
    "NEAR(",
    "title:",
    "^",
    "(",
    ")",
    "-",
    "\0",
    "ü",
    "日本",
    ":",
]


@given(st.lists(st.sampled_from(WORDS) | st.text(max_size=6), max_size=5))
def test_any_words_can_be_searched_for(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.open("fa-aaa0")
        looked = world.index.refreshed(searchable=True)
        looked.found(" ".join(words))
        assert [row.id for row, _ in looked.found("aaa0 do")] == ["fa-aaa0"]
        looked.close()


def test_a_bead_is_found_by_what_was_said_and_by_its_words_as_they_are_now(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.open("fa-aaa0", text="Mend the gearbox")
    world.open("fa-bbb1", text="Paint the hull")
    assert found(world, "gearbox") == ["fa-aaa0"]

    world.append("fa-aaa0", world.event("fa-aaa0", "bead_edited", {"text": "Replace the propeller"}))
    world.append("fa-bbb1", world.event("fa-bbb1", "bead_commented", {"text": "The gearbox was sold"}))

    assert (found(world, "gearbox"), found(world, "propeller"), found(world, "prop")) == (
        ["fa-bbb1"],
        ["fa-aaa0"],
        ["fa-aaa0"],
    )
    assert found(world, "hull sold") == ["fa-bbb1"]
    assert found(world, "hull propeller") == []


def found(world: World, words: str) -> list[str]:
    looked = world.index.refreshed(searchable=True)
    try:
        return [row.id for row, _ in looked.found(words)]
    finally:
        looked.close()
