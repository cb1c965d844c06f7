"""Paragraphs filled to a width."""

import re
import textwrap


def wrap(text: str, width: int = 72) -> str:
    """Each paragraph of ``text`` in lines of at most ``width`` characters; longer words stay whole."""
    paragraphs = re.split(r"\n\s*\n", text.strip())
    return "\n\n".join(_filled(paragraph, width) for paragraph in paragraphs)


def _filled(paragraph: str, width: int) -> str:
    return textwrap.fill(" ".join(paragraph.split()), width, break_long_words=False, break_on_hyphens=False)
