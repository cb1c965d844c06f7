"""Issues as ``gh issue list --json`` prints them."""

import json
from pathlib import Path

from factory.git.repository import Repository
from tests.house.program import factory

from .exchange import GITHUB, beads, import_, lost


def test_the_sample_comes_over_with_its_texts_labels_and_native_edges(repo: Repository) -> None:
    said = import_(repo.root, GITHUB)

    assert said.code == 0
    assert said.document["from"] == "github"
    here = beads(repo.root)
    seven, twelve = here["github:example/project#7"], here["github:example/project#12"]
    assert [row["id"] for row in said.document["beads"]] == [seven["id"], twelve["id"]]  # the older one first
    assert twelve["needs"] == twelve["part_of"] == [seven["id"]]
    assert seven["needs"] == []
    assert twelve["text"] == "See #7.\n\nIt also fails with `--all`."
    assert "### alex 2025-03-02\n\nI see it too." in seven["text"]
    assert "Buy things" not in seven["text"]
    assert (seven["labels"], twelve["labels"]) == (["area/export", "good-first-issue"], ["bug"])


def test_everything_in_the_sample_that_a_bead_cannot_say_is_named(repo: Repository) -> None:
    left = lost(import_(repo.root, GITHUB))

    assert left["closed"] == [("example/project#9", "closed on GitHub as not planned")]
    assert left["assignee"] == [("example/project#7", "kim, alex")]
    assert left["author"] == [("example/project#12", "alex"), ("example/project#7", "kim")]
    assert left["milestone"] == [("example/project#7", "1.0")]
    assert left["label"] == [
        ("example/project#12", "🔥 is left out"),
        ("example/project#7", "good first issue is good-first-issue"),
    ]
    assert left["field:comments"] == [("example/project#7", "one that was hidden as spam")]
    assert left["field:reactionGroups"] == [("example/project#7", "(1)")]
    assert len(left["date"]) == 2


def test_people_are_shown_counts_and_names_of_what_is_lost(repo: Repository) -> None:
    said = factory(repo.root, "bead", "import", str(GITHUB))

    assert "its milestone is not carried over: 1: example/project#7 (1.0)\n" in said.out
    assert said.out.endswith("2 imported, 0 were here already, 0 failed\n")


def test_issues_of_another_host_and_of_another_repository_are_told_apart(repo: Repository, tmp_path: Path) -> None:
    urls = [
        "https://git.example.org/a/b/issues/1",
        "https://github.com/a/b/issues/1",
        "https://github.com/a/c/issues/1",
    ]
    issues = [{"number": 1, "title": "x", "url": url, "state": "OPEN"} for url in urls]
    (tmp_path / "a").write_text(json.dumps(issues, indent=2))

    import_(repo.root, tmp_path / "a")

    assert set(beads(repo.root)) == {"github:git.example.org/a/b#1", "github:a/b#1", "github:a/c#1"}


def test_a_single_issue_and_one_a_line_are_read_too(repo: Repository, tmp_path: Path) -> None:
    one, *more = json.loads(GITHUB.read_text())
    (tmp_path / "a").write_text(json.dumps(one, indent=2))
    (tmp_path / "b").write_text("\r\n".join(map(json.dumps, more)))

    first, second = import_(repo.root, tmp_path / "a"), import_(repo.root, tmp_path / "b")

    assert (first.code, second.code) == (0, 0)
    assert set(beads(repo.root)) == {"github:example/project#12", "github:example/project#7"}


def test_no_issues_at_all_is_no_mistake(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("[]\n")

    said = import_(repo.root, tmp_path / "a")

    assert (said.code, said.document["beads"]) == (0, [])
