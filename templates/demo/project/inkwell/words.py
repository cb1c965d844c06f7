"""Words: what they are, and how many there are."""

import re
from typing import NamedTuple

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
"""One word: letters of any alphabet, with apostrophes inside."""


class Counts(NamedTuple):
    """How long a text is."""

    lines: int
    words: int
    characters: int


def words(text: str) -> list[str]:
    """The words of ``text``, as they are written."""
    return WORD.findall(text)


def count(text: str) -> Counts:
    """How many lines, words and characters ``text`` has."""
    return Counts(len(text.splitlines()), len(words(text)), len(text))
