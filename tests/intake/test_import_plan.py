"""The plan of an import, for any items with any edges."""

from hypothesis import given
from hypothesis import strategies as st

from factory.base.ids import BeadId
from factory.beads.payloads import EDGES
from factory.intake.foreign import Ending, Foreign, Reading, Record
from factory.intake.formats import FORMATS
from factory.intake.import_plan import plan

KEYS = [f"bd-{number}" for number in range(8)]
links = st.lists(st.tuples(st.sampled_from(EDGES), st.sampled_from([*KEYS, "bd-gone"])), max_size=6).map(tuple)
endings = st.sampled_from([None, None, Ending("done"), Ending("dropped", meets=False)])
times = st.sampled_from(["", "2025-01-01", "2025-01-02"])
items = st.lists(
    st.builds(
        lambda key, links, ending, at, where: Foreign(
            key, f"beads:{key}", where, "Do it", links=links, ending=ending, opened_at=at, updated_at=at
        ),
        st.sampled_from(KEYS), links, endings, times, st.integers(1, 99),
    ),
    max_size=12,
)  # fmt: skip
some = st.sets(st.sampled_from(KEYS), max_size=3)


@given(items, some, st.booleans())
def test_each_item_is_opened_once_or_told_of_and_comes_after_what_it_needs(
    wanted: list[Foreign], known: set[str], closed: bool
) -> None:
    here = {key: BeadId(f"fa-000{key[-1]}") for key in known}

    made = plan(Reading(tuple(wanted)), here, closed=closed)

    opened = [item.key for item in made.openings]
    skipped = [skip.item.key for skip in made.skips]
    left = [loss.key for loss in made.losses if loss.kind == "closed"]
    assert sorted({item.key for item in wanted}) == sorted([*opened, *skipped, *left])
    assert not set(opened) & set(here)
    before: set[str] = set(here)
    for item in made.openings:
        assert all(to in before for edge, to in item.links if edge in ("needs", "part_of"))
        before.add(item.key)
    assert all(to in before for item in made.openings for _, to in item.links)


@given(items, st.booleans())
def test_every_edge_is_made_or_told_of(wanted: list[Foreign], closed: bool) -> None:
    made = plan(Reading(tuple(wanted)), {}, closed=closed)

    told = [(loss.key, loss.detail) for loss in made.losses if loss.kind.startswith("edge-")]
    chosen = {item.key: item for item in made.openings}
    lasts = {(item.key, item.where, item.links) for item in wanted}
    for key, item in chosen.items():
        edges = {link for other, where, links_ in lasts if (other, where) == (key, item.where) for link in links_}
        for edge, to in edges - set(item.links):
            itself = f"{edge} itself" if to == key else ""
            assert (key, f"{edge} {to}") in told or (key, itself) in told


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
NAMES = [
    "id",
    "title",
    "description",
    "status",
    "priority",
    "issue_type",
    "labels",
    "dependencies",
    "comments",
    "created_at",
    "defer_until",
    "close_reason",
    "number",
    "url",
    "body",
    "state",
    "stateReason",
    "author",
    "assignees",
    "milestone",
    "blockedBy",
    "parent",
    "subIssues",
    "createdAt",
    "issueType",
    "text",
    "needs",
    "part_of",
    "not_before",
    "origin",
    "opened_at",
    "_type",
]


@given(
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=5), values, max_size=12), st.sampled_from(list(FORMATS))
)
def test_no_record_whatever_its_values_is_too_much_for_a_reader(data: dict[str, object], name: str) -> None:
    good: dict[str, dict[str, object]] = {
        "factory": {"id": "fa-0001", "title": "x", "state": "open"},
        "beads": {"id": "bd-1", "title": "x", "status": "open"},
        "github": {"number": 1, "title": "x", "url": "https://github.com/a/b/issues/1"},
    }

    for record in (data, good[name] | data, data | good[name]):
        reading = FORMATS[name].read([Record(1, record)])
        assert len(reading.items) + len(reading.failures) + len(reading.left_out) >= 1
        for item in plan(reading, {}, closed=True).openings:
            assert f"{item.title}{item.text}{item.origin}{item.key}".encode()
