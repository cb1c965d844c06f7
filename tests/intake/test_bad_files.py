"""What is nothing to import gets one sentence and a hint, and nothing is written."""

import json
from pathlib import Path

import pytest

from factory.base.errors import UserError
from factory.git.repository import Repository
from factory.intake.formats import read
from tests.house.program import factory

from .exchange import BEADS, GITHUB, issue

LINE = json.dumps(issue("bd-1")).encode()


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "there is nothing in it"),
        (b" \r\n\t\n", "there is nothing in it"),
        (b"\xef\xbb\xbf", "there is nothing in it"),
        (b"hello\n", "line 1 is not JSON"),
        (b"hello\nthere\n", "line 1 is not JSON (and so are 1 more lines)"),
        (b"\x7fELF\x02\x00\x00" + b"\0" * 100, "this is binary data, not JSON"),
        (b"x" * 50_000_000, "line 1 is 50000000 bytes long, and 4194304 is the most"),
        (b'"' + b"x" * 5_000_000 + b'"\n', "line 1 is 5000002 bytes long, and 4194304 is the most"),
        (b"[" * 1_000_000, "this begins like a JSON list and is nested too deeply"),
        (b'{"a":' * 100_000, "line 1 is nested too deeply"),
        (b'{"id": "bd-1"', "line 1 is not JSON"),
        (b'[{"number": 1}', "this begins like a JSON list and is not JSON"),
        (b"[1, 2]", "this is a JSON list that holds no issue"),
        (b'"text"\n', "line 1 is not a JSON object"),
        (b"1" * 5_000, "line 1 is not JSON"),
        (b'{"a": "\xff"}\n', "line 1 is not UTF-8 text"),
        ("{}".encode("utf-16"), "this is UTF-16 text, not UTF-8"),
        (b"{}\n", "item 1 is JSON but no issue: it has no fields"),
        (b'{"name": "x", "version": "1"}', "item 1 is JSON but no issue: it has the fields name, version"),
        (b'{"\\u0007\\u202e": 1}', "item 1 is JSON but no issue: it has the fields ?\\u202e"),
        (b'[{"number": 1, "title": "x"}]', "item 1 cannot be imported: it has no url, which tells it from the issues of other repositories"),  # noqa: E501 - a table
        (b'[{"number": 1, "title": "x", "url": "https://github.com/a/b/pull/1"}]', "item 1 cannot be imported: its url is not that of a GitHub issue"),  # noqa: E501
        (b'{"id": "bd-1", "title": "", "status": "open"}', "item 1 cannot be imported: it has no title"),
        (b'{"id": "bd-1", "title": 5, "status": "open"}', "item 1 cannot be imported: it has no title"),
        (LINE + b'\n{"number": 1, "title": "x"}\n', "this mixes 1 of beads and 1 of github"),
    ],
)  # fmt: skip
def test_what_is_nothing_to_import_is_told_in_one_sentence(raw: bytes, sentence: str) -> None:
    with pytest.raises(UserError) as problem:
        read(raw)

    assert problem.value.sentence == sentence
    assert problem.value.hint.startswith("nothing was written; ")


def test_a_wrong_guess_says_what_stands_there() -> None:
    for file, wanted, saw, right in (
        (GITHUB, "beads", "item 1 is an issue of GitHub, not an issue of Beads", "github"),
        (BEADS, "factory", "item 1 is an issue of Beads, not a bead of factory", "beads"),
        (BEADS, "github", "item 1 is an issue of Beads, not an issue of GitHub", "beads"),
    ):
        with pytest.raises(UserError) as problem:
            read(file.read_bytes(), wanted)
        assert (problem.value.sentence, problem.value.hint) == (saw, f"nothing was written; --from {right} fits")


def test_the_program_says_it_on_one_line_and_writes_nothing(repo: Repository, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"hello")
    for file, sentence in (
        (str(tmp_path / "x"), "line 1 is not JSON"),
        (str(tmp_path / "none"), f"{tmp_path / 'none'} cannot be read: No such file or directory"),
        (str(tmp_path), f"{tmp_path} cannot be read: Is a directory"),
        ("-", "there is nothing in it"),
    ):
        said = factory(repo.root, "bead", "import", file)
        assert (said.code, said.out) == (1, "")
        problem, hint = said.err.splitlines()
        assert problem == f"factory: {sentence}"
        assert hint.startswith("hint: ")
    assert factory(repo.root, "bead", "import", "-", "--from", "jira").code == 2
    assert factory(repo.root, "bead", "list", "--json").document["beads"] == []


def test_a_byte_order_mark_windows_line_ends_and_odd_letters_do_no_harm() -> None:
    odd = issue("bd-1", title="a\tb\u0000c \ud800", description="x\u0000\r\ny\ud800\u001b[0m", labels=["\ud800", "a"])
    raw = b"\xef\xbb\xbf" + json.dumps(odd).encode() + b"\r\n\r\n" + json.dumps(issue("bd-2")).encode() + b"\r\n"

    name, reading = read(raw)

    assert name == "beads"
    first, second = reading.items
    assert (first.title, first.text, first.labels) == ("a b c", "x\ny[0m", ("a",))
    assert {loss.kind for loss in reading.losses if loss.key == "bd-1"} == {"title", "text", "label"}
    assert second.key == "bd-2"


def test_a_title_of_many_words_is_cut_and_stands_whole_in_the_text() -> None:
    _, reading = read(json.dumps(issue("bd-1", title="word " * 99, description="more")).encode())

    [item] = reading.items
    assert len(item.title) <= 300
    assert item.title.endswith("word…")
    assert item.text == " ".join(["word"] * 99) + "\n\nmore"
