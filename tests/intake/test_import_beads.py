"""Beads' ``issues.jsonl``: what is carried over, and what is said about the rest."""

from pathlib import Path

from factory.git.repository import Repository
from tests.conftest import git

from .exchange import BEADS, beads, depends, import_, issue, jsonl, lost


def test_the_sample_comes_over_with_its_edges_texts_and_deferral(repo: Repository) -> None:
    said = import_(repo.root, BEADS)

    assert said.code == 0
    assert said.document["from"] == "beads"
    assert said.document["failed"] == said.document["skipped"] == []
    here = beads(repo.root)
    ids = {origin: row["id"] for origin, row in here.items()}
    assert {row["origin"]: row["id"] for row in said.document["beads"]} == ids
    rebuild, detect = here["beads:bd-hlsw.2"], here["beads:bd-hlsw.1"]
    assert rebuild["needs"] == [ids["beads:bd-hlsw.1"]]
    assert rebuild["part_of"] == detect["part_of"] == [ids["beads:bd-hlsw"]]
    assert rebuild["priority"] == 0
    assert detect["labels"] == ["area-git", "sync"]
    assert detect["text"].endswith("## Comments\n\n### kim 2025-12-15\n\nThe reflog has it.\n\n"
                                   "### alex 2025-12-15\n\nOnly if it is not expired.")  # fmt: skip
    assert "## Design\n\nDetect the rewrite, then rebuild." in here["beads:bd-hlsw"]["text"]
    assert here["beads:bd-mql4"]["found_from"] == [detect["id"]]
    assert here["beads:bd-mql4"]["relates"] == [ids["beads:bd-4qfb"]]
    assert here["beads:bd-4qfb"]["not_before"] == "2031-01-15T07:00:00.000Z"
    assert {row["state"] for row in here.values()} == {"open"}
    assert git(repo.root, "rev-list", "--count", "factory/beads").strip() == "1"


def test_everything_in_the_sample_that_a_bead_cannot_say_is_named(repo: Repository) -> None:
    left = lost(import_(repo.root, BEADS))

    assert left["closed"] == [("bd-j3il", "closed in Beads: Done in 0.30")]
    assert left["deleted"] == [("bd-7h7", "batch delete")]
    assert left["not-work"] == [("bd-wisp", "of type message"), ("style", "a memory")]
    assert left["state"] == [("bd-hlsw.1", "in_progress"), ("bd-hlsw.2", "blocked"), ("bd-4qfb", "deferred")]
    assert [key for key, _ in left["priority"]] == ["bd-loop1", "bd-loop2"]
    assert left["label"] == [("bd-hlsw.1", "area: git is area-git")]
    assert left["assignee"] == [("bd-hlsw.1", "assignee kim, owner kim@example.org")]
    assert left["author"] == [("bd-hlsw", "created_by alex")]
    assert len(left["date"]) == 7
    assert left["field:estimated_minutes"] == [("bd-hlsw.1", "90")]
    assert left["field:external_ref"] == [("bd-mql4", "gh-9")]
    assert left["edge-type"] == [("bd-mql4", "duplicates bd-4qfb")]
    assert left["edge-missing"] == [("bd-hlsw.2", "needs bd-lost")]
    assert left["edge-met"] == [("bd-hlsw.2", "needs bd-j3il")]
    assert left["edge-cycle"] == [("bd-loop2", "needs bd-loop1")]


def test_a_second_import_skips_what_is_here_and_brings_the_rest_with_edges_to_it(
    repo: Repository, tmp_path: Path
) -> None:
    first = import_(repo.root, jsonl(tmp_path / "a", [issue("bd-1")]))
    both = jsonl(tmp_path / "b", [issue("bd-1"), issue("bd-2", dependencies=[depends("bd-2", "bd-1")])])
    alone = jsonl(tmp_path / "c", [issue("bd-3", dependencies=[depends("bd-3", "bd-1")])])

    again, apart = import_(repo.root, both), import_(repo.root, alone)

    old = first.document["beads"][0]["id"]
    assert again.document["skipped"] == [{"id": old, "origin": "beads:bd-1"}]
    assert [row["origin"] for row in again.document["beads"]] == ["beads:bd-2"]
    assert beads(repo.root)["beads:bd-2"]["needs"] == beads(repo.root)["beads:bd-3"]["needs"] == [old]
    assert apart.document["skipped"] == []
    assert import_(repo.root, both).document["beads"] == []


def test_what_is_finished_there_is_dropped_here_with_its_reason_and_blocks_nobody(
    repo: Repository, tmp_path: Path
) -> None:
    closed = issue("bd-1", status="closed", closed_at="2025-01-02T00:00:00Z", close_reason="Shipped")
    file = jsonl(tmp_path / "a", [issue("bd-2", dependencies=[depends("bd-2", "bd-1")]), closed])

    said = import_(repo.root, file, "--closed")

    here = beads(repo.root)
    assert (here["beads:bd-1"]["state"], here["beads:bd-1"]["reason"]) == ("dropped", "closed in Beads: Shipped")
    assert here["beads:bd-2"]["needs"] == []
    assert lost(said)["edge-met"] == [("bd-2", "needs bd-1")]
    assert lost(said)["closed-as-dropped"] == [("bd-1", "closed in Beads: Shipped")]


