"""What tokens cost: a dated table of list prices, and the bill of one request."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from factory.base.templates import template

_PER_MILLION = 1_000_000
_DATED = re.compile(r"-\d{8}$")


class Rates(BaseModel):
    """US dollars per million tokens; a cache write without a known price is ``None``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cache_read: float = Field(ge=0)
    cache_write_5m: float | None = Field(default=None, ge=0)
    cache_write_1h: float | None = Field(default=None, ge=0)


class LongRates(Rates):
    """The rates for a request whose whole prompt has more than ``above`` tokens."""

    above: int


class ModelRates(Rates):
    """The rates of one model."""

    long: LongRates | None = None


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    date: str
    models: dict[str, ModelRates]


@dataclass(frozen=True)
class Tokens:
    """The tokens of one request; ``input`` is what neither came from the cache nor went into it."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0

    @property
    def prompt(self) -> int:
        """All tokens that the model read."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True)
class Prices:
    """List prices by model."""

    models: Mapping[str, ModelRates]

    @classmethod
    def load(cls, *paths: Path) -> "Prices":
        """The shipped table, with the tables at ``paths`` laid over it model by model."""
        models: dict[str, ModelRates] = {}
        for path in (template("prices.toml"), *paths):
            models |= _Table.model_validate(tomllib.loads(path.read_text("utf-8"))).models
        return cls(models)

    def usd(self, model: str, tokens: Tokens) -> float | None:
        """What one request costs at list price, or ``None`` when a price is not known.

        A model's dated name (``…-20251001``) costs what its plain name costs.
        """
        found = self.models.get(model) or self.models.get(_DATED.sub("", model))
        if found is None:
            return None
        rates: Rates = found.long if found.long and tokens.prompt > found.long.above else found
        parts = (
            (tokens.input, rates.input),
            (tokens.output, rates.output),
            (tokens.cache_read, rates.cache_read),
            (tokens.cache_write_5m, rates.cache_write_5m),
            (tokens.cache_write_1h, rates.cache_write_1h),
        )
        total = 0.0
        for count, rate in parts:
            if count and rate is None:
                return None
            total += count * (rate or 0.0)
        return total / _PER_MILLION
