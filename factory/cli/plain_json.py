"""JSON without the package ``json``, whose import of regular expressions costs a third of a reading command.

The same C code reads and writes as in ``json`` itself; where Python was built without it, ``json`` does.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    encode_basestring: Callable[[str], str]
    make_scanner: Callable[[object], Callable[[str, int], tuple[Any, int]]] | None
else:
    try:
        from _json import encode_basestring, make_scanner
    except ImportError:  # another Python than CPython
        make_scanner = None


class _AsEver:
    """What a scanner asks of a decoder, as ``json.loads`` answers."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int = float, int
    memo: dict[str, str] = {}

    @staticmethod
    def parse_constant(name: str) -> float:
        return float(name.replace("Infinity", "inf"))


def loads(text: str) -> Any:
    """The value of a JSON text that has no space around it; raises ``ValueError``."""
    if make_scanner is None:
        import json

        return json.loads(text)
    try:
        value, end = make_scanner(_AsEver)(text, 0)
    except StopIteration:
        raise ValueError("not JSON") from None
    if end != len(text):
        raise ValueError("more than one JSON value")
    return value


def dumps(value: object) -> str:
    """``json.dumps(value, ensure_ascii=False)``, for what an answer is made of."""
    if make_scanner is None:
        import json

        return json.dumps(value, ensure_ascii=False)
    return "".join(_written(value))


def _written(value: object) -> list[str]:
    if isinstance(value, str):
        return [encode_basestring(value)]
    if value is None or isinstance(value, bool):
        return ["null" if value is None else "true" if value else "false"]
    if isinstance(value, int):
        return [int.__repr__(value)]
    if isinstance(value, dict):
        return _joined("{", "}", ([encode_basestring(str(key)), ": ", *_written(item)] for key, item in value.items()))
    if isinstance(value, list | tuple):
        return _joined("[", "]", map(_written, value))
    import json

    return [json.dumps(value, ensure_ascii=False)]


def _joined(begin: str, end: str, parts: Iterable[list[str]]) -> list[str]:
    written = [begin]
    for part in parts:
        if len(written) > 1:
            written.append(", ")
        written += part
    written.append(end)
    return written
