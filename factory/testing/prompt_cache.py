"""The prompt cache, as far as a bill shows it: which part of a prompt was read, written or neither.

An entry is an exact prefix that ended at a mark. It is kept for the server's life, so lifetimes only
decide under which heading a write is counted.
"""

import hashlib
import threading
from dataclasses import dataclass

from factory.testing.prompt import Segment, estimated_tokens

MINIMUM_TOKENS = 512
"""Shorter prefixes are not cached, silently; the newest models' number."""

LOOKBACK = 20
"""How many positions before a mark an older entry is still found at."""


@dataclass(frozen=True)
class InputTokens:
    """The input side of a bill, in tokens; the three kinds do not overlap."""

    fresh: int
    read: int
    written_5m: int
    written_1h: int

    @property
    def written(self) -> int:
        """Tokens written to the cache under either lifetime."""
        return self.written_5m + self.written_1h


class PromptCache:
    """What one workspace has cached; safe to use from several threads."""

    def __init__(self) -> None:
        self._entries: set[tuple[str, bytes]] = set()
        self._mutex = threading.Lock()

    def charge(self, model: str, prompt: list[Segment]) -> InputTokens:
        """Bill ``prompt`` and remember the prefixes that its marks name."""
        digests, totals = _prefixes(prompt)
        whole = totals[-1] if totals else 0
        marks = [index for index, segment in enumerate(prompt) if segment.ttl]
        with self._mutex:
            read = self._longest(model, digests, totals, marks)
            written = {"5m": 0, "1h": 0}
            reached = read
            for index in marks:
                if totals[index] >= MINIMUM_TOKENS:
                    self._entries.add((model, digests[index]))
                    written[prompt[index].ttl or "5m"] += max(0, totals[index] - reached)
                    reached = max(reached, totals[index])
        return InputTokens(whole - reached, read, written["5m"], written["1h"])

    def _longest(self, model: str, digests: list[bytes], totals: list[int], marks: list[int]) -> int:
        for mark in reversed(marks):
            for index in range(mark, max(mark - LOOKBACK, -1), -1):
                if (model, digests[index]) in self._entries:
                    return totals[index]
        return 0


def _prefixes(prompt: list[Segment]) -> tuple[list[bytes], list[int]]:
    """For each position, the digest of everything up to it and how many tokens that is."""
    digests: list[bytes] = []
    totals: list[int] = []
    running, tokens = hashlib.sha256(), 0
    for segment in prompt:
        running.update(len(segment.content).to_bytes(8, "big") + segment.content)
        tokens += estimated_tokens(segment.content)
        digests.append(running.digest())
        totals.append(tokens)
    return digests, totals
