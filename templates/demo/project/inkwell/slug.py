"""Slugs: a title as the last part of an address."""

import re


def slugify(text: str, separator: str = "-") -> str:
    """``text`` in lower case, with ``separator`` for everything that is not a letter or a digit."""
    return re.sub(r"[^a-z0-9]+", separator, text.lower()).strip(separator)
