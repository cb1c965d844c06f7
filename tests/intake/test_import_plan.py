"""The plan of an import, for any items with any edges."""

import inspect
import re

from hypothesis import given
from hypothesis import strategies as st

from factory.base.ids import BeadId
from factory.beads.payloads import EDGES
from factory.intake import beads_jsonl, factory_jsonl, github_issues
from factory.intake.foreign import Ending, Failure, Foreign, Loss, Reading, Record
from factory.intake.formats import FORMATS
from factory.intake.import_plan import plan
from factory.intake.importing import payloads

KEYS = [f"bd-{number}" for number in range(8)]


def item(
    key: str, links: tuple[tuple[str, str], ...] = (), ending: Ending | None = None, at: str = "", where: int = 1
) -> Foreign:
    return Foreign(key, f"beads:{key}", where, "Do it", links=links, ending=ending, opened_at=at, updated_at=at)


links = st.lists(st.tuples(st.sampled_from(EDGES), st.sampled_from([*KEYS, "bd-gone"])), max_size=6).map(tuple)
endings = st.sampled_from([None, None, Ending("done"), Ending("dropped", meets=False)])
times = st.sampled_from(["", "2025-01-01", "2025-01-02"])
items = st.lists(st.tuples(st.sampled_from(KEYS), links, endings, times), max_size=12).map(
    lambda rows: [item(*row, where=where) for where, row in enumerate(rows, start=1)]
)
some = st.sets(st.sampled_from(KEYS), max_size=3)


@given(items, some, st.booleans())
def test_each_item_is_opened_once_or_told_of_and_comes_after_what_it_needs(
    wanted: list[Foreign], known: set[str], closed: bool
) -> None:
    here = {key: BeadId(f"fa-000{key[-1]}") for key in known}

    made = plan(Reading(tuple(wanted)), here, closed=closed)

    opened = [opening.key for opening in made.openings]
    skipped = [skip.item.key for skip in made.skips]
    left = [loss.key for loss in made.losses if loss.kind == "closed"]
    assert sorted({one.key for one in wanted}) == sorted([*opened, *skipped, *left])
    assert not set(opened) & set(here)
    before: set[str] = set(here)
    for opening in made.openings:
        assert all(to in before for edge, to in opening.links if edge in ("needs", "part_of"))
        before.add(opening.key)
    assert all(to in before for opening in made.openings for _, to in opening.links)


@given(items, st.booleans())
def test_every_edge_is_made_or_told_of(wanted: list[Foreign], closed: bool) -> None:
    made = plan(Reading(tuple(wanted)), {}, closed=closed)

    told = {(loss.key, loss.detail) for loss in made.losses if loss.kind.startswith("edge-")}
    for opened in made.openings:
        key = opened.key
        for edge, to in set(wanted[opened.where - 1].links) - set(opened.links):
            assert (key, f"{edge} {to}") in told or (to == key and (key, f"{edge} itself") in told)


def test_an_item_with_more_edges_than_an_event_holds_fails_alone() -> None:
    here = {f"bd-{number}": BeadId(f"fa-{number:04}") for number in range(1_800)}
    hub = item("bd-hub", tuple(("relates", key) for key in here))

    made = plan(Reading((item("bd-x", (("needs", "bd-hub"),)), hub)), here, closed=False)

    assert made.failures == (Failure(1, "bd-hub", "it has 1800 edges, more than fit in an event"),)
    assert [(opened.key, opened.links) for opened in made.openings] == [("bd-x", ())]
    assert made.losses == (Loss("edge-left-out", "bd-x", "needs bd-hub"),)


def test_a_ring_of_twenty_thousand_is_opened_at_its_last_edge() -> None:
    ring = [item(f"bd-{number}", (("needs", f"bd-{(number + 1) % 20_000}"),), where=number) for number in range(20_000)]

    made = plan(Reading(tuple(ring)), {}, closed=False)

    assert made.losses == (Loss("edge-cycle", "bd-19999", "needs bd-0"),)
    assert [opened.where for opened in made.openings] == list(reversed(range(20_000)))


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
NAMES = tuple(
    field
    for reader in (beads_jsonl, github_issues, factory_jsonl)
    for field in re.findall(r'"([a-zA-Z_]+)"', inspect.getsource(reader))
)
"""Every word in quotes in a reader: the fields among them are what it looks for."""

records = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), values, max_size=12)


@given(records, st.sampled_from(list(FORMATS)))
def test_no_record_whatever_its_values_is_too_much_for_a_reader(data: dict[str, object], name: str) -> None:
    good: dict[str, dict[str, object]] = {
        "factory": {"id": "fa-0001", "title": "x", "state": "open"},
        "beads": {"id": "bd-1", "title": "x", "status": "open"},
        "github": {"number": 1, "title": "x", "url": "https://github.com/a/b/issues/1"},
    }

    for record in (data, good[name] | data, data | good[name]):
        reading = FORMATS[name].read([Record(1, record)])
        assert len(reading.items) + len(reading.failures) + len(reading.left_out) >= 1
        for opened in plan(reading, {}, closed=True).openings:
            assert payloads(opened, dict.fromkeys((to for _, to in opened.links), BeadId("fa-0001")))
