from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.agents.service import Patience, told_wait_s, trouble_of

chances = st.floats(min_value=0, max_value=1, exclude_max=True)


@given(st.integers(min_value=1, max_value=60), chances)
def test_waits_double_up_to_a_bound(tried: int, chance: float) -> None:
    patience = Patience(first_s=0.5, most_s=30)

    wait_s = patience.wait_s(tried, None, chance)

    assert 0.25 <= wait_s <= 30
    assert wait_s >= min(30, 0.5 * 2 ** (tried - 1)) / 2


@given(st.floats(min_value=0, max_value=300), chances)
def test_what_was_told_is_never_shortened(told_s: float, chance: float) -> None:
    assert told_s <= Patience().wait_s(3, told_s, chance) <= told_s * 1.1


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "Sat, 21 Nov 2026 10:00:30 GMT"}, 30.0),
        ({"retry-after": "Sat, 21 Nov 2026 09:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_the_header_is_read_in_all_its_forms(headers: dict[str, str], expected: float | None) -> None:
    now_s = datetime(2026, 11, 21, 10, tzinfo=UTC).timestamp()

    assert told_wait_s(headers, now_s) == expected


@given(st.integers(min_value=200, max_value=599), st.text(max_size=30), st.text(max_size=30))
def test_every_answer_has_a_meaning(status: int, kind: str, detail: str) -> None:
    trouble = trouble_of(status, kind, detail, "m", None)

    assert trouble.code in {None, "auth", "billing", "protocol"}
    assert str(status) in trouble.reason or status == 200
