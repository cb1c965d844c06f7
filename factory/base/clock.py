"""Time, as something that can be handed in: the real clock, and the seam for a hand-moved one."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Says what time it is."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        ...


class WallClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Milliseconds since the Unix epoch."""
        return time.time_ns() // 1_000_000


def iso(ms: int) -> str:
    """``ms`` since the epoch as RFC 3339 in UTC with milliseconds, e.g. ``2026-11-21T10:15:30.123Z``."""
    moment = datetime.fromtimestamp(ms // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def parse_iso(text: str) -> int:
    """The milliseconds since the epoch that ``iso`` wrote; raises ``ValueError`` for anything else."""
    moment = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def parse_time(text: str) -> int:
    """The milliseconds since the epoch of a day or a time in RFC 3339; without an offset it is UTC.

    Raises ``ValueError`` for anything else.
    """
    moment = datetime.fromisoformat(text.strip())
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        return int(moment.timestamp()) * 1000 + moment.microsecond // 1000
    except OverflowError:
        raise ValueError(text) from None
