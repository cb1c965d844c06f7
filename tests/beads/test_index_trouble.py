"""Whatever becomes of the index, the answers stay right: it is mended, made anew, or done without."""

import os
import random
import sqlite3
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.base import process
from factory.beads.lookup import FILE, LOCK, opened

from .index_world import World

HERE = Path(__file__).parents[2]


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = World(tmp_path, seed=3)
    for _ in range(60):
        made.some_events(made.chance.choice(made.names))
    made.index.refreshed().close()
    return made


def is_fresh(world: World) -> bool:
    looked = opened(str(world.state_dir))
    if looked is not None:
        looked.close()
    return looked is not None


def of_another_format(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 999")
    db.close()


def without_its_tables(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("DROP TABLE stories")
    db.close()


def with_rows_that_are_no_beads(path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.execute("UPDATE stories SET bead = substr(bead, 1, 20)")
    db.close()


def truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def made_of_random_bytes(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(40_000))


def a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("of somebody's")


TROUBLES: list[Callable[[Path], object]] = [
    Path.unlink, lambda path: path.write_bytes(b""), lambda path: path.write_text("not a database"),
    of_another_format, without_its_tables, with_rows_that_are_no_beads, truncated, made_of_random_bytes, a_folder,
]  # fmt: skip


@pytest.mark.parametrize("trouble", TROUBLES)
def test_an_index_in_trouble_is_made_anew_by_itself(world: World, trouble: Callable[[Path], object]) -> None:
    trouble(world.state_dir / FILE)
    world.some_events("fa-0001")
    world.some_events("fa-0002")

    for _ in range(2):
        looked = world.index.refreshed(anew=trouble is with_rows_that_are_no_beads)
        world.compare(looked, "2026-11-21T12:00:00.000Z")
        looked.close()

    assert is_fresh(world)


@pytest.mark.parametrize("seed", range(12))
def test_flipped_bytes_are_noticed_or_do_no_harm_to_sqlite(world: World, seed: int) -> None:
    path = world.state_dir / FILE
    chance, data = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(200):
        data[chance.randrange(100, len(data))] = chance.randrange(256)
    path.write_bytes(data)

    for name in world.names:
        world.some_events(name)
    world.index.refreshed().close()

    world.index.refreshed(anew=True).close()
    world.check()


def test_where_no_index_can_be_kept_one_in_memory_answers(world: World) -> None:
    (world.state_dir / FILE).unlink()
    (world.state_dir / "index.rebuild.lock").unlink()
    (world.state_dir / "index.rebuild.lock").mkdir()

    world.check()

    assert not (world.state_dir / FILE).exists()


def test_who_closes_twice_takes_no_lock_of_somebody_else(world: World) -> None:
    first = opened(str(world.state_dir))
    assert first is not None
    first.close()
    second = opened(str(world.state_dir))
    assert second is not None
    first.close()
    with (world.state_dir / "taken").open("w") as file:  # gets the descriptor that was let go of, if one was
        first.close()
        file.write("still open")
    assert {row.id for row in second.listed((), None, None, finished=True)} == set(world.names)
    second.close()


def test_what_a_killed_rebuild_left_is_cleared(world: World) -> None:
    left = world.state_dir / f"{FILE}.123.tmp"
    left.write_text("half of an index")
    (world.state_dir / FILE).unlink()

    world.check()

    assert not left.exists()


def test_an_index_is_not_replaced_under_somebody_who_reads_it(world: World) -> None:
    reading = opened(str(world.state_dir))
    assert reading is not None
    before = [row.id for row in reading.listed((), None, None, finished=True)]
    replacing = threading.Thread(target=lambda: world.index.refreshed(anew=True).close())
    replacing.start()
    replacing.join(0.3)

    assert replacing.is_alive()
    assert [row.id for row in reading.listed((), None, None, finished=True)] == before
    reading.close()
    replacing.join(20)
    assert not replacing.is_alive()


def test_a_write_makes_it_stale_and_a_refresh_makes_it_fresh(world: World) -> None:
    assert is_fresh(world)
    world.some_events("fa-0001")
    assert not is_fresh(world)
    world.index.refreshed().close()
    assert is_fresh(world)
    world.by_hand("fa-0001", b"garbage\n")
    assert not is_fresh(world)


def test_a_write_that_nobody_finished_is_looked_at_again_until_it_is(world: World) -> None:
    path = world.relative(world.path("fa-0001"))
    world.changes.announce(path, "human:ana@example.org", "about to")
    world.index.refreshed().close()
    assert not is_fresh(world)
    world.by_hand("fa-0001", world.some_event("fa-0001").line())
    world.check()
    world.changes.settle()
    world.check()
    assert is_fresh(world)


def test_an_index_of_another_live_folder_or_another_start_of_the_machine_proves_nothing(world: World) -> None:
    for key in ("boot", "folder", "head"):
        with sqlite3.connect(world.state_dir / FILE) as db:
            db.execute("UPDATE meta SET value = 'another' WHERE key = ?", (key,))
        db.close()
        assert not is_fresh(world)
        world.check()


READER = """
import sys
from pathlib import Path
from tests.beads.index_world import World
from factory.beads.index import Index
state = Path(sys.argv[1])
counts = []
for _ in range(25):
    looked = Index(state).refreshed(anew=_ == int(sys.argv[2]))
    rows = looked.listed((), None, None, finished=True)
    assert len(rows) == sum(looked.counts().values())
    counts.append(sum(int(row.title.rpartition(' ')[2]) for row in rows))
    looked.close()
assert counts == sorted(counts), counts
"""


def test_several_processes_refresh_and_read_while_one_writes(tmp_path: Path) -> None:
    world = World(tmp_path)
    for name in world.names:
        world.append(name, world.event(name, "bead_opened", {"title": "step 0"}))
    results: list[process.Finished] = []

    def read(number: int) -> None:
        argv = [sys.executable, "-c", READER, str(world.state_dir), str(number)]
        results.append(process.run(argv, env=dict(os.environ), cwd=HERE, timeout_s=100))

    readers = [threading.Thread(target=read, args=(number,)) for number in (5, 15, -1, -1)]
    for reader in readers:
        reader.start()
    step = 0
    while any(reader.is_alive() for reader in readers) and step < 2000:
        step += 1
        name = world.names[step % len(world.names)]
        world.append(name, world.event(name, "bead_edited", {"title": f"step {step}"}))
    for reader in readers:
        reader.join()

    assert [finished.err.decode() for finished in results if finished.code] == []
    assert (world.state_dir / LOCK).exists()
    world.check()
