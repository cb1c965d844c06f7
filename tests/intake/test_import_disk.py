"""An import that the disk refuses, and two at once."""

import json
import resource
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from factory.beads.store import Store
from factory.git.repository import Repository
from factory.intake.formats import read
from factory.intake.importing import Wanted, bring

from .exchange import beads, import_, issue, jsonl

ANA = "human:ana@example.org"


def test_when_the_disk_refuses_an_item_those_before_it_stand_and_the_rest_are_told(repo: Repository) -> None:
    rows = [issue("bd-1"), issue("bd-2", description="x" * 20_000), issue("bd-3")]
    name, reading = read("\n".join(map(json.dumps, rows)).encode())
    store = Store(repo)
    store.prepare()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        done = bring(store, Wanted(name, reading), ANA, "fa")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert [one.item.key for one in done.beads] == ["bd-1"]
    assert [failure.key for failure in done.failures] == ["bd-2", "bd-3"]
    assert all(failure.reason.startswith("nothing was written: File too large") for failure in done.failures)
    assert {loss.key for loss in done.losses} <= {"bd-1"}
    assert set(store.beads()) == {one.bead for one in done.beads}
    assert [path.stem for path in store.live.glob("*/*.jsonl")] == [one.bead for one in done.beads]
    again = bring(store, Wanted(name, reading), ANA, "fa")
    assert [one.item.key for one in again.beads] == ["bd-2", "bd-3"]


def test_an_import_that_writes_nothing_ends_badly(repo: Repository, tmp_path: Path) -> None:
    store = Store(repo)
    store.prepare()
    (store.live / store.now()[:10]).write_text("in the way")

    said = import_(repo.root, jsonl(tmp_path / "a", [issue("bd-1")]))

    assert said.code == 1
    assert said.document["beads"] == []
    assert [row["id"] for row in said.document["failed"]] == ["bd-1"]


def test_two_imports_at_once_bring_nothing_twice(repo: Repository, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a", [issue(f"bd-{number}") for number in range(200)])

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(lambda _: import_(repo.root, file), range(2)))

    assert [one.code for one in said] == [0, 0]
    assert sorted(len(one.document["beads"]) + len(one.document["skipped"]) for one in said) == [200, 200]
    assert sum(len(one.document["beads"]) for one in said) == len(beads(repo.root)) == 200
