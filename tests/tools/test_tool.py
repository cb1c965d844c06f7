import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.tools.table import TOOLS
from factory.tools.tool import MOST_CHARACTERS, Tool, bounded
from tests.tools.open_place import OpenPlace


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
def test_every_schema_is_an_object_that_forbids_what_it_does_not_name(tool: Tool[Any]) -> None:
    schema = tool.input_schema

    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert "title" not in schema


@pytest.mark.parametrize("tool", TOOLS.values(), ids=list(TOOLS))
@pytest.mark.parametrize(
    "sent", [None, [], "text", {"nonsense": 1}, {"path": 3, "command": 3, "items": 3, "limit": "x"}]
)
def test_a_wrong_input_is_answered_with_what_is_expected(tool: Tool[Any], sent: object, tmp_path: Path) -> None:
    result = asyncio.run(tool(OpenPlace(tmp_path), sent))

    assert result.is_error
    assert f"{tool.name} was not run" in result.text


@given(st.text(max_size=500), st.integers(min_value=100, max_value=300))
def test_a_bounded_text_is_short_and_keeps_both_ends(text: str, most: int) -> None:
    shown = bounded(text, most)

    assert len(shown) <= most
    assert shown == text or (len(shown) < len(text) and shown[:10] == text[:10] and shown[-10:] == text[-10:])


def test_no_answer_is_longer_than_the_bound(tmp_path: Path) -> None:
    place = OpenPlace(tmp_path)
    (tmp_path / "long.txt").write_text("\n".join("x" * 1_900 for _ in range(400)))
    items = [{"text": "t" * 500, "status": "pending"}] * 50

    sent = {
        "read": {"path": "long.txt", "limit": 100_000},
        "run": {"command": "head -c 1000000 /dev/zero | tr '\\0' 'é'"},
        "todo": {"items": items},
    }
    for name, wanted in sent.items():
        result = asyncio.run(TOOLS[name](place, wanted))
        assert 10_000 < len(result.text) <= MOST_CHARACTERS


def test_the_list_of_steps_is_told_back(tmp_path: Path) -> None:
    items = [
        {"text": "look", "status": "done"},
        {"text": "do", "status": "in_progress"},
        {"text": "test", "status": "pending"},
    ]

    result = asyncio.run(TOOLS["todo"](OpenPlace(tmp_path), {"items": items}))

    assert result.text == "[x] look\n[>] do\n[ ] test"


@pytest.mark.parametrize(
    ("sent", "expected"),
    [({"summary": " done "}, ("done", "")), ({"question": "which?"}, ("", "which?"))],
)
def test_finish_ends_with_a_summary_or_a_question(sent: object, expected: tuple[str, str], tmp_path: Path) -> None:
    result = asyncio.run(TOOLS["finish"](OpenPlace(tmp_path), sent))

    assert result.ending is not None
    assert (result.ending.summary, result.ending.question) == expected


@pytest.mark.parametrize("sent", [{}, {"summary": "a", "question": "b"}, {"summary": "  "}])
def test_finish_wants_exactly_one_of_both(sent: object, tmp_path: Path) -> None:
    result = asyncio.run(TOOLS["finish"](OpenPlace(tmp_path), sent))

    assert result.is_error
    assert result.ending is None


def test_the_table_names_each_tool_as_it_names_itself() -> None:
    assert all(name == tool.name for name, tool in TOOLS.items())
