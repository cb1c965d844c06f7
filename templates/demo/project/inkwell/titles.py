"""Titles: capitals where a headline has them."""

from inkwell.words import WORD

SMALL = frozenset("a an and as at but by for from in nor of on or the to with".split())
"""Words that stay small unless they begin or end a title."""


def title(text: str) -> str:
    """``text`` with a capital for each word, except for small words in the middle."""
    found = list(WORD.finditer(text))
    pieces: list[str] = []
    end = 0
    for number, match in enumerate(found):
        inside = 0 < number < len(found) - 1
        pieces += [text[end : match.start()], _cased(match[0], small=inside)]
        end = match.end()
    return "".join(pieces) + text[end:]


def _cased(word: str, *, small: bool) -> str:
    if small and word.lower() in SMALL:
        return word.lower()
    return word[0].upper() + word[1:]
