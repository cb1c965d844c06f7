import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.beads.events import Damage, Event, in_order, parse_line, parse_lines

from .making import Maker

TEXT = st.text(st.characters(codec="utf-8"), max_size=50)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner)
)


@given(st.dictionaries(TEXT, VALUES), TEXT)
def test_an_event_reads_back_as_it_was_written(data: dict[str, object], by: str) -> None:
    event = Maker().event("bead_commented", by, data)
    line = event.line()
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert parse_line(line) == event
    assert parse_line(line).line() == line  # type: ignore[union-attr]


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader_and_every_line_is_an_event_or_damage(raw: bytes) -> None:
    for item in parse_lines(raw, "fa-0000.jsonl"):
        assert isinstance(item, Event | Damage)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'{"v":1}',
        b"\xff\xfe",
        b"\0" * 20,
        b'{"v":"1","id":"x","at":"","by":"","on":"fa-0000","session":null,"type":"","data":{}}',
        b"[" * 100_000,
    ],
)
def test_what_is_not_an_event_is_named_as_damage(raw: bytes) -> None:
    assert isinstance(parse_line(raw), str)


def test_a_torn_last_line_is_not_applied_even_when_it_is_whole_json() -> None:
    maker = Maker()
    first, second = maker.opened(), maker.event("bead_commented", "human:ana", {"text": "hello"})
    raw = first.line() + second.line().rstrip(b"\n")
    items = list(parse_lines(raw, "f"))
    assert items == [first, Damage("f", 2, "the last line is torn")]


def test_damage_in_the_middle_leaves_the_rest_and_names_its_line() -> None:
    maker = Maker()
    first, second = maker.opened(), maker.started()
    items = list(parse_lines(first.line() + b"<<<<<<< ours\n" + second.line(), "f"))
    assert items == [first, Damage("f", 2, "a conflict marker that a merge left"), second]


def test_order_is_by_id_and_each_id_counts_once() -> None:
    maker = Maker()
    first, second, third = maker.opened(), maker.started(), maker.submitted()
    assert in_order([third, first, second, first, third]) == [first, second, third]


def test_a_line_is_json_that_any_program_reads() -> None:
    record = json.loads(Maker().opened(text="Zeile\n").line())
    assert record["v"] == 1
    assert record["on"] == "fa-0000"
    assert record["data"]["text"] == "Zeile\n"
