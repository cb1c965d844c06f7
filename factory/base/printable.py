"""Text from outside made safe to print on a terminal. Imports nothing: every command that prints needs it."""

_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c")


def printable(text: str) -> str:
    """``text`` with control and bidirectional characters shown as escapes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() and letter not in _BIDI else letter.encode("unicode_escape").decode()
        for letter in text
    )
