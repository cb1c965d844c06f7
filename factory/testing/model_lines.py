"""What each line of models accepts, as far as requests differ by it.

Source: Anthropic's API reference of 2026-11-03, as summarised in the project's notes on runtimes.
"""

import re
from dataclasses import dataclass

_NAME = re.compile(r"claude-(?P<family>[a-z]+)-(?P<major>\d)(?:-(?P<minor>\d)(?!\d))?")
_NEWEST = (9, 9)

KNOWN_MODELS = (
    "claude-fable-5-2",
    "claude-opus-5-5",
    "claude-sonnet-5-5",
    "claude-haiku-5-5",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-opus-4-8",
    "claude-sonnet-4-6",
    "claude-haiku-4-5",
)
"""What ``GET /v1/models`` lists. Any other name is served too, by the newest rules."""


@dataclass(frozen=True)
class ModelLine:
    """The request features that a model accepts; ``thinking`` holds the accepted ``thinking.type`` values."""

    sampling: bool
    thinking: frozenset[str]
    forced_tools: bool
    prefill: bool
    system_messages: bool


def line_of(model: str) -> ModelLine:
    """The rules for ``model``; a name of another form gets the newest and strictest ones."""
    match = _NAME.match(model)
    family = match["family"] if match else ""
    version = (int(match["major"]), int(match["minor"] or 0)) if match else _NEWEST
    thinking = {"adaptive"}
    if version < (4, 7):
        thinking.add("enabled")
    if version < (5, 0):
        thinking.add("disabled")
    if family == "sonnet" and version >= (5, 5):
        thinking.add("between_tools")
    return ModelLine(
        sampling=version < (4, 7),
        thinking=frozenset(thinking),
        forced_tools=version < {"fable": (5, 1), "mythos": (5, 1), "haiku": _NEWEST}.get(family, (5, 5)),
        prefill=version <= (4, 5),
        system_messages=version > {"sonnet": (5, 0), "opus": (4, 7), "haiku": (4, 5)}.get(family, (0, 0)),
    )
