import asyncio
import subprocess
from pathlib import Path

import pytest

from factory.tools.table import TOOLS
from factory.tools.tool import MOST_CHARACTERS, ToolResult
from tests.tools.open_place import OpenPlace, git_place


def use(place: OpenPlace, name: str, **sent: object) -> ToolResult:
    return asyncio.run(TOOLS[name](place, sent))


@pytest.fixture
def place(tmp_path: Path) -> OpenPlace:
    place = git_place(tmp_path / "root")
    files = {
        ".gitignore": "built/\n",
        "a.py": "def alpha():\n    return 42\n",
        "src/b.py": "Alpha = 'alpha'\n",
        "src/c.txt": "alpha in text\n",
        "built/d.py": "alpha ignored\n",
    }
    for path, text in files.items():
        file = place.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    (place.root / "e.bin").write_bytes(b"alpha\0\1\2")
    return place


def test_search_finds_lines_in_tracked_and_new_files_but_not_in_ignored_or_binary_ones(place: OpenPlace) -> None:
    subprocess.run(["git", "-C", place.root, "add", "a.py"], check=True)

    assert use(place, "search", pattern=r"\balpha\b").text.splitlines() == [
        "a.py:1:def alpha():",
        "src/b.py:1:Alpha = 'alpha'",
        "src/c.txt:1:alpha in text",
    ]


@pytest.mark.parametrize(
    ("glob", "found"), [("*.py", {"a.py", "src/b.py"}), ("src/**", {"src/b.py", "src/c.txt"}), ("*.rs", set())]
)
def test_a_glob_narrows_both_lines_and_files(place: OpenPlace, glob: str, found: set[str]) -> None:
    lines = use(place, "search", pattern="alpha", glob=glob).text
    files = use(place, "search", glob=glob).text

    assert {line.split(":")[0] for line in lines.splitlines() if ":" in line} == found
    assert {line for line in files.splitlines() if not line.startswith("no ")} == found


def test_without_a_pattern_files_are_listed_but_not_those_removed(place: OpenPlace) -> None:
    subprocess.run(["git", "-C", place.root, "add", "."], check=True)
    (place.root / "a.py").unlink()
    (place.root / "new é.txt").write_text("x")

    assert use(place, "search").text.splitlines() == [".gitignore", "e.bin", "new é.txt", "src/b.py", "src/c.txt"]


def test_case_can_be_ignored_and_digits_have_their_class(place: OpenPlace) -> None:
    assert "src/b.py" in use(place, "search", pattern="ALPHA", ignore_case=True).text
    assert use(place, "search", pattern=r"return \d+").text == "a.py:2:    return 42"


def test_a_bad_pattern_is_an_answer(place: OpenPlace) -> None:
    result = use(place, "search", pattern="a(b")

    assert result.is_error
    assert "the search failed" in result.text


def test_a_pattern_that_backtracks_without_end_holds_nobody_up(place: OpenPlace) -> None:
    (place.root / "trap.txt").write_text("a" * 5_000 + "!")

    assert "[... cut]" not in use(place, "search", pattern="(a+)+$", glob="trap.txt").text


def test_many_and_long_results_are_bounded_and_told(place: OpenPlace) -> None:
    (place.root / "many.txt").write_text("alpha\n" * 1_000 + "beta" * 1_000 + "\n")

    many = use(place, "search", pattern="^alpha$", glob="many.txt").text
    long = use(place, "search", pattern="beta", glob="many.txt").text

    assert "800 or more matching lines not shown" in many
    assert len(long) < 400
    assert len(many) <= MOST_CHARACTERS


def test_a_link_is_neither_followed_nor_searched(place: OpenPlace, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("alpha secret")
    (place.root / "link.txt").symlink_to(tmp_path / "secret.txt")

    assert "secret" not in use(place, "search", pattern="secret").text


def test_run_tells_output_and_exit_code(place: OpenPlace) -> None:
    assert use(place, "run", command="echo out; echo err >&2") == ToolResult("out\nerr\n[exit code 0]")
    assert use(place, "run", command="exit 3") == ToolResult("[exit code 3]", is_error=True)
    assert use(place, "run", command="kill -9 $$").text.endswith(("[killed by signal 9]", "[exit code 137]"))


def test_run_is_bash_where_there_is_one_and_starts_in_the_work_tree(place: OpenPlace) -> None:
    result = use(place, "run", command='x=(1 2); echo "${x[1]}"; pwd')

    assert result.text == f"2\n{place.root}\n[exit code 0]"


def test_run_keeps_the_end_of_a_long_output_and_drops_colours(place: OpenPlace) -> None:
    result = use(place, "run", command="seq 1 100000; printf '\\033[31mred\\033[0m\\n'")

    assert result.text.endswith("100000\nred\n[exit code 0]")
    assert "bytes left out" in result.text
    assert len(result.text) <= MOST_CHARACTERS


def test_a_command_past_its_time_is_ended_with_all_that_it_started(place: OpenPlace) -> None:
    result = use(place, "run", command="sleep 300 & setsid sleep 300 & sleep 300", timeout_s=1)

    assert result.is_error
    assert "(timeout)" in result.text
    assert place.survivors() == []