def test_an_edge_to_what_was_left_out_is_named(repo: Repository, tmp_path: Path) -> None:
    gate = issue("bd-1", issue_type="gate")
    child = issue("bd-3", dependencies=[depends("bd-3", "bd-4", "parent-child")])
    parent = issue("bd-4", status="closed", closed_at="2025-01-02T00:00:00Z")
    waits = issue("bd-2", dependencies=[depends("bd-2", "bd-1"), depends("bd-2", "bd-2")])

    said = import_(repo.root, jsonl(tmp_path / "a", [gate, waits, child, parent]))

    assert lost(said)["edge-left-out"] == [("bd-2", "needs bd-1"), ("bd-3", "part_of bd-4")]
    assert lost(said)["edge-cycle"] == [("bd-2", "needs itself")]


def test_of_two_versions_of_an_item_the_newer_is_taken_and_the_other_named(repo: Repository, tmp_path: Path) -> None:
    old = issue("bd-1", title="Old", updated_at="2025-01-01T00:00:00Z")
    new = issue("bd-1", title="New", updated_at="2025-01-01T00:00:00-01:00")

    said = import_(repo.root, jsonl(tmp_path / "a", [new, old, new]))

    assert [row["title"] for row in said.document["beads"]] == ["New"]
    assert lost(said)["duplicate"] == [("bd-1", "item 2 is another version"), ("bd-1", "item 1 is the same again")]


def test_bad_lines_are_named_and_the_good_ones_are_imported(repo: Repository, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a", [issue("bd-1"), issue("bd-2", title=" "), issue("bd 3")])
    file.write_bytes(file.read_bytes() + b'<<<<<<< HEAD\n{"id": "bd-4", \n[1]\n' + b"x" * 5_000_000 + b"\n")

    said = import_(repo.root, file)

    assert said.code == 1
    assert [row["origin"] for row in said.document["beads"]] == ["beads:bd-1"]
    assert [(row["where"], row["reason"]) for row in said.document["failed"]] == [
        (2, "it has no title"),
        (3, "it has no id, or one that is not a single word"),
        (4, "a conflict marker of git"),
        (5, "not JSON"),
        (6, "not a JSON object"),
        (7, "5000000 bytes long, and 4194304 is the most"),
    ]


def test_a_long_text_is_cut_where_it_is_said_to_be(repo: Repository, tmp_path: Path) -> None:
    file = jsonl(tmp_path / "a", [issue("bd-1", description="short", notes="x" * 40_000), issue("bd-2", notes="é" * 9)])

    said = import_(repo.root, file)

    [(key, where)] = lost(said)["text-cut"]
    text = beads(repo.root)["beads:bd-1"]["text"]
    kept, note = text.split("\n\n[cut here")
    assert (key, where) == ("bd-1", f"after {len(kept)} of 40017 characters, in Notes")
    assert len(text) == 32_000
    assert note == " by the import: beads:bd-1 has 40017 characters]"


def test_text_of_four_byte_letters_fits_in_an_event(repo: Repository, tmp_path: Path) -> None:
    said = import_(repo.root, jsonl(tmp_path / "a", [issue("bd-1", description="🔥" * 31_000)]))

    assert said.code == 0
    assert len(lost(said)["text-cut"]) == 1
    assert beads(repo.root)["beads:bd-1"]["text"].startswith("🔥" * 14_000)


def test_older_items_come_first_but_after_what_they_need(repo: Repository, tmp_path: Path) -> None:
    rows = [
        issue("bd-new", created_at="2025-03-01T00:00:00Z"),
        issue("bd-old", created_at="2025-01-01T00:00:00Z", dependencies=[depends("bd-old", "bd-new")]),
        issue("bd-mid", created_at="2025-02-01T00:00:00+02:00"),
    ]

    said = import_(repo.root, jsonl(tmp_path / "a", rows))

    assert [row["origin"][6:] for row in said.document["beads"]] == ["bd-new", "bd-old", "bd-mid"]


def test_a_rehearsal_says_the_same_and_writes_nothing(repo: Repository) -> None:
    rehearsed = import_(repo.root, BEADS, "--dry-run")

    assert rehearsed.document["dry_run"] is True
    assert {row["id"] for row in rehearsed.document["beads"]} == {None}
    assert beads(repo.root) == {}
    done = import_(repo.root, BEADS).document
    assert [row["origin"] for row in done["beads"]] == [row["origin"] for row in rehearsed.document["beads"]]
    assert done["left_out"] == rehearsed.document["left_out"]
