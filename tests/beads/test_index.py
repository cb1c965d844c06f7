"""The index answers what the files say: after every kind of change, for random histories and random graphs."""

from pathlib import Path

import pytest

from factory.base.clock import iso
from factory.beads import lookup
from factory.beads.lookup import SMALL, opened

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
        world.chance.choice((world.some_events, world.some_events, world.some_events, world.late, world.replaced))(
            world.chance.choice(world.names)
        )
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
