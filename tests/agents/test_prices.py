from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.agents.builtin import DEFAULT_MODEL
from factory.agents.prices import Prices, Tokens

PRICES = Prices.load()
counts = st.integers(min_value=0, max_value=10_000_000)


@pytest.mark.parametrize(
    ("model", "tokens", "usd"),
    [
        ("claude-opus-5-5", Tokens(1_000_000, 1_000_000, 1_000_000, 1_000_000, 1_000_000), 4 + 20 + 0.2 + 5 + 8),
        ("claude-haiku-4-5-20251001", Tokens(input=1_000_000), 1.0),
        ("claude-haiku-5-5", Tokens(input=100_000), 0.01),
        ("claude-haiku-5-5", Tokens(input=100_000, cache_read=1), 0.05000005),
        ("gpt-6.1-sol", Tokens(input=1_000), 0.002),
        ("gpt-6.1-sol", Tokens(input=1_000, cache_write_5m=1), None),
        ("somebody-elses", Tokens(input=1), None),
    ],
)
def test_a_request_costs_what_the_list_says(model: str, tokens: Tokens, usd: float | None) -> None:
    assert PRICES.usd(model, tokens) == (None if usd is None else pytest.approx(usd))


def test_the_default_model_has_a_price() -> None:
    assert DEFAULT_MODEL in PRICES.models


@given(st.sampled_from(sorted(PRICES.models)), counts, counts, counts)
def test_no_bill_is_negative_and_more_tokens_never_cost_less(model: str, fresh: int, read: int, out: int) -> None:
    less = PRICES.usd(model, Tokens(fresh, out, read))
    more = PRICES.usd(model, Tokens(fresh + 1, out, read))

    assert less is not None
    assert more is not None
    assert 0 <= less <= more


def test_a_table_of_ones_own_lies_over_the_shipped_one(tmp_path: Path) -> None:
    own = tmp_path / "prices.toml"
    own.write_text('date = "2026-12-01"\n[models.local]\ninput = 0\noutput = 0\ncache_read = 0\n')

    prices = Prices.load(own)

    assert prices.usd("local", Tokens(input=5)) == 0.0
    assert prices.usd(DEFAULT_MODEL, Tokens(input=1_000_000)) == 2.0
