"""The quick way in: the commands that only read beads, and the one that opens one, before typer is imported.

It understands well-formed calls of these commands and nothing else: for whatever is odd (a wrong option, help, a
repository that only git can judge, a bead that is not there) it does nothing, and the commands themselves do all.
"""

from __future__ import annotations

import os

from factory.beads.lookup import BROKEN, Unknown
from factory.cli import answers, reading
from factory.cli.locate import state_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_FLAG, _NUMBER, _TEXT, _TEXTS = "flag", "number", "text", "texts"
_LEAST = {"limit": 1, "priority": 0}
_MOST = {"limit": 2**31 - 1, "priority": 4}
_JSON = {"--json": ("as_json", _FLAG)}
_LIMIT = {"-n": ("limit", _NUMBER), "--limit": ("limit", _NUMBER)}


def _tree(*arguments: Any, **named: Any) -> Callable[[], None]:
    from factory.cli.tree import tree

    return tree(*arguments, **named)


_COMMANDS: dict[str, tuple[Callable[..., Any], dict[str, tuple[str, str]], int, int]] = {
    "ready": (answers.ready, {**_JSON, **_LIMIT, "--explain": ("explain", _FLAG)}, 0, 0),
    "blocked": (answers.blocked, {**_JSON, **_LIMIT}, 0, 0),
    "list": (
        answers.listed,
        {
            **_JSON,
            **_LIMIT,
            **dict.fromkeys(("-s", "--state"), ("states", _TEXTS)),
            **dict.fromkeys(("-l", "--label"), ("label", _TEXT)),
            **dict.fromkeys(("-a", "--all"), ("finished", _FLAG)),
        },
        0,
        0,
    ),
    "show": (answers.shown, {**_JSON}, 1, 1),
    "tree": (_tree, {**_JSON, **dict.fromkeys(("-a", "--all"), ("finished", _FLAG))}, 0, 1),
}
"""Each command: what answers it, its options, and how many arguments it takes at least and at most."""


def answer(words: Sequence[str]) -> int | None:
    """Answer the call ``factory WORDS`` and give its exit code; ``None``: nothing was done."""
    if len(words) < 2 or words[0] != "bead" or "_FACTORY_COMPLETE" in os.environ:  # noqa: PLR2004
        return None
    if words[1] == "add":
        return _added(words[2:])
    if words[1] not in _COMMANDS:
        return None
    ask, options, least, most = _COMMANDS[words[1]]
    understood = _understood(words[2:], options)
    if understood is None or not least <= len(understood[0]) <= most:
        return None
    arguments, named = understood
    place = state_dir(".")
    if place is None or not os.path.isdir(f"{place}/live/beads"):
        return None
    try:
        return reading.told(place, lambda lookup: ask(lookup, *arguments, **named))
    except (Unknown, *BROKEN, OSError):
        return None


_ADD = {
    **_JSON,
    **dict.fromkeys(("-m", "--text"), ("text", _TEXT)),
    **dict.fromkeys(("-p", "--priority"), ("priority", _NUMBER)),
    **dict.fromkeys(("-l", "--label"), ("labels", _TEXTS)),
    "--needs": ("needs", _TEXTS),
    "--part-of": ("part_of", _TEXTS),
    "--not-before": ("not_before", _TEXT),
}


def _added(words: Sequence[str]) -> int | None:
    """Open a bead, the one thing that is written the quick way; ``None``: nothing was done."""
    understood = _understood(words, _ADD)
    if understood is None or len(understood[0]) != 1 or len(understood[1].get("part_of", ())) > 1:
        return None
    (title,), named = understood
    place = state_dir(".")
    if place is None or not os.path.exists(f"{place}/settings.json"):
        return None
    from factory.base.errors import FactoryError
    from factory.cli.opening import quickly

    as_json = named.pop("as_json", False)
    try:
        return 0 if quickly(place, {"title": title, **named}, as_json=as_json) else None
    except FactoryError as error:
        from factory.cli.telling import tell

        return tell(error.sentence, error.hint, error.exit_code, as_json=as_json)


def _understood(words: Sequence[str], options: dict[str, tuple[str, str]]) -> tuple[list[str], dict[str, Any]] | None:
    """The arguments and the options of a call; ``None`` when it is not plain to see what is meant."""
    arguments: list[str] = []
    named: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if not word.startswith("-"):
            arguments.append(word)
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word[:2], word[2:], word[2:])
        if name not in options:
            return None
        key, kind = options[name]
        if kind == _FLAG:
            if equals:
                return None
            named[key] = True
            continue
        if not equals:
            value = next(rest, "")
        if not _put(named, key, kind, value):
            return None
    return arguments, named


def _put(named: dict[str, Any], key: str, kind: str, value: str) -> bool:
    if not value or value.startswith("-"):
        return False
    if kind == _NUMBER:
        if not (value.isascii() and value.isdecimal() and _LEAST[key] <= int(value) <= _MOST[key]):
            return False
        named[key] = int(value)
    elif kind == _TEXTS:
        named.setdefault(key, []).append(value)
    else:
        named[key] = value
    return True
