"""Factory's own format: out of one repository and into another."""

import json
from pathlib import Path
from typing import Any

from factory.beads.payloads import BeadDropped, BeadOpened
from factory.beads.store import Store
from factory.git import repository
from factory.git.repository import Repository
from tests.conftest import commit, git
from tests.house.program import factory

from .exchange import import_, lost


def described(repo: Repository) -> None:
    """A few beads with everything that the format knows, one dropped, one that needs the dropped one."""
    store, ana = Store(repo), "human:ana@example.org"
    later = store.open(BeadOpened(title="Later", not_before="2031-01-01T00:00:00.000Z", origin="github:a/b#1"), ana)
    epic = store.open(
        BeadOpened(
            title="Everything", text="first\n\nsecond “line” 🔥", priority=0, labels=("area/x", "b"), relates=(later,)
        ),
        ana,
    )
    dropped = store.open(BeadOpened(title="Not this"), ana)
    store.append(dropped, BeadDropped(reason="too dear"), ana)
    store.open(BeadOpened(title="A part", part_of=(epic,), needs=(dropped,), found_from=(dropped,)), ana)


def exported(folder: Path, *words: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in factory(folder, "bead", "export", *words).out.splitlines()]


def without_ids_and_times(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    places = {row["id"]: number for number, row in enumerate(rows)}
    edges = ("needs", "part_of", "found_from", "relates")
    return [
        {name: value for name, value in row.items() if name not in ("id", "origin", "opened_at")}
        | {edge: sorted(places[to] for to in row[edge]) for edge in edges}
        for row in rows
    ]


def another(tmp_path: Path) -> Repository:
    root = tmp_path / "another"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    commit(root, {"README.md": "# Another\n"})
    return repository.find(root)


def test_what_was_exported_and_imported_is_exported_again_the_same(repo: Repository, tmp_path: Path) -> None:
    described(repo)
    there = another(tmp_path)
    file = tmp_path / "out.jsonl"

    said = factory(repo.root, "bead", "export", "--all", "-o", str(file))
    imported = import_(there.root, file, "--closed")

    assert (said.code, said.out) == (0, f"4 beads written to {file}\n")
    assert imported.code == 0
    before, after = exported(repo.root, "--all"), exported(there.root, "--all")
    ordered = [
        next(row for row in after if row["origin"] == (old["origin"] or f"factory:{old['id']}")) for old in before
    ]
    assert without_ids_and_times(ordered) == without_ids_and_times(before)
    assert [row["title"] for row in exported(there.root)] == [row["title"] for row in after if row["state"] == "open"]


def test_a_store_takes_nothing_from_its_own_export(repo: Repository, tmp_path: Path) -> None:
    described(repo)
    factory(repo.root, "bead", "export", "--all", "-o", str(tmp_path / "out"))

    said = import_(repo.root, tmp_path / "out", "--closed")

    assert (said.document["beads"], len(said.document["skipped"])) == ([], 4)


def test_the_first_origin_is_kept_from_store_to_store(repo: Repository, tmp_path: Path) -> None:
    row = {"id": "fa-0001", "title": "x", "state": "open", "priority": 2, "origin": "github:a/b#7"}
    (tmp_path / "a").write_text(json.dumps(row) + "\n")

    import_(repo.root, tmp_path / "a")

    assert [row["origin"] for row in exported(repo.root)] == ["github:a/b#7"]


def test_nothing_comes_in_as_landed_or_done(repo: Repository, tmp_path: Path) -> None:
    states = ("landed", "done", "dropped", "working", "queued", "waiting", "proposed", "open")
    rows = [
        {"id": f"fa-000{number}", "title": state, "state": state, "priority": 2, "needs": ["fa-0000"] if number else []}
        for number, state in enumerate(states)
    ]
    (tmp_path / "a").write_text("".join(json.dumps(row) + "\n" for row in rows))

    said = import_(repo.root, tmp_path / "a", "--closed")

    here = {row["title"]: row for row in exported(repo.root, "--all")}
    assert {title: row["state"] for title, row in here.items()} == dict.fromkeys(states[:3], "dropped") | dict.fromkeys(
        states[3:], "open"
    )
    assert here["landed"]["reason"] == "landed in another store as fa-0000"
    assert {key for key, _ in lost(said)["state"]} == {f"fa-000{number}" for number in (3, 4, 5, 6)}
    assert all(row["needs"] == [] for row in here.values())
    assert factory(repo.root, "verify").code == 0


def test_an_export_as_json_is_one_document(repo: Repository) -> None:
    described(repo)

    document = factory(repo.root, "bead", "export", "--json").document

    assert [row["title"] for row in document["beads"]] == ["Later", "Everything", "A part"]


def test_an_export_that_cannot_be_written_says_so(repo: Repository) -> None:
    said = factory(repo.root, "bead", "export", "-o", "README.md/x")

    assert said.code == 1
    assert said.err.startswith("factory: README.md/x cannot be written: ")
